/**
 * Tenants: organisations, each with its own rows, issuer, keys and log. Isolation is the database's work (DESIGN D4);
 * here a tenant is made, and found by the name that people type.
 */
import type { TenantId } from '@agent-iam/contract/ids'
import { asCaller, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { openLog, recordEvent } from '../audit/service.ts'
import { findTenant, findTenantIdBySlug, insertTenant } from './store.ts'
import type { Tenant } from './model.ts'

export { requireBulk, requireDepth, requireRoom } from './limits.ts'
export { readLimits } from './store/limits.ts'

/** Makes a tenant and opens its log. Returns undefined when another has the slug, or won the race for it. */
export async function createTenant(ctx: Context, slug: string, name: string): Promise<Tenant | undefined> {
  const tenant = newTenant(ctx, slug, name)
  return inTransaction(asCaller(ctx, { ...ctx.caller, tenantId: tenant.id }), async (tx) => {
    if (!(await insertTenant(tx, tenant))) return undefined
    await openLog(tx)
    recordEvent(tx, { type: 'tenant.created', data: { slug, name } })
    return tenant
  })
}

function newTenant(ctx: Context, slug: string, name: string): Tenant {
  const settings = { defaultAgentTtlSeconds: undefined }
  const createdAt = ctx.clock.now()
  return { id: ctx.newId('tenant'), slug, name, status: 'active', createdAt, suspendedAt: undefined, settings }
}

export async function findTenantId(ctx: Context, slug: string): Promise<TenantId | undefined> {
  return inTransaction(ctx, (tx) => findTenantIdBySlug(tx, slug))
}

/** The tenant that the transaction is in. */
export async function getTenant(tx: Transaction): Promise<Tenant> {
  const tenant = await findTenant(tx)
  if (!tenant) throw new Error(`there is no tenant ${tx.caller.tenantId}`)
  return tenant
}
