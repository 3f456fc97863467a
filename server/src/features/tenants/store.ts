import type { TenantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Transaction } from '../../platform/context.ts'
import type { Tenant } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    tenants: { tenant_id: string; slug: string; name: string; status: 'active' | 'suspended'; created_at: Date }
  }
}

/** Returns false when the slug is taken. */
export async function insertTenant(tx: Transaction, tenant: Tenant): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('tenants')
    .values({
      tenant_id: toUuid(tenant.id),
      slug: tenant.slug,
      name: tenant.name,
      status: tenant.status,
      created_at: tenant.createdAt,
    })
    .onConflict((conflict) => conflict.column('slug').doNothing())
    .returning('tenant_id')
    .executeTakeFirst()
  return inserted !== undefined
}

/** The tenant that the transaction is in. */
export async function findTenant(tx: Transaction): Promise<Tenant | undefined> {
  const row = await tx.db
    .selectFrom('tenants')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .executeTakeFirst()
  return (
    row && { id: tx.caller.tenantId, slug: row.slug, name: row.name, status: row.status, createdAt: row.created_at }
  )
}

/** Looks through all tenants: this is how a login learns which it is for. */
export async function findTenantIdBySlug(tx: Transaction, slug: string): Promise<TenantId | undefined> {
  const { rows } = await sql<{ id: string | null }>`select find_tenant_by_slug(${slug}) as id`.execute(tx.db)
  const id = rows[0]?.id
  return id ? fromUuid('tenant', id) : undefined
}
