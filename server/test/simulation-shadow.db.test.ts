import { registerAgent } from '@agent-iam/contract/agents'
import { check } from '@agent-iam/contract/authorization'
import { delegateAgent } from '@agent-iam/contract/delegation'
import type { AgentId, PolicyId } from '@agent-iam/contract/ids'
import { createPolicy } from '@agent-iam/contract/policies'
import { activatePolicy } from '@agent-iam/contract/policy-versions'
import { getShadow, startShadow, stopShadow } from '@agent-iam/contract/simulation'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answered } from '../src/features/authorization/service.ts'
import { PolicyEngine } from '../src/features/policies/service.ts'
import { DraftDecider, Shadow } from '../src/features/simulation/service.ts'
import type { Context } from '../src/platform/context.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { makeFacts } from './made-facts.ts'
import { openServer, type TestServer } from './test-server.ts'

const onType = (type: string, effect: 'permit' | 'forbid') =>
  `${effect}(principal, action, resource) when { resource.type == "${type}" };`

/** An answer that nobody asked for. */
function answered(ctx: Context): Answered {
  const { tenantId } = ctx.caller
  const question = { tenantId, action: 'read', resource: { type: 'dates', id: 'x' }, resourceFacts: {}, request: {} }
  return {
    decisionId: ctx.newId('decision'),
    facts: { ...makeFacts([{ held: ['dates:read'], isActive: true }]), definitionsVersion: 1_000_000 },
    question: { ...question, now: ctx.clock.now(), address: '' },
    verdict: { decision: 'allow', reasons: [], errors: [] },
    rules: {
      policies: { tenantId, version: '1', policies: [] },
      definitions: { version: 1, roles: [], resources: { types: new Map(), thresholds: { byLabel: {}, byRisk: {} } } },
    },
  }
}

