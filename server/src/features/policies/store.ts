import type { PolicyId } from '@agent-iam/contract/ids'
import { sql, type Selectable } from 'kysely'
import type { Transaction } from '../../platform/context.ts'
import type { Tables } from '../../platform/database.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Policy } from './model.ts'
import type { PolicySet } from './selection.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    policies: {
      tenant_id: string
      id: string
      name: string
      description: string
      effect: 'permit' | 'forbid'
      cedar: string
      is_unscoped: boolean
      created_by: string
      created_at: Date
    }
    policy_versions: { tenant_id: string; version: number }
  }
}

/** Returns false when the name is taken. */
export async function insertPolicy(tx: Transaction, policy: Policy): Promise<boolean> {
  const { id, name, description, effect, cedar, isUnscoped, createdBy, createdAt } = policy
  const inserted = await tx.db
    .insertInto('policies')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(id),
      name,
      description,
      effect,
      cedar,
      is_unscoped: isUnscoped,
      created_by: createdBy,
      created_at: createdAt,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'name']).doNothing())
    .returning('id')
    .executeTakeFirst()
  return inserted !== undefined
}

/** Returns false when it was deleted already. */
export async function deletePolicy(tx: Transaction, id: PolicyId): Promise<boolean> {
  const deleted = await tx.db
    .deleteFrom('policies')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .returning('id')
    .executeTakeFirst()
  return deleted !== undefined
}

/** Counts one change of the set. The row is locked until the transaction ends, so changes follow one another. */
export async function raiseVersion(tx: Transaction): Promise<void> {
  await tx.db
    .insertInto('policy_versions')
    .values({ tenant_id: toUuid(tx.caller.tenantId), version: 1 })
    .onConflict((conflict) => conflict.column('tenant_id').doUpdateSet({ version: sql`policy_versions.version + 1` }))
    .execute()
}

export interface PolicyTotals {
  readonly policies: number
  readonly unscoped: number
  readonly bytes: number
}

/** How much of each quota a tenant has spent. */
export async function readTotals(tx: Transaction): Promise<PolicyTotals> {
  const { rows } = await sql<PolicyTotals>`
    select count(*)::int as policies, count(*) filter (where is_unscoped)::int as unscoped,
      coalesce(sum(octet_length(cedar)), 0)::int as bytes
    from policies where tenant_id = ${toUuid(tx.caller.tenantId)}`.execute(tx.db)
  const [totals] = rows
  if (!totals) throw new Error('a count gave no row')
  return totals
}

export async function findPolicy(tx: Transaction, id: PolicyId): Promise<Policy | undefined> {
  const row = await policies(tx).selectAll().where('id', '=', toUuid(id)).executeTakeFirst()
  return row && toPolicy(row)
}

export async function listPolicies(tx: Transaction, after: string | undefined, limit: number): Promise<Policy[]> {
  const rows = await policies(tx)
    .selectAll()
    .$if(after !== undefined, (query) => query.where('name', '>', after ?? ''))
    .orderBy('name')
    .limit(limit)
    .execute()
  return rows.map(toPolicy)
}

/** The whole set with its version, in one statement, so that they belong together. */
export async function readPolicySet(tx: Transaction): Promise<PolicySet> {
  const { rows } = await sql<{ version: number; id: string; name: string; effect: 'permit' | 'forbid'; cedar: string }>`
    select v.version, p.id, p.name, p.effect, p.cedar
    from policy_versions v join policies p using (tenant_id)
    where v.tenant_id = ${toUuid(tx.caller.tenantId)} order by p.id`.execute(tx.db)
  return {
    tenantId: tx.caller.tenantId,
    version: String(rows[0]?.version ?? 'empty'),
    policies: rows.map(({ id, name, effect, cedar }) => ({ id: fromUuid('policy', id), title: name, effect, cedar })),
  }
}

function policies(tx: Transaction) {
  return tx.db.selectFrom('policies').where('tenant_id', '=', toUuid(tx.caller.tenantId))
}

function toPolicy(row: Selectable<Tables['policies']>): Policy {
  return {
    id: fromUuid('policy', row.id),
    name: row.name,
    description: row.description,
    effect: row.effect,
    cedar: row.cedar,
    isUnscoped: row.is_unscoped,
    createdBy: row.created_by,
    createdAt: row.created_at,
  }
}
