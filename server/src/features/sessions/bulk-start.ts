import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import type { Context, Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { requireActing } from '../tenants/service.ts'
import type { AccessGrant } from '../tokens/service.ts'
import { insertSessions } from './store/bulk-start.ts'

/** How one of many sessions begins, with the request that asked for it. */
export interface BulkStart {
  readonly identityId: IdentityId
  readonly method: string
  readonly scope: readonly string[] | undefined
  /** The id of what proved the client. */
  readonly credential: string
  readonly seconds: number
  readonly delegator?: IdentityId
  readonly source?: SessionId
  readonly request: Pick<Context, 'requestId' | 'traceId'>
  readonly address: string
}

/**
 * Begins sessions of clients in one go, each with its event. Nothing refreshes them. The caller holds the identities,
 * and none of them is an agent's, whose sessions are counted one by one.
 */
export async function openSessions(tx: Transaction, starts: readonly BulkStart[]): Promise<AccessGrant[]> {
  await requireActing(tx)
  const startedAt = tx.clock.now()
  const sessions = starts.map(({ identityId, method, scope, credential, seconds, delegator, source }) => ({
    id: tx.newId('session'),
    identityId,
    startedAt,
    expiresAt: addSeconds(startedAt, seconds),
    method,
    clientId: identityId,
    scope,
    metadata: { credential },
    delegator,
    source,
  }))
  await insertSessions(tx, sessions)
  return sessions.map(({ id, identityId, method, clientId, scope }, place) => {
    const { request, address = '' } = starts[place] ?? {}
    recordEvent(tx, {
      type: 'session.started',
      actor: identityId,
      authentication: { session: id, credential: starts[place]?.credential, client: clientId },
      resource: `agent-iam/sessions/${id}`,
      data: { method, clientId, ...(scope && { scope: [...scope] }) },
      // Where a program runs is no person's own, so the key of the month will do.
      personal: { subject: 'month', fields: { address } },
      ...(request && { request }),
    })
    return { tenantId: tx.caller.tenantId, identityId, sessionId: id, clientId, scope, confirmation: undefined }
  })
}
