import type { TenantLimits } from '@agent-iam/contract/tenants'
import { inTransaction, type Context } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import type { Tenant, Usage } from '../tenants/model.ts'
import { changeTenant, getTenant, readLimits, readUsage } from '../tenants/service.ts'
import type { Stats } from './model.ts'
import { readStats } from './store.ts'

/** The caller's own tenant. */
export async function getOwnTenant(ctx: Context): Promise<Tenant> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('tenant:read', { type: 'tenant' })
    return getTenant(tx)
  })
}

export interface TenantChange {
  readonly name?: string | undefined
  /** Null: agents have no end of their own. */
  readonly defaultAgentTtlSeconds?: number | null | undefined
}

export async function updateOwnTenant(ctx: Context, change: TenantChange): Promise<Tenant> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('tenant:update', { type: 'tenant' })
    const { name, defaultAgentTtlSeconds: ttl } = change
    const changed = await changeTenant(tx, (tenant) => ({
      ...tenant,
      name: name ?? tenant.name,
      settings: ttl === undefined ? tenant.settings : { defaultAgentTtlSeconds: ttl ?? undefined },
    }))
    recordEvent(tx, {
      type: 'tenant.updated',
      resource: 'agent-iam/tenant',
      data: { ...(name !== undefined && { name }), ...(ttl !== undefined && { defaultAgentTtlSeconds: ttl }) },
    })
    return changed
  })
}

export async function getUsage(ctx: Context): Promise<{ usage: Usage; limits: TenantLimits }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('tenant:read', { type: 'tenant' })
    return { usage: await readUsage(tx), limits: await readLimits(tx) }
  })
}

export async function getStats(ctx: Context): Promise<Stats> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('tenant:read', { type: 'tenant' })
    return readStats(tx)
  })
}
