import { bulkCheck, check } from '@agent-iam/contract/authorization'
import { createPolicy } from '@agent-iam/contract/policies'
import { delegateAgent } from '@agent-iam/contract/delegation'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer } from './test-server.ts'

const query = { explain: 'true' as const }

describe.each(databases)('an explanation on %s', (_name, open) => {
  let server: TestServer
  let admin: string
  let agent: TestAgent
  const ids = new Map<string, string>()

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
    agent = await makeAgent(server, admin, ['file/docs/*:read', 'agent-iam/agents*:delegate'])
    for (const [name, policy] of Object.entries({
      night: `forbid(principal, action == AgentIam::Action::"read", resource)
        when { context.request has hour && context.request.hour < 6 };`,
      review: `permit(principal, action == AgentIam::Action::"write", resource)
        when { context.request.reviewer == principal.id };`,
      sum: `permit(principal, action == AgentIam::Action::"read", resource) when { context.request.n + 1 > 0 };`,
      elsewhere: `permit(principal, action == AgentIam::Action::"send", resource);`,
    }))
      ids.set(name, (await server.api.call(createPolicy, { body: { name, policy }, token: admin })).policyId)
  })
  afterAll(() => server.close())

  const asking = (context = {}) => ({ agentId: agent.id, resource: 'file/docs/a.md', action: 'read', context })

  async function explained(body: ReturnType<typeof asking>, token = admin) {
    const { explanation, ...decision } = await server.api.call(check, { body, query, token })
    const [hop] = explanation?.hops ?? []
    const of = (name: string) => hop?.policies.find(({ policyId }) => policyId === (ids.get(name) ?? name))
    return { decision, explanation, hop, of }
  }

  test('tells of each policy what it said, and the values that it saw', async () => {
    const { decision, hop, of } = await explained(asking({ hour: 4 }))
    expect(decision.decision).toBe('deny')
    expect(hop).toMatchObject({ hop: 0, identityId: agent.id, decision: 'deny', untold: 0 })
    expect(of('night')).toMatchObject({ effect: 'forbid', result: 'matched', title: 'night' })
    expect(of('night')?.values).toContainEqual({ path: 'context.request.hour', value: 4 })
    expect(of('elsewhere')).toMatchObject({ result: 'out-of-scope', values: [] })
    expect(of('system:capability')?.result).toBe('matched')
    expect(of('system:guard-inactive')).toMatchObject({
      result: 'not-matched',
      values: [{ path: 'principal.status', value: 'active' }],
    })
  })

  test('what was not there is told apart from what did not match and what could not be evaluated', async () => {
    const { decision, of } = await explained(asking())
    expect(decision.decision).toBe('allow')
    expect(of('night')).toMatchObject({ result: 'not-matched' })
    expect(of('night')?.values).toContainEqual({ path: 'context.request.hour', isAbsent: true })
    expect(of('sum')).toMatchObject({ result: 'error', values: [{ path: 'context.request.n', isAbsent: true }] })
  })

  test('an explanation is asked for: without it there is none, and the decision is the same', async () => {
    const plain = await server.api.call(check, { body: asking({ hour: 4 }), token: admin })
    const { decision } = await explained(asking({ hour: 4 }))
    expect(plain.explanation).toBeUndefined()
    expect(decision.reasons).toEqual(plain.reasons)
  })

  test('who may not see values sees where they stood, and nothing of policies that could not speak', async () => {
    const { accessToken } = await loginAgent(server, agent)
    const { of, hop } = await explained(asking({ hour: 4, secret: 'x' }), accessToken)
    expect(of('night')?.result).toBe('matched')
    expect(of('elsewhere')).toBeUndefined()
    expect(hop?.untold).toBe(2)
    const values = hop?.policies.flatMap((policy) => policy.values) ?? []
    expect(values.length).toBeGreaterThan(3)
    for (const value of values) expect(Object.keys(value).toSorted()).toEqual(['path', 'redacted'])
  })

  test('names that every object inherits are no attributes', async () => {
    const policy = `permit(principal, action == AgentIam::Action::"probe", resource)
      when { context.request has constructor && context.request.constructor == "x" };`
    await server.api.call(createPolicy, { body: { name: 'probe', policy }, token: admin })
    const { explanation } = await server.api.call(check, {
      body: { ...asking(), action: 'probe' },
      query,
      token: admin,
    })
    const probe = explanation?.hops[0]?.policies.find(({ title }) => title === 'probe')
    expect(probe?.values).toEqual([{ path: 'context.request.constructor', isAbsent: true }])
  })

  test('along a chain it tells hop by hop, as far as was asked', async () => {
    const { accessToken } = await loginAgent(server, agent)
    const body = { name: 'an explained child', capabilities: ['file/docs/*:read'] }
    const { agentId: child } = await server.api.call(delegateAgent, {
      body,
      token: accessToken,
    })
    const of = async (action: string) => {
      const asked = { agentId: child, resource: 'file/docs/a.md', action }
      return (await server.api.call(check, { body: asked, query, token: admin })).explanation?.hops
    }
    expect(await of('read')).toMatchObject([
      { hop: 0, identityId: child, decision: 'allow' },
      { hop: 1, identityId: agent.id, decision: 'allow' },
    ])
    expect(await of('write')).toMatchObject([{ hop: 0, decision: 'deny' }])
  })

  test('each check of a bulk is explained by itself', async () => {
    const { results } = await server.api.call(bulkCheck, {
      body: { checks: [asking({ hour: 4 }), asking({ hour: 7 })] },
      query,
      token: admin,
    })
    const said = results.map(({ decision }) =>
      decision?.explanation?.hops[0]?.policies.find(({ policyId }) => policyId === ids.get('night')),
    )
    expect(said.map((policy) => policy?.result)).toEqual(['matched', 'not-matched'])
  })
})
