import type { IdentityId } from '@agent-iam/contract/ids'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Transaction } from '../../platform/context.ts'

type Kind = 'user' | 'service' | 'agent'

/** Who may be found: whoever is active, by id. Others may do nothing. */
export async function listCandidates(
  tx: Transaction,
  { kind, after, limit }: { kind: Kind | undefined; after: IdentityId | undefined; limit: number },
): Promise<Array<{ id: IdentityId; kind: Kind; name: string }>> {
  const rows = await tx.db
    .selectFrom('identities')
    .select(['id', 'kind', 'name'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('status', '=', 'active')
    .$if(kind !== undefined, (query) => query.where('kind', '=', kind ?? 'agent'))
    .$if(after !== undefined, (query) => query.where('id', '>', after === undefined ? '' : toUuid(after)))
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ id: fromUuid(row.kind, row.id), kind: row.kind, name: row.name }))
}

/** The ids of a type's registered resources. */
export async function listResourceIds(
  tx: Transaction,
  { type, after, limit }: { type: string; after: string | undefined; limit: number },
): Promise<string[]> {
  const rows = await tx.db
    .selectFrom('resources')
    .select('id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('type', '=', type)
    .$if(after !== undefined, (query) => query.where('id', '>', after ?? ''))
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}
