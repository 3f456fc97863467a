import type { IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'

/** Who lends each of these authority today; null: nobody does. Who is not there any more is left out. */
export async function listParents(tx: Transaction, ids: readonly IdentityId[]): Promise<Map<string, string | null>> {
  const rows = await tx.db
    .selectFrom('identities')
    .select(['id', 'parent_id'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', 'in', ids.map(toUuid))
    .execute()
  return new Map(rows.map((row) => [row.id, row.parent_id]))
}
