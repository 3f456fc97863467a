import { describe, expect, test } from 'vitest'
import type { Clock } from '../../platform/clock.ts'
import { datetime, decimal, neverExpires, reference, uid } from './cedar-json.ts'
import type { CedarJson, CedarRequest, EntityAttribute, EntityUid } from './cedar-json.ts'
import { loadCedar } from './cedar-instance.ts'
import { PolicyEngine, type EngineFault } from './engine.ts'
import { bracketDepthMax, expressionDepthMax, restAfterTrapSeconds } from './policy-limits.ts'
import type { PolicySet, TenantPolicy } from './selection.ts'

const now = new Date('2026-03-01T12:00:00Z')
const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1000)

class TestClock implements Clock {
  instant = now
  now = (): Date => this.instant
}

function makeEngine({ slots = 8 } = {}) {
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

interface Asked {
  readonly principalId?: string
  readonly principalType?: 'Agent' | 'User' | 'Service' | 'EnrolmentToken'
  readonly action?: string
  readonly resourceId?: string
  readonly attrs?: Record<string, EntityAttribute>
  readonly resourceAttrs?: Record<string, EntityAttribute>
  readonly roles?: readonly string[]
  readonly holds?: boolean
  readonly request?: Record<string, CedarJson>
}

/** An agent in good standing that holds the permission for what it asks, unless said otherwise. */
function ask(asked: Asked = {}): CedarRequest {
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
      chainWhole: true,
      inScope: true,
      withinBlocks: true,
      coveredBy: [reference('Permission', 'prm_1')],
    },
    entities: [
      { uid: principal, attrs, parents },
      { uid: resource, attrs: { type, id: id.join('/'), tenant, ...asked.resourceAttrs }, parents: [] },
      { uid: uid('Role', 'nested'), attrs: {}, parents: [uid('Role', 'admin')] },
    ],
  }
}

const permission: EntityUid = uid('Permission', 'prm_1')
const tenant = reference('Tenant', 'ten_1')

function policy(id: string, cedar: string): TenantPolicy {
  return { id, title: `title of ${id}`, effect: cedar.includes('forbid') ? 'forbid' : 'permit', cedar }
}

function setOf(...policies: TenantPolicy[]): PolicySet {
  return { tenantId: 'ten_1', version: '1', policies }
}

const noPolicies = setOf()
const permitAll = policy('pol_permit', 'permit(principal, action, resource);')
const forbidAll = policy('pol_forbid', 'forbid(principal, action, resource);')
/** Traps the library when it is prepared. */
const deep = policy(
  'pol_deep',
  `permit(principal, action, resource) when { ${'('.repeat(400)}true${')'.repeat(400)} };`,
)
/** An administrator asking something that only system policies permit him. */
const administrator = { principalType: 'User', roles: ['admin'], resourceId: 'agent-iam/policies' } as const

const reasonIds = (verdict: { reasons: readonly { policyId: string }[] }) =>
  verdict.reasons.map(({ policyId }) => policyId)

