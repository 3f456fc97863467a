import type { PolicyId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../platform/context.ts'
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
      priority: number
      created_by: string
      created_at: Date
    }
    policy_versions: { tenant_id: string; version: number }
  }
}

/** Puts a policy's latest version in force, in place of the one before. Its document is written already. */
export async function putInForce(tx: Transaction, policy: Policy): Promise<void> {
  const { id, name, description, effect, cedar, isUnscoped, priority, createdBy, createdAt } = policy
  const said = { name, description, effect, cedar, is_unscoped: isUnscoped, priority }
  await tx.db
    .insertInto('policies')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(id),
      ...said,
      created_by: createdBy,
      created_at: createdAt,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doUpdateSet(said))
    .execute()
}

/** Tells anew what a policy in force is called, and leaves what it says. */
export async function renameInForce(tx: Transaction, { id, name, description, priority }: Policy): Promise<void> {
  await tx.db
    .updateTable('policies')
    .set({ name, description, priority })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

/** Takes a policy out of force. Its document says so already, or is gone. */
export async function takeOutOfForce(tx: Transaction, id: PolicyId): Promise<void> {
  await tx.db
    .deleteFrom('policies')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

/**
 * Holds the tenant's policies until the transaction ends, so that their changes follow one another. Another writer of the
 * set may not be done yet: read what is decided upon only after this.
 */
export async function holdPolicies(tx: Transaction): Promise<void> {
  await tx.db
    .insertInto('policy_versions')
    .values({ tenant_id: toUuid(tx.caller.tenantId), version: 0 })
    .onConflict((conflict) => conflict.column('tenant_id').doUpdateSet({ version: sql`policy_versions.version` }))
    .execute()
}

/** Counts one change of what is in force. */
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

/** How much of each quota of what is in force is spent. */
export async function readTotals(tx: Transaction): Promise<PolicyTotals> {
  const { rows } = await sql<PolicyTotals>`
    select count(*)::int as policies, count(*) filter (where is_unscoped)::int as unscoped,
      coalesce(sum(octet_length(cedar)), 0)::int as bytes
    from policies where tenant_id = ${toUuid(tx.caller.tenantId)}`.execute(tx.db)
  const [totals] = rows
  if (!totals) throw new Error('a count gave no row')
  return totals
}

/** The whole set with its version, in one statement, so that they belong together. Reasons are told in its order. */
export async function readPolicySet(tx: Transaction): Promise<PolicySet> {
  const { rows } = await sql<{ version: number; id: string; name: string; effect: 'permit' | 'forbid'; cedar: string }>`
    select v.version, p.id, p.name, p.effect, p.cedar
    from policy_versions v join policies p using (tenant_id)
    where v.tenant_id = ${toUuid(tx.caller.tenantId)} order by p.priority desc, p.id`.execute(tx.db)
  return {
    tenantId: tx.caller.tenantId,
    version: String(rows[0]?.version ?? 'empty'),
    policies: rows.map(({ id, name, effect, cedar }) => ({ id: fromUuid('policy', id), title: name, effect, cedar })),
  }
}
