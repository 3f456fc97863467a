import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

/** Ends the live sessions of an identity, but for those that were begun so or that one; returns which that were. */
export async function endLiveSessions(
  tx: Transaction,
  identityId: IdentityId,
  { reason, except, exceptMethod }: { reason: string; except: SessionId | undefined; exceptMethod: string },
): Promise<SessionId[]> {
  const now = tx.clock.now()
  const rows = await tx.db
    .updateTable('sessions')
    .set({ ended_at: now, end_reason: reason })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where('ended_at', 'is', null)
    .where('expires_at', '>', now)
    .where('method', '<>', exceptMethod)
    .$if(except !== undefined, (query) => query.where('id', '<>', toUuid(except ?? 'ses_')))
    .returning('id')
    .execute()
  return rows.map(({ id }) => fromUuid('session', id))
}
