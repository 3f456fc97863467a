import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'
import { apiKeyMethod } from '../model.ts'

/** Ends the live sessions of an identity but for those of its API keys, or those begun with one credential; returns how many. */
export async function endSessionsInBulk(
  tx: Transaction,
  identityId: IdentityId,
  { reason, credential }: { reason: string; credential?: string },
): Promise<number> {
  const now = tx.clock.now()
  const { numUpdatedRows } = await tx.db
    .updateTable('sessions')
    .set({ ended_at: now, end_reason: reason })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where('ended_at', 'is', null)
    .where('expires_at', '>', now)
    .where('method', '<>', apiKeyMethod)
    .$if(credential !== undefined, (query) => query.where(sql<boolean>`metadata->>'credential' = ${credential ?? ''}`))
    .executeTakeFirst()
  return Number(numUpdatedRows)
}

/** Lets a live session end by itself, no later than this. */
export async function shortenSession(tx: Transaction, id: SessionId, expiresAt: Date): Promise<void> {
  await tx.db
    .updateTable('sessions')
    .set({ expires_at: expiresAt })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .where('ended_at', 'is', null)
    .where('expires_at', '>', expiresAt)
    .execute()
}