describe('without policies of a tenant', () => {
  const { engine } = makeEngine()
  const decide = (asked: Asked) => engine.evaluate(noPolicies, ask(asked))

  test('who holds a permission that covers the question is allowed, and told by which policy', () => {
    expect(decide({})).toEqual({
      decision: 'allow',
      reasons: [{ policyId: 'system:capability', title: 'A capability or role permits it', effect: 'permit' }],
      errors: [],
    })
  })

  test('a role lends what its own roles hold', () => {
    const request = ask({ holds: false, roles: ['reader'] })
    request.entities.push({ uid: uid('Role', 'reader'), attrs: {}, parents: [permission] })
    expect(engine.evaluate(noPolicies, request).decision).toBe('allow')
  })

  test('what nothing permits is denied', () => {
    expect(decide({ holds: false })).toEqual({
      decision: 'deny',
      reasons: [{ policyId: 'system:default-deny', title: 'Nothing permits it', effect: 'forbid' }],
      errors: [],
    })
  })

  test.each([
    [
      'a resource of another tenant',
      { resourceAttrs: { tenant: reference('Tenant', 'ten_2') } },
      'system:guard-tenant',
    ],
    ['a suspended identity', { attrs: { status: 'suspended' } }, 'system:guard-inactive'],
    ['an identity that expires this instant', { attrs: { expiresAt: datetime(now) } }, 'system:guard-expired'],
    ['an agent trusted less than 0.3', { attrs: { trustScore: decimal(0.2999) } }, 'system:guard-trust'],
  ])('%s is denied though permitted', (_name, asked, guard) => {
    expect(decide(asked)).toMatchObject({ decision: 'deny', errors: [] })
    expect(reasonIds(decide(asked))).toEqual([guard])
  })

  test.each([
    ['an identity that expires in a second', { attrs: { expiresAt: datetime(later(1)) } }],
    ['an agent trusted exactly 0.3', { attrs: { trustScore: decimal(0.3) } }],
    ['a user, who has no trust score', { principalType: 'User' }],
    ['a service', { principalType: 'Service' }],
    ['an enrolment token', { principalType: 'EnrolmentToken' }],
  ] as const)('%s is allowed', (_name, asked) => {
    expect(decide(asked).decision).toBe('allow')
  })

  const owned = {
    principalType: 'User',
    principalId: 'usr_1',
    holds: false,
    resourceId: 'agent-iam/agents/agt_1',
  } as const

  test('an owner may not undo what the security team stopped', () => {
    const asked = { ...owned, action: 'agents:reactivate', resourceAttrs: { owner: 'usr_1' } }
    expect(reasonIds(decide(asked))).toEqual(['system:default-deny'])
  })

  test.each(['agents:read', 'agents:suspend', 'agents:delete'])('an owner may %s', (action) => {
    expect(reasonIds(decide({ ...owned, action, resourceAttrs: { owner: 'usr_1' } }))).toEqual(['system:owner'])
    expect(reasonIds(decide({ ...owned, action, resourceAttrs: { owner: 'usr_2' } }))).toEqual(['system:default-deny'])
    expect(reasonIds(decide({ ...owned, action }))).toEqual(['system:default-deny'])
  })

  test('an owner may not register agents by owning one', () => {
    const asked = { principalId: 'usr_1', holds: false, action: 'agents:create', resourceId: 'agent-iam/agents' }
    expect(decide({ ...asked, resourceAttrs: { owner: 'usr_1' } }).decision).toBe('deny')
  })

  test('owner and identity say something about the platform’s resources only', () => {
    const asked = { holds: false, action: 'agents:read', resourceId: 'file/docs' }
    expect(decide({ ...asked, resourceAttrs: { owner: 'agt_1', identity: 'agt_1' } }).decision).toBe('deny')
  })

  test('an identity may read about itself, and about no other', () => {
    const asked = { holds: false, action: 'agents:read', resourceId: 'agent-iam/agents/agt_1' }
    expect(reasonIds(decide({ ...asked, resourceAttrs: { identity: 'agt_1' } }))).toEqual(['system:self'])
    expect(decide({ ...asked, resourceAttrs: { identity: 'agt_2' } }).decision).toBe('deny')
  })

  test('a guard that cannot be evaluated denies', () => {
    const request = ask()
    const [principal, ...others] = request.entities
    const { trustScore: _, ...attrs } = principal?.attrs ?? {}
    const verdict = engine.evaluate(noPolicies, {
      ...request,
      entities: [{ uid: request.principal, attrs, parents: [permission] }, ...others],
    })
    expect(reasonIds(verdict)).toEqual(['system:guard-trust'])
  })
})

