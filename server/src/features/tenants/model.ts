import type { TenantLimits } from '@agent-iam/contract/tenants'
import type { TenantId } from '@agent-iam/contract/ids'
import { Problem } from '../../platform/problem.ts'

export interface Tenant {
  readonly id: TenantId
  /** What people log in with. */
  readonly slug: string
  readonly name: string
  readonly status: 'active' | 'suspended'
  readonly createdAt: Date
  readonly suspendedAt: Date | undefined
  readonly settings: TenantSettings
}

/** What the tenant itself decides. */
export interface TenantSettings {
  /** How long an agent lives that is registered without an end; undefined: until it is ended. */
  readonly defaultAgentTtlSeconds: number | undefined
}

/** The slug of the tenant that every installation begins with, and whose issuer is the public URL itself. */
export const defaultTenantSlug = 'default'
/** The slug of the platform's own tenant. */
export const platformTenantSlug = 'platform'

/** What changes when a tenant is stopped. Without these two nobody could log in to let it go on. */
export function suspend(tenant: Tenant, at: Date): Tenant {
  if (tenant.slug === defaultTenantSlug || tenant.slug === platformTenantSlug)
    throw new Problem('wrong-state', `the tenant "${tenant.slug}" is part of the installation and cannot be suspended`)
  if (tenant.status === 'suspended') throw new Problem('wrong-state', `tenant ${tenant.id} is suspended already`)
  return { ...tenant, status: 'suspended', suspendedAt: at }
}

export function reactivate(tenant: Tenant): Tenant {
  if (tenant.status === 'active') throw new Problem('wrong-state', `tenant ${tenant.id} is active already`)
  return { ...tenant, status: 'active', suspendedAt: undefined }
}

/** A tenant with how much it has and may have: all that the platform's operators see of it. */
export interface TenantView {
  readonly tenant: Tenant
  readonly limits: TenantLimits
  readonly usage: Usage
}

/**
 * What a tenant may have that nobody set another limit for. They are there to stop a program that has gone astray, not
 * to be met: no honest tenant comes near them.
 */
export const defaultLimits: TenantLimits = {
  agents: 1_000_000,
  users: 100_000,
  services: 10_000,
  children: 1000,
  delegationDepth: 10,
  bulkItems: 1000,
}

/** What is counted in a tenant, and the kind of identity that it is. */
export const countedKinds = { agents: 'agent', users: 'user', services: 'service' } as const
export type Counted = keyof typeof countedKinds

export type Usage = Readonly<Record<Counted, number>>

/**
 * So close to a limit, whoever makes something waits for those before, and counts with them. Further away nobody waits:
 * all that is made at one moment, on all instances, is less than this.
 */
export const nearLimit = 10_000

/** So many rows of a count are folded into one by whoever reads them. */
export const foldAbove = 256
