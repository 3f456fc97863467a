import type { IdentityId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import type { Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { touchIdentity } from '../identities/service.ts'
import { sessionSeconds } from '../tokens/model.ts'
import { issueRefreshToken, type Grant } from '../tokens/service.ts'
import { insertSession } from './store.ts'

/** Begins a session for an identity that has just proved itself. */
export async function startSession(tx: Transaction, identityId: IdentityId): Promise<Grant> {
  const now = tx.clock.now()
  const id = tx.newId('session')
  await insertSession(tx, {
    id,
    identityId,
    startedAt: now,
    expiresAt: addSeconds(now, sessionSeconds),
    endedAt: undefined,
  })
  await touchIdentity(tx, identityId)
  recordEvent(tx, {
    type: 'session.started',
    actor: identityId,
    resource: `agent-iam/sessions/${id}`,
    personal: { subject: identityId, fields: { address: tx.caller.address } },
  })
  return { tenantId: tx.caller.tenantId, identityId, sessionId: id, refreshToken: await issueRefreshToken(tx, id) }
}
