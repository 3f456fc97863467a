import type { TenantLimits } from '@agent-iam/contract/tenants'
import type { TenantId } from '@agent-iam/contract/ids'

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
