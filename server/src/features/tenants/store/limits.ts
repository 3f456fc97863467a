import type { TenantLimits } from '@agent-iam/contract/tenants'
import { sql, type Generated } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { toUuid } from '../../../platform/ids.ts'
import { countedKinds, defaultLimits, type Counted } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    tenant_limits: {
      tenant_id: string
      agents: number | null
      users: number | null
      services: number | null
      children: number | null
      delegation_depth: number | null
      bulk_items: number | null
    }
    identity_counts: {
      tenant_id: string
      kind: 'user' | 'service' | 'agent'
      id: Generated<number>
      change: number
    }
  }
}

/** The limits of the tenant that the transaction is in. */
export async function readLimits(tx: Transaction): Promise<TenantLimits> {
  const row = await tx.db
    .selectFrom('tenant_limits')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .executeTakeFirst()
  return toLimits(row)
}

export async function upsertLimits(tx: Transaction, limits: TenantLimits): Promise<void> {
  const columns = toColumns(limits)
  await tx.db
    .insertInto('tenant_limits')
    .values({ tenant_id: toUuid(tx.caller.tenantId), ...columns })
    .onConflict((conflict) => conflict.column('tenant_id').doUpdateSet(columns))
    .execute()
}

/** The limits with how many live ones there are, in one statement: each registration asks. */
export async function readRoom(
  tx: Transaction,
  counted: Counted,
): Promise<{ limits: TenantLimits; used: number; rows: number }> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ limits: Tables['tenant_limits'] | null; used: number; rows: number }>`
    select (select to_jsonb(l) from tenant_limits l where l.tenant_id = ${tenant}) as limits,
      coalesce(sum(change), 0)::int as used, count(*)::int as rows
    from identity_counts where tenant_id = ${tenant} and kind = ${countedKinds[counted]}`.execute(tx.db)
  const [row] = rows
  if (!row) throw new Error('counting always gives a row')
  return { limits: toLimits(row.limits), used: row.used, rows: row.rows }
}

/** Puts one row in the place of many. Nobody waits: rows that another folds at this moment are left to it. */
export async function foldCount(tx: Transaction, counted: Counted): Promise<void> {
  const [tenant, kind] = [toUuid(tx.caller.tenantId), countedKinds[counted]]
  await sql`
    with folded as (
      delete from identity_counts where tenant_id = ${tenant} and kind = ${kind} and id in (
        select id from identity_counts where tenant_id = ${tenant} and kind = ${kind} for update skip locked)
      returning change)
    insert into identity_counts (tenant_id, kind, change)
      select ${tenant}::uuid, ${kind}, sum(change) from folded having count(*) > 0`.execute(tx.db)
}

/** The limits of a row; of what it does not say, the default. */
export function toLimits(row: Partial<Tables['tenant_limits']> | null | undefined): TenantLimits {
  const own = row ?? {}
  return {
    agents: own.agents ?? defaultLimits.agents,
    users: own.users ?? defaultLimits.users,
    services: own.services ?? defaultLimits.services,
    children: own.children ?? defaultLimits.children,
    delegationDepth: own.delegation_depth ?? defaultLimits.delegationDepth,
    bulkItems: own.bulk_items ?? defaultLimits.bulkItems,
  }
}

/** What is as by default is not written, so that it stays so. */
function toColumns(limits: TenantLimits) {
  const own = (name: keyof TenantLimits) => (limits[name] === defaultLimits[name] ? null : limits[name])
  return {
    agents: own('agents'),
    users: own('users'),
    services: own('services'),
    children: own('children'),
    delegation_depth: own('delegationDepth'),
    bulk_items: own('bulkItems'),
  }
}
