import { serviceKeysMax } from '@agent-iam/contract/services'
import type { ServiceId } from '@agent-iam/contract/ids'
import { actorOf, delegatorOf, inTransaction, sourceSessionOf, type Context } from '../../platform/context.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { endSessionsInBulk } from '../sessions/service.ts'
import { lockForCredential, holdService, requireService } from './access.ts'
import { readPublicJwk } from './jwk.ts'
import type { ServiceKey } from './model.ts'
import { deleteKeys, insertKey, listKeys } from './store/keys.ts'

/** Takes a public key for assertions of a service. */
export async function addKey(ctx: Context, id: ServiceId, jwk: Readonly<Record<string, unknown>>): Promise<ServiceKey> {
  const read = readPublicJwk(jwk)
  return inTransaction(ctx, async (tx) => {
    await lockForCredential(tx, 'services:add-key', id)
    const keys = await listKeys(tx, id)
    if (keys.length >= serviceKeysMax)
      throw new Problem('quota-spent', `${id} has ${serviceKeysMax} keys; delete one first`)
    const key: ServiceKey = {
      ...read,
      createdBy: delegatorOf(tx.caller) ?? actorOf(tx.caller),
      createdAt: tx.clock.now(),
      source: sourceSessionOf(tx.caller),
    }
    const isNameTaken = key.kid !== undefined && keys.some(({ kid }) => kid === key.kid)
    if (isNameTaken || !(await insertKey(tx, id, key)))
      throw new Problem(
        'already-exists',
        'a service has this key, or had it, or has another of its kid; make a new pair',
      )
    recordEvent(tx, {
      type: 'service.key-added',
      resource: `agent-iam/services/${id}`,
      data: { keyThumbprint: key.thumbprint, algorithm: key.algorithm },
    })
    return key
  })
}

export async function readKeys(ctx: Context, id: ServiceId): Promise<ServiceKey[]> {
  return inTransaction(ctx, async (tx) => {
    await requireService(tx, 'services:read', id)
    return listKeys(tx, id)
  })
}

/** Ends a key and what was begun with it. */
export async function deleteKey(ctx: Context, id: ServiceId, thumbprint: string): Promise<number> {
  return inTransaction(ctx, async (tx) => {
    await holdService(tx, 'services:delete-key', id)
    if ((await deleteKeys(tx, id, thumbprint)).length === 0) throw notFound('keys', thumbprint)
    const endedSessions = await endSessionsInBulk(tx, id, { reason: 'key deleted', credential: thumbprint })
    recordEvent(tx, {
      type: 'service.key-deleted',
      resource: `agent-iam/services/${id}`,
      data: { keyThumbprint: thumbprint, endedSessions },
      narrows: true,
    })
    return endedSessions
  })
}
