import type { TenantId } from '@agent-iam/contract/ids'
import { isSameEntity, uid, type CedarRequest, type EntityUid } from './cedar-json.ts'
import type { Effect } from './system-policies.ts'

export interface TenantPolicy {
  readonly id: string
  readonly title: string
  readonly effect: Effect
  readonly cedar: string
}

/** A tenant's policies. */
export interface PolicySet {
  readonly tenantId: TenantId
  /** Another one whenever the set is another. */
  readonly version: string
  readonly policies: readonly TenantPolicy[]
}

/** A tenant must not lock its administrators out of mending its policies. */
export const alwaysForAdministrators: ReadonlySet<string> = new Set([
  'policies:read',
  'policies:delete',
  'policies:retire',
  'policies:rollback',
])

/** Which of a tenant's policies may speak about a request, beside the system's. */
export type Selection = 'none' | 'forbids' | 'all'

/**
 * All for an action of the tenant's own, but only what forbids for the platform's: tenants may narrow who operates the
 * platform, never widen it.
 */
export function selectPolicies({ policies }: PolicySet, request: CedarRequest): Selection {
  if (policies.length === 0) return 'none'
  if (!isPlatformAction(request.action.id)) return 'all'
  const hasForbids = policies.some(({ effect }) => effect === 'forbid')
  return hasForbids && !isMendingAdministrator(request) ? 'forbids' : 'none'
}

/** Only the platform's own actions hold a colon. */
export function isPlatformAction(action: string): boolean {
  return action.includes(':')
}

function isMendingAdministrator({ principal, action, entities }: CedarRequest): boolean {
  if (!alwaysForAdministrators.has(action.id)) return false

  const administrator = uid('Role', 'admin')
  const reached: EntityUid[] = [principal]
  for (const member of reached) {
    if (isSameEntity(member, administrator)) return true
    const parents = entities.find((entity) => isSameEntity(entity.uid, member))?.parents ?? []
    reached.push(...parents.filter((parent) => !reached.some((known) => isSameEntity(known, parent))))
  }
  return false
}
