import { describe, expect, test } from 'vitest'
import {
  administrator,
  ask,
  forbidAll,
  later,
  makeEngine,
  noPolicies,
  permission,
  permitAll,
  policy,
  reasonIds,
  setOf,
  type Asked,
} from '../../../test/policy-engine.ts'
import { datetime, decimal, reference, uid } from './cedar-json.ts'

describe('without policies of a tenant', () => {
  const { engine } = makeEngine()
  const decide = (asked: Asked) => engine.evaluate(noPolicies, ask(asked))

  test('who holds a permission that covers the question is allowed, and told by which policy', async () => {
    expect(await decide({})).toEqual({
      decision: 'allow',
      reasons: [{ policyId: 'system:capability', title: 'A capability or role permits it', effect: 'permit' }],
      errors: [],
    })
  })

  test('a role lends what its own roles hold', async () => {
    const request = ask({ holds: false, roles: ['reader'] })
    request.entities.push({ uid: uid('Role', 'reader'), attrs: {}, parents: [permission] })
    expect((await engine.evaluate(noPolicies, request)).decision).toBe('allow')
  })

  test('what nothing permits is denied', async () => {
    expect(await decide({ holds: false })).toEqual({
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
    ['an identity that has expired', { context: { expired: true } }, 'system:guard-expired'],
    ['an agent trusted less than 0.3', { attrs: { trustScore: decimal(0.2999) } }, 'system:guard-trust'],
  ])('%s is denied though permitted', async (_name, asked, guard) => {
    expect(await decide(asked)).toMatchObject({ decision: 'deny', errors: [] })
    expect(reasonIds(await decide(asked))).toEqual([guard])
  })

  test.each([
    ['an identity that has not expired yet', { attrs: { expiresAt: datetime(later(1)) } }],
    ['an agent trusted exactly 0.3', { attrs: { trustScore: decimal(0.3) } }],
    ['a user, who has no trust score', { principalType: 'User' }],
    ['a service', { principalType: 'Service' }],
    ['an enrolment token', { principalType: 'EnrolmentToken' }],
  ] as const)('%s is allowed', async (_name, asked) => {
    expect((await decide(asked)).decision).toBe('allow')
  })

  const owned = {
    principalType: 'User',
    principalId: 'usr_1',
    holds: false,
    resourceId: 'agent-iam/agents/agt_1',
  } as const

  test('an owner may not undo what the security team stopped', async () => {
    const asked = { ...owned, action: 'agents:reactivate', resourceAttrs: { owner: 'usr_1' } }
    expect(reasonIds(await decide(asked))).toEqual(['system:default-deny'])
  })

  test.each(['agents:read', 'agents:suspend', 'agents:delete'])('an owner may %s', async (action) => {
    expect(reasonIds(await decide({ ...owned, action, resourceAttrs: { owner: 'usr_1' } }))).toEqual(['system:owner'])
    expect(reasonIds(await decide({ ...owned, action, resourceAttrs: { owner: 'usr_2' } }))).toEqual([
      'system:default-deny',
    ])
    expect(reasonIds(await decide({ ...owned, action }))).toEqual(['system:default-deny'])
  })

  test('an owner may not register agents by owning one', async () => {
    const asked = { principalId: 'usr_1', holds: false, action: 'agents:create', resourceId: 'agent-iam/agents' }
    expect((await decide({ ...asked, resourceAttrs: { owner: 'usr_1' } })).decision).toBe('deny')
  })

  test('owner and identity say something about the platform’s resources only', async () => {
    const asked = { holds: false, action: 'agents:read', resourceId: 'file/docs' }
    expect((await decide({ ...asked, resourceAttrs: { owner: 'agt_1', identity: 'agt_1' } })).decision).toBe('deny')
  })

  test('an identity may read about itself, and about no other', async () => {
    const asked = { holds: false, action: 'agents:read', resourceId: 'agent-iam/agents/agt_1' }
    expect(reasonIds(await decide({ ...asked, resourceAttrs: { identity: 'agt_1' } }))).toEqual(['system:self'])
    expect((await decide({ ...asked, resourceAttrs: { identity: 'agt_2' } })).decision).toBe('deny')
  })

  test('a guard that cannot be evaluated denies', async () => {
    const request = ask()
    const [principal, ...others] = request.entities
    const { trustScore: _, ...attrs } = principal?.attrs ?? {}
    const verdict = await engine.evaluate(noPolicies, {
      ...request,
      entities: [{ uid: request.principal, attrs, parents: [permission] }, ...others],
    })
    expect(reasonIds(verdict)).toEqual(['system:guard-trust', 'system:guard-sensitivity'])
  })
})

describe('policies of a tenant', () => {
  const { engine } = makeEngine()

  test('a permit allows what no capability covers', async () => {
    expect(reasonIds(await engine.evaluate(setOf(permitAll), ask({ holds: false })))).toEqual(['pol_permit'])
  })

  test('a forbid outweighs every permit', async () => {
    const set = { ...setOf(permitAll, forbidAll), version: '2' }
    expect(reasonIds(await engine.evaluate(set, ask()))).toEqual(['pol_forbid'])
  })

  test('a set of another version is in force at once', async () => {
    expect((await engine.evaluate({ ...setOf(permitAll), version: '3' }, ask({ holds: false }))).decision).toBe('allow')
    expect((await engine.evaluate({ ...setOf(forbidAll), version: '4' }, ask())).decision).toBe('deny')
  })

  test('a forbid that errs denies, and says so', async () => {
    const erring = policy('pol_erring', 'forbid(principal, action, resource) when { context.request.amount > 3 };')
    const verdict = await engine.evaluate({ ...setOf(erring), version: '5' }, ask())
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

  test('a permit that errs grants nothing, and is told beside the answer', async () => {
    const set = {
      ...setOf(policy('pol_e', 'permit(principal, action, resource) when { context.request.x };')),
      version: '6',
    }
    expect(await engine.evaluate(set, ask({ holds: false }))).toMatchObject({
      decision: 'deny',
      reasons: [{ policyId: 'system:default-deny' }],
      errors: [{ policyId: 'pol_e' }],
    })
    expect(await engine.evaluate(set, ask())).toMatchObject({ decision: 'allow', errors: [{ policyId: 'pol_e' }] })
  })

  test('no permit of a tenant reaches an action of the platform', async () => {
    const set = { ...setOf(permitAll), version: '7' }
    expect((await engine.evaluate(set, ask({ holds: false, action: 'agents:delete' }))).decision).toBe('deny')
    expect((await engine.evaluate(set, ask({ holds: false }))).decision).toBe('allow')
  })

  test('a forbid of a tenant reaches actions of the platform', async () => {
    const verdict = await engine.evaluate(
      { ...setOf(forbidAll), version: '8' },
      ask({ ...administrator, action: 'agents:delete' }),
    )
    expect(reasonIds(verdict)).toEqual(['pol_forbid'])
  })

  test.each([['policies:read'], ['policies:delete'], ['policies:rollback']])(
    'no forbid locks an administrator out of %s',
    async (action) => {
      const set = { ...setOf(forbidAll), version: '8' }
      expect((await engine.evaluate(set, ask({ ...administrator, action }))).decision).toBe('allow')
      expect((await engine.evaluate(set, ask({ ...administrator, roles: ['nested'], action }))).decision).toBe('allow')
      expect((await engine.evaluate(set, ask({ ...administrator, roles: ['member'], action }))).decision).toBe('deny')
    },
  )

  test('the guards bind the administrator too', async () => {
    const asked = { ...administrator, action: 'policies:read', attrs: { status: 'suspended' } }
    expect(reasonIds(await engine.evaluate(setOf(forbidAll), ask(asked)))).toEqual(['system:guard-inactive'])
  })

  test('a policy may bear any id, even one of the system’s', async () => {
    const ids = ['__proto__', 'constructor', 'system:capability', '0', 'a "quoted"\nid']
    const set = { ...setOf(...ids.map((id) => policy(id, 'permit(principal, action, resource);'))), version: '9' }
    expect(reasonIds(await engine.evaluate(set, ask({ holds: false }))).toSorted()).toEqual(ids.toSorted())
  })
})

describe('names that look like something else', () => {
  const { engine } = makeEngine()
  const names = ['__proto__', 'a"b', 'new\nline', '\\', 'AgentIam::Agent::"x"', '‮', '${x}', ' ', "'; drop"]

  test.each(names)('%j means only itself, as principal, resource, action and fact', async (name) => {
    const asked = {
      principalId: name,
      resourceId: `file/${name}`,
      action: name,
      request: Object.fromEntries([[name, name]]),
    }
    expect((await engine.evaluate(noPolicies, ask({ ...asked, holds: false }))).decision).toBe('deny')
    expect(await engine.evaluate(noPolicies, ask(asked))).toMatchObject({ decision: 'allow', errors: [] })
  })
})
