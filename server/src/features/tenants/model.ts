import type { TenantId } from '@agent-iam/contract/ids'

export interface Tenant {
  readonly id: TenantId
  /** What people log in with. */
  readonly slug: string
  readonly name: string
  readonly status: 'active' | 'suspended'
  readonly createdAt: Date
}

/** The slug of the tenant that every installation begins with, and whose issuer is the public URL itself. */
export const defaultTenantSlug = 'default'
/** The slug of the platform's own tenant. */
export const platformTenantSlug = 'platform'
