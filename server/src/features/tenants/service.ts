/**
 * Tenants: organisations, each with its own rows, issuer, keys and log. Isolation is the database's work (DESIGN D4);
 * here a tenant is made, found by the name that people type, kept within its limits, stopped and let go on. Whoever
 * calls has been allowed to, where that is decided: in the tenant, or for its operators in the platform's.
 */
import type { TenantId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import { asCaller, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { openLog, recordEvent } from '../audit/service.ts'
import type { Tenant } from './model.ts'
import { findTenant, findTenantForUpdate, findTenantIdBySlug, insertTenant, updateTenant } from './store.ts'

export { readUsage, requireBulk, requireDepth, requireRoom, requireRoomFor } from './limits.ts'
export { listTenants } from './store/listing.ts'
export { readLimits, upsertLimits } from './store/limits.ts'

/** Makes a tenant and opens its log. Returns undefined when another has the slug, or won the race for it. */
export async function createTenant(ctx: Context, slug: string, name: string): Promise<Tenant | undefined> {
  const id = ctx.newId('tenant')
  return inTransaction(asCaller(ctx, { ...ctx.caller, tenantId: id }), async (tx) => {
    const tenant = await openTenant(tx, slug, name)
    if (tenant) recordEvent(tx, { type: 'tenant.created', data: { slug, name } })
    return tenant
  })
}

/** Makes the tenant that the transaction is in already; who calls tells of it. */
export async function openTenant(tx: Transaction, slug: string, name: string): Promise<Tenant | undefined> {
  const settings = { defaultAgentTtlSeconds: undefined }
  const made = { id: tx.caller.tenantId, createdAt: tx.clock.now(), suspendedAt: undefined }
  const tenant: Tenant = { ...made, slug, name, status: 'active', settings }
  if (!(await insertTenant(tx, tenant))) return undefined
  await openLog(tx)
  return tenant
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

/** Changes the tenant that the transaction is in; nobody else changes it meanwhile. */
export async function changeTenant(tx: Transaction, change: (tenant: Tenant) => Tenant): Promise<Tenant> {
  const tenant = await findTenantForUpdate(tx)
  if (!tenant) throw notFound('tenants', tx.caller.tenantId)
  const changed = change(tenant)
  await updateTenant(tx, changed)
  return changed
}

/** Throws `identity-inactive` while the tenant is suspended. It is told to who has proved to be of it. */
export async function requireActing(tx: Transaction): Promise<void> {
  if (!(await isActing(tx))) throw new Problem('identity-inactive', 'the tenant is suspended; ask its operator')
}

export async function isActing(tx: Transaction): Promise<boolean> {
  return (await findTenant(tx))?.status === 'active'
}

/** When an agent ends that is made without an end of its own; undefined: the tenant sets none. */
export async function defaultAgentEnd(tx: Transaction): Promise<Date | undefined> {
  const { defaultAgentTtlSeconds: ttl } = (await getTenant(tx)).settings
  return ttl === undefined ? undefined : addSeconds(tx.clock.now(), ttl)
}
