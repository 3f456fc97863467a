import type { UserId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'

/**
 * Ends the mailed links by which a person would set another password. They lie with the other secrets of accounts; a
 * password that changes ends them here, so that no way of changing it forgets to.
 */
export async function endResetLinks(tx: Transaction, userId: UserId): Promise<void> {
  await tx.db
    .updateTable('account_tokens')
    .set({ used_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('subject_id', '=', toUuid(userId))
    .where('purpose', '=', 'password-reset')
    .where('used_at', 'is', null)
    .execute()
}