describe.each(databases)('shadowed drafts on %s', (_name, open) => {
  let server: TestServer
  let token: string
  beforeAll(async () => {
    server = await openServer(await open())
    token = await server.admin()
  })
  afterAll(() => server.close())

  const register = async (name: string, capabilities: string[]) =>
    (await server.api.call(registerAgent, { body: { name, capabilities }, token })).agentId
  const draft = async (name: string, policy: string, status: 'draft' | 'active' = 'draft') =>
    (await server.api.call(createPolicy, { body: { name, policy, status }, token })).policyId
  const ask = async (agentId: AgentId, resource: string, where = server, action = 'read') =>
    (await where.api.call(check, { body: { agentId, resource, action }, token })).decision
  const start = (policyId: PolicyId) => server.api.call(startShadow, { params: { policyId }, token })
  const look = (policyId: PolicyId, where = server) => where.api.call(getShadow, { params: { policyId }, token })

  test('a forbid is evaluated without effect, and what it would deny is counted with examples', async () => {
    const agentId = await register('of a forbid', ['birds:read', 'trees:read'])
    const policyId = await draft('no birds', onType('birds', 'forbid'))
    expect(await ask(agentId, 'birds/0')).toBe('allow')
    expect(await start(policyId)).toMatchObject({ name: 'no birds', version: 1, evaluated: 0, examples: [] })
    for (const resource of ['birds/1', 'trees/1', 'fish/1', 'birds/2']) {
      const expected = resource === 'fish/1' ? 'deny' : 'allow'
      expect([resource, await ask(agentId, resource)]).toEqual([resource, expected])
    }
    const found = await look(policyId)
    expect(found).toMatchObject({ evaluated: 4, allowToDeny: 2, denyToAllow: 0, erred: 0, dropped: 0 })
    expect(found.examples.map(({ resource, live, would }) => `${resource} ${live} ${would}`).toSorted()).toEqual([
      'birds/1 allow deny',
      'birds/2 allow deny',
    ])
    expect(found.examples[0]).toMatchObject({ identityId: agentId, action: 'read' })
    await server.api.call(stopShadow, { params: { policyId }, token })
  })

  test('a permit counts where nothing else permits, and not where a guard or a policy forbids', async () => {
    const agentId = await register('of a permit', ['stones:read'])
    const active = await draft('no sand', onType('sand', 'forbid'), 'active')
    const policyId = await draft('all sand and stones', 'permit(principal, action, resource);')
    await start(policyId)
    await ask(agentId, 'stones/1')
    await ask(agentId, 'sand/1')
    await ask(agentId, 'clay/1')
    const found = await look(policyId)
    expect(found).toMatchObject({ evaluated: 3, allowToDeny: 0, denyToAllow: 1 })
    expect(found.examples).toMatchObject([{ resource: 'clay/1', live: 'deny', would: 'allow' }])
    expect(active).toMatch(/^pol_/)
    await server.api.call(stopShadow, { params: { policyId }, token })
  })

  test('along a chain a permit must reach everyone who lacks the right, a forbid only one', async () => {
    const parent = await makeAgent(server, token, ['agent-iam/agents:delegate', 'roads:read'])
    const { accessToken } = await loginAgent(server, parent)
    const body = { ...delegateAgent.example.body, name: 'a shadowed child', capabilities: ['roads:read'] }
    const child = await server.api.call(delegateAgent, { body, token: accessToken })
    const of = (id: string, effect: 'permit' | 'forbid', type: string) =>
      `${effect}(principal == AgentIam::Agent::"${id}", action, resource) when { resource.type == "${type}" };`
    const forParent = await draft('parent: no roads', of(parent.id, 'forbid', 'roads'))
    const forChild = await draft('child: tunnels', of(child.agentId, 'permit', 'tunnels'))
    const forBoth = await draft('both: bridges', onType('bridges', 'permit'))
    for (const each of [forParent, forChild, forBoth]) await start(each)
    expect(await ask(child.agentId, 'roads/1')).toBe('allow')
    expect(await ask(child.agentId, 'tunnels/1')).toBe('deny')
    expect(await ask(child.agentId, 'bridges/1')).toBe('deny')
    expect(await look(forParent)).toMatchObject({ evaluated: 3, allowToDeny: 1, denyToAllow: 0 })
    expect(await look(forChild)).toMatchObject({ evaluated: 3, allowToDeny: 0, denyToAllow: 0 })
    expect(await look(forBoth)).toMatchObject({ evaluated: 3, allowToDeny: 0, denyToAllow: 1 })
    for (const policyId of [forParent, forChild, forBoth])
      await server.api.call(stopShadow, { params: { policyId }, token })
  })

  test('a draft that errs is counted: its forbid denies, as it would in force', async () => {
    const agentId = await register('of errors', ['wells:read'])
    const policyId = await draft(
      'overflowing',
      'forbid(principal, action, resource) when { resource.type == "wells" && context.request has n && context.request.n * 9007199254740991 > 0 };',
    )
    await start(policyId)
    await server.api.call(check, {
      body: { agentId, resource: 'wells/1', action: 'read', context: { n: 9007199254740991 } },
      token,
    })
    await server.api.call(check, { body: { agentId, resource: 'wells/2', action: 'read' }, token })
    expect(await look(policyId)).toMatchObject({ evaluated: 2, erred: 1, allowToDeny: 1 })
    await server.api.call(stopShadow, { params: { policyId }, token })
  })

  test('two instances count exactly, and keep the last twenty examples', async () => {
    const other = await server.beside()
    const agentId = await register('of two instances', ['seeds:read'])
    const policyId = await draft('no seeds', onType('seeds', 'forbid'))
    await start(policyId)
    const all = Array.from({ length: 60 }, (_, n) => n)
    // The embedded database serves one process: two of them wait for it too long.
    const together = server.database.kind === 'PGlite' ? 1 : all.length
    for (let from = 0; from < all.length; from += together)
      await Promise.all(
        all.slice(from, from + together).map((n) => ask(agentId, `seeds/${n}`, n % 2 === 0 ? server : other)),
      )
    await look(policyId, other)
    const found = await look(policyId)
    expect(found).toMatchObject({ evaluated: 60, allowToDeny: 60, dropped: 0 })
    expect(found.examples).toHaveLength(20)
    await other.close()
    await server.api.call(stopShadow, { params: { policyId }, token })
  })

  test('begun anew it counts from zero; ended it counts nothing, and tells what it had', async () => {
    const agentId = await register('of beginnings', ['nuts:read'])
    const policyId = await draft('no nuts', onType('nuts', 'forbid'))
    await start(policyId)
    await ask(agentId, 'nuts/1')
    expect(await look(policyId)).toMatchObject({ evaluated: 1 })
    await start(policyId)
    expect(await look(policyId)).toMatchObject({ evaluated: 0, examples: [] })
    await ask(agentId, 'nuts/2')
    await look(policyId)
    expect(await server.api.call(stopShadow, { params: { policyId }, token })).toMatchObject({ evaluated: 1 })
    await ask(agentId, 'nuts/3')
    expect(await server.api.refuse(getShadow, { params: { policyId }, token })).toMatchObject({ code: 'not-found' })
    expect(await server.api.refuse(stopShadow, { params: { policyId }, token })).toMatchObject({ code: 'not-found' })
  })

  test('whose decisions were counted is told to who may read decisions', async () => {
    const policyId = await draft('no kernels', onType('kernels', 'forbid'))
    const shadowing = await makeAgent(server, token, ['agent-iam/policies*:shadow', 'agent-iam/policies*:read'])
    const { accessToken } = await loginAgent(server, shadowing)
    const input = { params: { policyId }, token: accessToken }
    await server.api.call(startShadow, input)
    for (const refused of [getShadow, stopShadow])
      expect(await server.api.refuse(refused, input)).toMatchObject({ code: 'forbidden' })
    await server.api.call(stopShadow, { params: { policyId }, token })
  })

  test('only a draft is shadowed, and once in force it is no more', async () => {
    const agentId = await register('of states', ['figs:read'])
    const policyId = await draft('no figs', onType('figs', 'forbid'))
    await start(policyId)
    expect(await ask(agentId, 'figs/1')).toBe('allow')
    await look(policyId)
    await server.api.call(activatePolicy, { params: { policyId }, token })
    expect(await ask(agentId, 'figs/2')).toBe('deny')
    expect(await look(policyId)).toMatchObject({ evaluated: 1 })
    expect(await server.api.refuse(startShadow, { params: { policyId }, token })).toMatchObject({ code: 'wrong-state' })
  })

  test('what a busy server passes over is counted, and never holds it up', async () => {
    const policyId = await draft('no dates', onType('dates', 'forbid'))
    await start(policyId)
    const engine = new PolicyEngine({ clock: server.clock })
    const decider = new DraftDecider(() => engine)
    const shadow = new Shadow(decider)
    const ctx = server.inTenant(server.app.defaultTenantId)
    const observe = () => shadow.observe(ctx, answered(ctx))
    observe()
    await shadow.flush(ctx)
    for (let n = 1; n <= 1_100; n++) observe()
    await shadow.close(ctx)
    expect(await look(policyId)).toMatchObject({ evaluated: 1_001, allowToDeny: 1_001, dropped: 100 })
    await decider.close()
  })

  test('ten are shadowed at once, and of two who want the last place one gets it', async () => {
    const tenant = await server.tenant('shadows')
    const mine = tenant.admin.token
    const make = async (n: number) => {
      const body = { name: `draft ${n}`, policy: onType(`t${n}`, 'forbid'), status: 'draft' as const }
      return (await server.api.call(createPolicy, { body, token: mine })).policyId
    }
    const ids: PolicyId[] = []
    for (const n of Array.from({ length: 11 }, (_, each) => each)) ids.push(await make(n))
    for (const policyId of ids.slice(0, 9)) await server.api.call(startShadow, { params: { policyId }, token: mine })
    const last = ids.slice(9).map((policyId) => server.api.send(startShadow, { params: { policyId }, token: mine }))
    expect((await Promise.all(last)).map(({ status }) => `${status}`).toSorted()).toEqual(['200', '403'])
  })
})
