import type { IdentityId, TenantId } from '@agent-iam/contract/ids'
import { sql, type Selectable } from 'kysely'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Transaction } from '../../platform/context.ts'
import type { Tables } from '../../platform/database.ts'
import type { Tenant } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    tenants: {
      tenant_id: string
      slug: string
      name: string
      status: 'active' | 'suspended'
      created_at: Date
      suspended_at: Date | null
      default_agent_ttl_seconds: number | null
    }
  }
}

/** Returns false when the slug is taken. */
export async function insertTenant(tx: Transaction, tenant: Tenant): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('tenants')
    .values({
      tenant_id: toUuid(tenant.id),
      slug: tenant.slug,
      created_at: tenant.createdAt,
      ...changing(tenant),
    })
    .onConflict((conflict) => conflict.column('slug').doNothing())
    .returning('tenant_id')
    .executeTakeFirst()
  return inserted !== undefined
}

export async function updateTenant(tx: Transaction, tenant: Tenant): Promise<void> {
  await tx.db.updateTable('tenants').set(changing(tenant)).where('tenant_id', '=', toUuid(tx.caller.tenantId)).execute()
}

/** The tenant that the transaction is in. */
export async function findTenant(tx: Transaction): Promise<Tenant | undefined> {
  const row = await ownTenant(tx).executeTakeFirst()
  return row && toTenant(row)
}

/** Holds the tenant: whoever changes it, or comes near a limit of it, comes before or after. */
export async function findTenantForUpdate(tx: Transaction): Promise<Tenant | undefined> {
  const row = await ownTenant(tx).forNoKeyUpdate().executeTakeFirst()
  return row && toTenant(row)
}

/** Looks through all tenants: this is how a login learns which it is for. */
export async function findTenantIdBySlug(tx: Transaction, slug: string): Promise<TenantId | undefined> {
  const { rows } = await sql<{ id: string | null }>`select find_tenant_by_slug(${slug}) as id`.execute(tx.db)
  const id = rows[0]?.id
  return id ? fromUuid('tenant', id) : undefined
}

/** Keeps a parent from making another child meanwhile. */
export async function holdParent(tx: Transaction, parent: IdentityId): Promise<void> {
  await sql`select from identities where tenant_id = ${toUuid(tx.caller.tenantId)} and id = ${toUuid(parent)}
    for no key update`.execute(tx.db)
}

/** How many live children somebody has; beyond the limit nobody counts. */
export async function countChildren(tx: Transaction, parent: IdentityId, limit: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*)::int as count from (
    select from identities where tenant_id = ${toUuid(tx.caller.tenantId)} and parent_id = ${toUuid(parent)}
      and status in ('pending', 'active', 'suspended') limit ${limit}) as counted`.execute(tx.db)
  return rows[0]?.count ?? 0
}

function ownTenant(tx: Transaction) {
  return tx.db.selectFrom('tenants').selectAll().where('tenant_id', '=', toUuid(tx.caller.tenantId))
}

function changing({ name, status, suspendedAt, settings }: Tenant) {
  return {
    name,
    status,
    suspended_at: suspendedAt ?? null,
    default_agent_ttl_seconds: settings.defaultAgentTtlSeconds ?? null,
  }
}

export function toTenant(row: Selectable<Tables['tenants']>): Tenant {
  return {
    id: fromUuid('tenant', row.tenant_id),
    slug: row.slug,
    name: row.name,
    status: row.status,
    createdAt: row.created_at,
    suspendedAt: row.suspended_at ?? undefined,
    settings: { defaultAgentTtlSeconds: row.default_agent_ttl_seconds ?? undefined },
  }
}