describe('policies of a tenant', () => {
  const { engine } = makeEngine()

  test('a permit allows what no capability covers', () => {
    expect(reasonIds(engine.evaluate(setOf(permitAll), ask({ holds: false })))).toEqual(['pol_permit'])
  })

  test('a forbid outweighs every permit', () => {
    const set = { ...setOf(permitAll, forbidAll), version: '2' }
    expect(reasonIds(engine.evaluate(set, ask()))).toEqual(['pol_forbid'])
  })

  test('a set of another version is in force at once', () => {
    expect(engine.evaluate({ ...setOf(permitAll), version: '3' }, ask({ holds: false })).decision).toBe('allow')
    expect(engine.evaluate({ ...setOf(forbidAll), version: '4' }, ask()).decision).toBe('deny')
  })

  test('a forbid that errs denies, and says so', () => {
    const erring = policy('pol_erring', 'forbid(principal, action, resource) when { context.request.amount > 3 };')
    const verdict = engine.evaluate({ ...setOf(erring), version: '5' }, ask())
    expect(verdict).toMatchObject({
      decision: 'deny',
      reasons: [
        {
          policyId: 'pol_erring',
          title: '“title of pol_erring” could not be evaluated, and so forbids',
          effect: 'forbid',
        },
      ],
      errors: [{ policyId: 'pol_erring', message: expect.stringMatching(/amount/) }],
    })
    expect(verdict.fault).toBeUndefined()
  })

  test('a permit that errs grants nothing, and is told beside the answer', () => {
    const set = {
      ...setOf(policy('pol_e', 'permit(principal, action, resource) when { context.request.x };')),
      version: '6',
    }
    expect(engine.evaluate(set, ask({ holds: false }))).toMatchObject({
      decision: 'deny',
      reasons: [{ policyId: 'system:default-deny' }],
      errors: [{ policyId: 'pol_e' }],
    })
    expect(engine.evaluate(set, ask())).toMatchObject({ decision: 'allow', errors: [{ policyId: 'pol_e' }] })
  })

  test('no permit of a tenant reaches an action of the platform', () => {
    const set = { ...setOf(permitAll), version: '7' }
    expect(engine.evaluate(set, ask({ holds: false, action: 'agents:delete' })).decision).toBe('deny')
    expect(engine.evaluate(set, ask({ holds: false })).decision).toBe('allow')
  })

  test('a forbid of a tenant reaches actions of the platform', () => {
    const verdict = engine.evaluate(
      { ...setOf(forbidAll), version: '8' },
      ask({ ...administrator, action: 'agents:delete' }),
    )
    expect(reasonIds(verdict)).toEqual(['pol_forbid'])
  })

  test.each([['policies:read'], ['policies:delete'], ['policies:rollback']])(
    'no forbid locks an administrator out of %s',
    (action) => {
      const set = { ...setOf(forbidAll), version: '8' }
      expect(engine.evaluate(set, ask({ ...administrator, action })).decision).toBe('allow')
      expect(engine.evaluate(set, ask({ ...administrator, roles: ['nested'], action })).decision).toBe('allow')
      expect(engine.evaluate(set, ask({ ...administrator, roles: ['member'], action })).decision).toBe('deny')
    },
  )

  test('the guards bind the administrator too', () => {
    const asked = { ...administrator, action: 'policies:read', attrs: { status: 'suspended' } }
    expect(reasonIds(engine.evaluate(setOf(forbidAll), ask(asked)))).toEqual(['system:guard-inactive'])
  })

  test('a policy may bear any id, even one of the system’s', () => {
    const ids = ['__proto__', 'constructor', 'system:capability', '0', 'a "quoted"\nid']
    const set = { ...setOf(...ids.map((id) => policy(id, 'permit(principal, action, resource);'))), version: '9' }
    expect(reasonIds(engine.evaluate(set, ask({ holds: false }))).toSorted()).toEqual(ids.toSorted())
  })
})

describe('names that look like something else', () => {
  const { engine } = makeEngine()
  const names = ['__proto__', 'a"b', 'new\nline', '\\', 'AgentIam::Agent::"x"', '‮', '${x}', ' ', "'; drop"]

  test.each(names)('%j means only itself, as principal, resource, action and fact', (name) => {
    const asked = {
      principalId: name,
      resourceId: `file/${name}`,
      action: name,
      request: Object.fromEntries([[name, name]]),
    }
    expect(engine.evaluate(noPolicies, ask({ ...asked, holds: false })).decision).toBe('deny')
    expect(engine.evaluate(noPolicies, ask(asked))).toMatchObject({ decision: 'allow', errors: [] })
  })
})

describe('when the library fails', () => {
  const other: PolicySet = { tenantId: 'ten_2', version: '1', policies: [permitAll] }

  test('a set that traps is denied until it changes, and the other tenants’ answers stay the same', () => {
    const { engine, clock, faults, loads } = makeEngine()
    const before = engine.evaluate(other, ask({ holds: false }))
    const verdict = engine.evaluate(setOf(deep), ask())

    expect(verdict).toMatchObject({
      decision: 'deny',
      reasons: [{ policyId: 'system:policy-engine-fault' }],
      fault: true,
    })
    expect(faults).toMatchObject([{ tenantId: 'ten_1', version: '1', blame: 'set' }])
    expect(engine.evaluate(other, ask({ holds: false }))).toEqual(before)
    expect(engine.evaluate(noPolicies, ask()).decision).toBe('allow')

    const loaded = loads()
    clock.instant = later(1_000_000)
    expect(engine.evaluate(setOf(deep), ask()).fault).toBe(true)
    expect(loads()).toBe(loaded)
    expect(faults).toHaveLength(1)
    expect(engine.evaluate({ ...setOf(permitAll), version: '2' }, ask()).decision).toBe('allow')
  })

  test('an administrator can still read and delete the policies of a set that traps', () => {
    const { engine } = makeEngine()
    expect(engine.evaluate(setOf(deep), ask()).fault).toBe(true)
    expect(engine.evaluate(setOf(deep), ask({ ...administrator, action: 'policies:delete' })).decision).toBe('allow')
  })

  test('a set that cannot be read is denied until it changes, and never another tenant’s set in its place', () => {
    const { engine, faults, loads } = makeEngine({ slots: 1 })
    expect(engine.evaluate(other, ask({ holds: false })).decision).toBe('allow')
    expect(engine.evaluate(setOf(policy('pol_bad', 'permit(principal')), ask()).fault).toBe(true)
    expect(engine.evaluate(setOf(policy('pol_bad', 'permit(principal')), ask()).fault).toBe(true)
    expect(faults).toMatchObject([{ blame: 'set' }])
    expect(loads()).toBe(1)
    expect(engine.evaluate({ ...setOf(permitAll), version: '2' }, ask()).decision).toBe('allow')
  })

  test('a request too deep for the library is denied alone, without a trap', () => {
    const { engine, faults, loads } = makeEngine()
    let request: Record<string, CedarJson> = {}
    for (let depth = 0; depth < 20_000; depth++) request = { deeper: request }

    expect(engine.evaluate(setOf(permitAll), ask({ request })).fault).toBe(true)
    expect(faults).toMatchObject([{ blame: 'request' }])
    expect(engine.evaluate(setOf(permitAll), ask()).decision).toBe('allow')
    expect(loads()).toBe(1)
  })

  test('a request that the library cannot read is denied alone', () => {
    const { engine, faults } = makeEngine()
    expect(engine.evaluate(setOf(permitAll), ask({ request: { half: 0.5 } })).fault).toBe(true)
    expect(faults).toMatchObject([{ blame: 'request' }])
    expect(engine.evaluate(setOf(permitAll), ask({ request: { half: 1 } })).decision).toBe('allow')
  })

  test('the deepest policies that are stored are prepared and decided without a trap', () => {
    const { engine, faults } = makeEngine()
    const nested = (open: string, core: string, close: string, times: number) =>
      `permit(principal, action, resource) when { ${open.repeat(times)}${core}${close.repeat(times)} };`
    const deepest = [
      nested('(', 'true', ')', bracketDepthMax),
      nested('{a: ', 'true', '}', bracketDepthMax),
      nested('[', 'true', ']', bracketDepthMax),
      nested('[', 'true', '].contains(true)', expressionDepthMax),
      nested('if (', 'true', ') then true else false', bracketDepthMax),
      nested('true && ', 'true', '', expressionDepthMax),
      nested('context.request == {a: ', '1', '} && true', bracketDepthMax),
    ]
    const set = setOf(...deepest.map((cedar, place) => policy(`pol_${place}`, cedar)))
    expect(engine.evaluate(set, ask()).decision).toBe('allow')
    expect(faults).toEqual([])
  })
})

