import type { Clock } from '../src/platform/clock.ts'
import { datetime, decimal, neverExpires, reference, uid } from '../src/features/policies/cedar-json.ts'
import type { CedarJson, CedarRequest, EntityAttribute, EntityUid } from '../src/features/policies/cedar-json.ts'
import { loadCedar } from '../src/features/policies/cedar-instance.ts'
import { PolicyEngine, type EngineFault } from '../src/features/policies/engine.ts'
import type { PolicySet, TenantPolicy } from '../src/features/policies/selection.ts'

export const now = new Date('2026-03-01T12:00:00Z')
export const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1000)

export class TestClock implements Clock {
  instant = now
  now = (): Date => this.instant
}

export function makeEngine({ slots = 8 } = {}) {
  const clock = new TestClock()
  const faults: EngineFault[] = []
  let loads = 0
  const load = () => {
    loads += 1
    return loadCedar()
  }
  const engine = new PolicyEngine({ clock, slots, load, onFault: (fault) => faults.push(fault) })
  return { engine, clock, faults, loads: () => loads }
}

export interface Asked {
  readonly principalId?: string
  readonly principalType?: 'Agent' | 'User' | 'Service' | 'EnrolmentToken'
  readonly action?: string
  readonly resourceId?: string
  readonly attrs?: Record<string, EntityAttribute>
  readonly resourceAttrs?: Record<string, EntityAttribute>
  readonly roles?: readonly string[]
  readonly holds?: boolean
  readonly request?: Record<string, CedarJson>
  /** What else of the context is other than usual. */
  readonly context?: Record<string, CedarJson>
}

/** An agent in good standing that holds the permission for what it asks, unless said otherwise. */
export function ask(asked: Asked = {}): CedarRequest {
  const principal = uid(asked.principalType ?? 'Agent', asked.principalId ?? 'agt_1')
  const resourceId = asked.resourceId ?? 'file/docs'
  const resource = uid('Resource', resourceId)
  const parents = [
    ...(asked.roles ?? []).map((role) => uid('Role', role)),
    ...(asked.holds === false ? [] : [permission]),
  ]
  const identity = { id: principal.id, tenant, status: 'active', expiresAt: datetime(neverExpires) }
  const agent = { trustScore: decimal(0.5), type: 'worker', name: 'one', owner: 'usr_1' }
  const attrs = { ...identity, ...(principal.type === 'AgentIam::Agent' ? agent : {}), ...asked.attrs }
  const [type = '', ...id] = resourceId.split('/')
  return {
    principal,
    action: uid('Action', asked.action ?? 'read'),
    resource,
    context: {
      request: asked.request ?? {},
      now: datetime(now),
      address: '',
      hop: 0,
      actor: principal.id,
      weekday: 1,
      chainWhole: true,
      expired: false,
      trustMin: decimal(0),
      inScope: true,
      withinBlocks: true,
      presented: [],
      coveredBy: [reference('Permission', 'prm_1')],
      ...asked.context,
    },
    entities: [
      { uid: principal, attrs, parents },
      { uid: resource, attrs: { type, id: id.join('/'), tenant, ...asked.resourceAttrs }, parents: [] },
      { uid: uid('Role', 'nested'), attrs: {}, parents: [uid('Role', 'admin')] },
    ],
  }
}

export const permission: EntityUid = uid('Permission', 'prm_1')
const tenant = reference('Tenant', 'ten_1')

export function policy(id: string, cedar: string): TenantPolicy {
  return { id, title: `title of ${id}`, effect: cedar.includes('forbid') ? 'forbid' : 'permit', cedar }
}

export function setOf(...policies: TenantPolicy[]): PolicySet {
  return { tenantId: 'ten_1', version: '1', policies }
}

export const noPolicies = setOf()
export const permitAll = policy('pol_permit', 'permit(principal, action, resource);')
export const forbidAll = policy('pol_forbid', 'forbid(principal, action, resource);')
/** Traps the library when it is prepared. */
export const deep = policy(
  'pol_deep',
  `permit(principal, action, resource) when { ${'('.repeat(400)}true${')'.repeat(400)} };`,
)
/** An administrator asking something that only system policies permit him. */
export const administrator = { principalType: 'User', roles: ['admin'], resourceId: 'agent-iam/policies' } as const

export const reasonIds = (verdict: { reasons: readonly { policyId: string }[] }) =>
  verdict.reasons.map(({ policyId }) => policyId)
