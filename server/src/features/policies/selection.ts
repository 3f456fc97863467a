import type { TenantId } from '@agent-iam/contract/ids'
import { isSameEntity, uid, type CedarRequest, type EntityUid } from './cedar-json.ts'
import { systemPolicies, type Effect } from './system-policies.ts'

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

/** Which of a tenant's policies may speak about a request; with the system's they are prepared together under one key. */
export interface Selection {
  readonly key: string
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

/** The system's policies alone: shared by all tenants that have none of their own. */
export const systemSelection: Selection = { key: 'system', version: 'system', policies: [] }

/**
 * The system's policies always; of the tenant's, all for an action of its own, but only what forbids for the platform's:
 * tenants may narrow who operates the platform, never widen it.
 */
export function selectPolicies(set: PolicySet, request: CedarRequest): Selection {
  if (set.policies.length === 0) return systemSelection
  if (!isPlatformAction(request.action.id)) return select('resource', set, set.policies)

  const forbids = set.policies.filter(({ effect }) => effect === 'forbid')
  if (forbids.length === 0 || isMendingAdministrator(request)) return systemSelection
  return select('platform', set, forbids)
}

/** In the order by which the library knows them. */
export function withSystemPolicies({ policies }: Selection): TenantPolicy[] {
  return [...systemPolicies, ...policies]
}

/** Only the platform's own actions hold a colon. */
export function isPlatformAction(action: string): boolean {
  return action.includes(':')
}

function select(kind: 'resource' | 'platform', set: PolicySet, policies: readonly TenantPolicy[]): Selection {
  return { key: `${kind}:${set.tenantId}`, version: set.version, policies }
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