describe('a library that traps while it decides', () => {
  /** The real library, but deciding throws as a trap does, while `traps` says so. */
  function makeTrapping(traps: (call: { slot: string; load: number }) => boolean) {
    const clock = new TestClock()
    const faults: EngineFault[] = []
    let loads = 0
    const load = () => {
      const cedar = loadCedar()
      const own = (loads += 1)
      return {
        ...cedar,
        statefulIsAuthorized: (call: Parameters<typeof cedar.statefulIsAuthorized>[0]) => {
          if (traps({ slot: call.preparsedPolicySetId, load: own })) throw new Error('memory access out of bounds')
          return cedar.statefulIsAuthorized(call)
        },
      }
    }
    const engine = new PolicyEngine({ clock, load, onFault: (fault) => faults.push(fault) })
    return { engine, clock, faults }
  }

  test('only because it was worn still answers, from a fresh instance', () => {
    const { engine, faults } = makeTrapping(({ load }) => load === 1)
    expect(engine.evaluate(setOf(permitAll), ask()).decision).toBe('allow')
    expect(faults).toMatchObject([{ blame: 'instance' }])
  })

  test('at a request by itself denies that request, and the set stays in force', () => {
    let trapping = true
    const { engine, faults } = makeTrapping(() => trapping)
    expect(engine.evaluate(setOf(permitAll), ask()).fault).toBe(true)
    expect(faults).toMatchObject([{ blame: 'request' }])
    trapping = false
    expect(engine.evaluate(setOf(permitAll), ask()).decision).toBe('allow')
  })

  test('at a request only with this set lets the set rest for a minute, not for good', () => {
    const { engine, clock, faults } = makeTrapping(({ load }) => load < 3)
    expect(engine.evaluate(setOf(permitAll), ask()).fault).toBe(true)
    expect(faults).toMatchObject([{ blame: 'set' }])
    expect(engine.evaluate(setOf(permitAll), ask()).fault).toBe(true)
    clock.instant = later(restAfterTrapSeconds)
    expect(engine.evaluate(setOf(permitAll), ask()).decision).toBe('allow')
  })
})

test('more tenants than slots all get their own answers, again and again', () => {
  const { engine, loads } = makeEngine({ slots: 3 })
  const tenants = Array.from({ length: 10 }, (_, index) => ({
    tenantId: `ten_${index}` as const,
    version: '1',
    policies: [policy(`pol_${index}`, 'permit(principal, action, resource);')],
  }))
  for (const set of [...tenants, ...tenants, ...tenants.toReversed()])
    expect(reasonIds(engine.evaluate(set, ask({ holds: false })))).toEqual([set.policies[0]?.id])
  expect(loads()).toBe(1)
})
