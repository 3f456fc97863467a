import { serviceSecretPrefix, serviceSecretsMax } from '@agent-iam/contract/services'
import type { SecretId, ServiceId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import { actorOf, delegatorOf, inTransaction, sourceSessionOf, type Context } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { newSecret } from '../../platform/random.ts'
import { recordEvent } from '../audit/service.ts'
import { endWithSource } from '../capabilities/service.ts'
import { endSessionsInBulk } from '../sessions/service.ts'
import { lockForCredential, holdService, requireService } from './access.ts'
import type { ServiceSecret } from './model.ts'
import { deleteSecrets, insertSecret, listSecrets } from './store/secrets.ts'

const daySeconds = 86_400
/** How much of a secret is shown afterwards: its prefix and 48 bits, which give nothing away. */
const shownCharacters = 12

/** Makes a secret of a service; two may live, so that the one before goes on while the new one is brought out. */
export async function createSecret(
  ctx: Context,
  id: ServiceId,
  expiresInDays: number,
): Promise<{ secret: string; serviceSecret: ServiceSecret }> {
  return inTransaction(ctx, async (tx) => {
    await lockForCredential(tx, 'services:create-secret', id)
    if ((await listSecrets(tx, id)).length >= serviceSecretsMax)
      throw new Problem('quota-spent', `${id} has ${serviceSecretsMax} secrets that live; delete one first`)
    const secret = newSecret(tx.random, serviceSecretPrefix)
    const now = tx.clock.now()
    const expiresAt = addSeconds(now, expiresInDays * daySeconds)
    const serviceSecret: ServiceSecret = {
      id: tx.newId('secret'),
      prefix: secret.slice(0, shownCharacters),
      createdBy: delegatorOf(tx.caller) ?? actorOf(tx.caller),
      createdAt: now,
      expiresAt: (await endWithSource(tx, expiresAt)) ?? expiresAt,
      source: sourceSessionOf(tx.caller),
    }
    await insertSecret(tx, id, serviceSecret, sha256(secret))
    recordEvent(tx, {
      type: 'service.secret-created',
      resource: `agent-iam/services/${id}`,
      data: { secretId: serviceSecret.id, expiresAt: serviceSecret.expiresAt.toISOString() },
    })
    return { secret, serviceSecret }
  })
}

export async function readSecrets(ctx: Context, id: ServiceId): Promise<ServiceSecret[]> {
  return inTransaction(ctx, async (tx) => {
    await requireService(tx, 'services:read', id)
    return listSecrets(tx, id)
  })
}

/** Ends a secret and what was begun with it; the service is held, so a login that is under way ends too. */
export async function deleteSecret(ctx: Context, id: ServiceId, secretId: SecretId): Promise<number> {
  return inTransaction(ctx, async (tx) => {
    await holdService(tx, 'services:delete-secret', id)
    if ((await deleteSecrets(tx, id, secretId)).length === 0) throw notFound('secrets', secretId)
    const endedSessions = await endSessionsInBulk(tx, id, { reason: 'secret deleted', credential: secretId })
    recordEvent(tx, {
      type: 'service.secret-deleted',
      resource: `agent-iam/services/${id}`,
      data: { secretId, endedSessions },
      narrows: true,
    })
    return endedSessions
  })
}
