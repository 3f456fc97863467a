import type { EnrolmentTokenId, UserId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

/** Holds the enrolment tokens of a person that may still be used. */
export async function holdEnrolmentTokensOf(tx: Transaction, owner: UserId): Promise<void> {
  await tx.db
    .selectFrom('enrolment_tokens')
    .select('id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('owner_id', '=', toUuid(owner))
    .where('revoked_at', 'is', null)
    .orderBy('id')
    .forUpdate()
    .execute()
}

/** Gives a person's enrolment tokens to another, or ends them; returns which. */
export async function updateEnrolmentOwner(
  tx: Transaction,
  from: UserId,
  to: UserId | undefined,
): Promise<EnrolmentTokenId[]> {
  const rows = await tx.db
    .updateTable('enrolment_tokens')
    .set(to ? { owner_kind: 'user', owner_id: toUuid(to) } : { revoked_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('owner_id', '=', toUuid(from))
    .where('revoked_at', 'is', null)
    .returning('id')
    .execute()
  return rows.map(({ id }) => fromUuid('enrolmentToken', id))
}
