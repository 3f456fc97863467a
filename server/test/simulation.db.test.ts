import { registerAgent, suspendAgent } from '@agent-iam/contract/agents'
import { check } from '@agent-iam/contract/authorization'
import { delegateAgent } from '@agent-iam/contract/delegation'
import type { AgentId } from '@agent-iam/contract/ids'
import { createPolicy, deletePolicy } from '@agent-iam/contract/policies'
import { simulatePolicies } from '@agent-iam/contract/simulation'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent } from './agents.ts'
import { countRows } from './count-rows.ts'
import { databases } from './databases.ts'
import { narrowedTo } from './narrowed.ts'
import { openServer, type TestServer } from './test-server.ts'

const forbid = (type: string) => `forbid(principal, action, resource) when { resource.type == "${type}" };`

describe.each(databases)('simulation on %s', (_name, open) => {
  let server: TestServer
  let token: string
  beforeAll(async () => {
    server = await openServer(await open())
    token = await server.admin()
  })
  afterAll(() => server.close())

  const register = async (name: string, capabilities: string[]) =>
    (await server.api.call(registerAgent, { body: { name, capabilities }, token })).agentId
  const ask = async (agentId: AgentId, resource: string, context = {}) =>
    server.api.call(check, { body: { agentId, resource, action: 'read', context }, token })
  const simulate = (body: object) => server.api.call(simulatePolicies, { body, token })

  test('a draft is told from what is in force, and nothing but the simulation is recorded', async () => {
    const agentId = await register('of drafts', ['plans:read', 'maps:read'])
    const plans = await ask(agentId, 'plans/a')
    await ask(agentId, 'maps/a')
    await ask(agentId, 'other/a')
    const before = await countRows(server.database)
    const answer = await simulate({
      policies: [{ name: 'no plans', policy: forbid('plans') }],
      filter: { identityId: agentId },
    })
    expect(answer).toMatchObject({
      examined: 3,
      wouldChange: [
        {
          decisionId: plans.decisionId,
          identityId: agentId,
          action: 'read',
          resource: 'plans/a',
          recorded: 'allow',
          live: 'allow',
          would: 'deny',
          reasons: [{ policyId: 'draft:no plans', title: 'no plans', effect: 'forbid' }],
        },
      ],
      changedSince: 0,
      notExamined: [],
      unknown: [],
      nextCursor: null,
    })
    const oneEventMore = JSON.stringify(before).replace(
      /("events","count":)(\d+)/,
      (_, name: string, count) => name + String(Number(count) + 1),
    )
    expect(JSON.stringify(await countRows(server.database))).toBe(oneEventMore)
    const types = await server.database.ask('select type from audit_events order by at desc, sequence desc limit 1')
    expect(types).toEqual([{ type: 'policy.simulated' }])
    expect(await ask(agentId, 'plans/b')).toMatchObject({ decision: 'allow' })
  })

  test('what the caller sent with its question counts again', async () => {
    const agentId = await register('of contexts', ['books:read'])
    await ask(agentId, 'books/a', { purpose: 'indexing' })
    await ask(agentId, 'books/b', { purpose: 'reading', list: [1, 2], many: { deep: true } })
    const policy =
      'forbid(principal, action, resource) when { context.request has purpose && context.request.purpose == "reading" };'
    const { wouldChange } = await simulate({
      policies: [{ name: 'no reading', policy }],
      filter: { identityId: agentId },
    })
    expect(wouldChange.map(({ resource }) => resource)).toEqual(['books/b'])
  })

  test('policies are left out, and stored drafts added', async () => {
    const agentId = await register('of stored ones', [])
    const create = async (name: string, policy: string, status: 'draft' | 'active') =>
      (await server.api.call(createPolicy, { body: { name, policy, status }, token })).policyId
    const permit = (type: string) => `permit(principal, action, resource) when { resource.type == "${type}" };`
    const inForce = await create('in force', permit('songs'), 'active')
    const draft = await create('drafted', permit('poems'), 'draft')
    await ask(agentId, 'songs/a')
    await ask(agentId, 'poems/a')
    const filter = { identityId: agentId }
    const told = async (body: object) =>
      (await simulate({ ...body, filter })).wouldChange.map(({ resource, live, would }) => [resource, live, would])
    expect(await told({ without: [inForce] })).toEqual([['songs/a', 'allow', 'deny']])
    expect(await told({ policyIds: [draft] })).toEqual([['poems/a', 'deny', 'allow']])
    expect(await told({ policyIds: [draft], without: [inForce] })).toEqual([
      ['poems/a', 'deny', 'allow'],
      ['songs/a', 'allow', 'deny'],
    ])
    await server.api.call(deletePolicy, { params: { policyId: inForce }, token })
    expect(await simulate({ policyIds: [draft], filter })).toMatchObject({
      changedSince: 1,
      wouldChange: [{ resource: 'poems/a', recorded: 'deny' }],
    })
  })

  test('what changed since is told apart from what the draft changes', async () => {
    const agentId = await register('suspended since', ['rivers:read'])
    await ask(agentId, 'rivers/a')
    await server.api.call(suspendAgent, { params: { agentId }, body: { reason: 'a test' }, token })
    const answer = await simulate({
      policies: [{ name: 'any', policy: forbid('rivers') }],
      filter: { identityId: agentId },
    })
    expect(answer).toMatchObject({ examined: 1, changedSince: 1, wouldChange: [] })
  })

  test('a child’s decision is decided again for all of its chain', async () => {
    const parent = await makeAgent(server, token, ['lakes:read', 'agent-iam/agents:delegate'])
    const { accessToken } = await loginAgent(server, parent)
    const body = { ...delegateAgent.example.body, name: 'a child of simulation', capabilities: ['lakes:read'] }
    const child = await server.api.call(delegateAgent, { body, token: accessToken })
    await ask(child.agentId, 'lakes/a')
    const policy = `forbid(principal == AgentIam::Agent::"${parent.id}", action, resource) when { resource.type == "lakes" };`
    const { wouldChange, changedSince } = await simulate({
      policies: [{ name: 'parent', policy }],
      filter: { identityId: parent.id },
    })
    expect(wouldChange).toMatchObject([{ identityId: child.agentId, live: 'allow', would: 'deny' }])
    expect(changedSince).toBe(0)
  })

  test('no more are examined than asked for, the newest, and filters are kept', async () => {
    const agentId = await register('of many', ['hills:read'])
    for (const n of Array.from({ length: 45 }, (_, each) => each))
      await ask(agentId, n % 2 === 0 ? 'hills' : `seas/${n}`)
    const body = { policies: [{ name: 'no hills', policy: forbid('hills') }], filter: { identityId: agentId } }
    expect(await simulate({ ...body, last: 30 })).toMatchObject({ examined: 30, nextCursor: null })
    expect(await simulate({ ...body, last: 1000 })).toMatchObject({ examined: 45 })
    const hills = await simulate({ ...body, last: 1000, filter: { ...body.filter, resourceType: 'hills' } })
    expect([hills.examined, hills.wouldChange.length]).toEqual([23, 23])
    expect(await simulate({ ...body, filter: { ...body.filter, action: 'write' } })).toMatchObject({ examined: 0 })
  })

  test('when time is over, the next answer goes on where this one ended', async () => {
    const agentId = await register('of time', ['clocks:read'])
    for (const n of Array.from({ length: 50 }, (_, each) => each)) await ask(agentId, `clocks/${n}`)
    const body = {
      policies: [{ name: 'no clocks', policy: forbid('clocks') }],
      last: 45,
      filter: { identityId: agentId },
    }
    // Time passes with each look at it.
    const { clock } = server
    const now = clock.now.bind(clock)
    let looks = 0
    clock.now = () => (looks++ > 40 ? new Date(now().getTime() + 10_000) : now())
    const seen: string[] = []
    let cursor: string | null | undefined
    let answers = 0
    try {
      do {
        looks = 0
        const answer = await simulate({ ...body, ...(cursor && { cursor }) })
        seen.push(...answer.wouldChange.map(({ resource }) => resource))
        cursor = answer.nextCursor
        answers += 1
      } while (cursor !== null && answers < 20)
    } finally {
      clock.now = now
    }
    expect(answers).toBeGreaterThan(1)
    expect(seen).toEqual(Array.from({ length: 45 }, (_, n) => `clocks/${49 - n}`))
  })

  test('what a narrower session was denied cannot be decided again, and that is told', async () => {
    await ask(await register('of no scope', []), 'walls/a')
    const agentId = await register('of two sessions', ['walls:read', 'doors:read'])
    const narrow = await narrowedTo(server, agentId, ['doors:read'])
    const denied = await server.api.call(check, { body: { resource: 'walls/b', action: 'read' }, token: narrow })
    expect(denied.reasons).toMatchObject([{ policyId: 'system:guard-scope' }])
    const answer = await simulate({
      policies: [{ name: 'x', policy: forbid('nothing') }],
      filter: { resourceType: 'walls' },
    })
    expect(answer.notExamined).toEqual([{ decisionId: denied.decisionId, why: 'session-narrower' }])
    expect(answer.examined).toBe(1)
  })

  test('that the log keeps no address is told where it would matter', async () => {
    const agentId = await register('of addresses', ['gates:read'])
    await ask(agentId, 'gates/a')
    const policy = 'forbid(principal, action, resource) unless { context.address == "127.0.0.1" };'
    const answer = await simulate({ policies: [{ name: 'here only', policy }], filter: { identityId: agentId } })
    expect(answer.unknown).toEqual(['address'])
  })

  test.each([
    ['nothing at all', {}, 'invalid-request'],
    ['a text that is no policy', { policies: [{ name: 'broken', policy: 'permit(' }] }, 'policy-invalid'],
    [
      'two drafts of one name',
      {
        policies: [
          { name: 'x', policy: forbid('a') },
          { name: 'x', policy: forbid('b') },
        ],
      },
      'invalid-request',
    ],
    ['a policy that nobody has', { without: [`pol_${'0'.repeat(32)}`] }, 'not-found'],
    [
      'a cursor of another list',
      { policies: [{ name: 'x', policy: forbid('a') }], cursor: 'bm9wZQ' },
      'invalid-request',
    ],
    ['more than a thousand', { policies: [{ name: 'x', policy: forbid('a') }], last: 1001 }, 'invalid-request'],
  ])('%s is refused', async (_case, body, code) => {
    expect(await server.api.refuse(simulatePolicies, { body, token })).toMatchObject({ code })
  })

  test('who may not read the log does not simulate', async () => {
    const manager = await server.user('manager')
    const body = { policies: [{ name: 'x', policy: forbid('a') }] }
    expect(await server.api.refuse(simulatePolicies, { body, token: manager.token })).toMatchObject({
      code: 'forbidden',
    })
  })
})
