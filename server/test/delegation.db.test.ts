import { getAgent, reactivateAgent, registerAgent, suspendAgent, updateAgent } from '@agent-iam/contract/agents'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { login, refresh, validate } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import {
  delegateAgent,
  getDelegationChain,
  getDescendants,
  moveAgent,
  type DelegateAgent,
} from '@agent-iam/contract/delegation'
import type { AgentId } from '@agent-iam/contract/ids'
import { createPolicy } from '@agent-iam/contract/policies'
import { issueToken } from '@agent-iam/contract/token'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aKey, assertion, loginAgent, makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { narrowedTo } from './narrowed.ts'
import { makeServiceWithSecret } from './services.ts'
import { openServer, type TestServer, type TestUser } from './test-server.ts'

const delegate = 'agent-iam/agents*:delegate'
const reading = 'file/docs/*:read'

describe.each(databases)('delegation on %s', (_name, open) => {
  let server: TestServer
  let admin: string
  let owner: TestUser
  let parent: TestAgent
  let token: string
  let children = 0

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
    owner = await server.user('manager')
    parent = await makeAgent(server, owner.token, [delegate, reading, 'file/docs/*:write'])
    token = (await loginAgent(server, parent)).accessToken
  })
  afterAll(() => server.close())

  const child = (wanted: Partial<DelegateAgent> = {}, as = token) =>
    server.api.call(delegateAgent, {
      body: { name: `child ${++children}`, capabilities: [reading], ...wanted },
      token: as,
    })
  const refuseChild = (wanted: Partial<DelegateAgent> = {}, as = token) =>
    server.api.refuse(delegateAgent, {
      body: { name: `child ${++children}`, capabilities: [reading], ...wanted },
      token: as,
    })
  const ask = (as: string, action = 'read', resource = 'file/docs/a') =>
    server.api.call(check, { body: { resource, action }, token: as })
  const askFor = (agentId: AgentId, action = 'read') =>
    server.api.call(check, { body: { agentId, resource: 'file/docs/a', action }, token: admin })

  test('a child comes with its token, its task, an end, and the chain of who lends it authority', async () => {
    const made = await child({ taskId: 'task-42', taskScope: 'the third quarter', ttlSeconds: 600 })
    expect(made).toMatchObject({
      status: 'active',
      owner: owner.id,
      parent: parent.id,
      taskId: 'task-42',
      taskScope: 'the third quarter',
      chain: [parent.id, made.agentId],
      capabilities: [reading],
    })
    const seconds = (Date.parse(made.expiresAt ?? '') - Date.parse(made.createdAt)) / 1000
    expect(seconds).toBe(600)
    const decision = await ask(made.token.accessToken)
    expect(decision).toMatchObject({ allowed: true, chain: [parent.id, made.agentId] })
    const { events } = await server.api.call(listAuditEvents, { query: { limit: 1 }, token: admin })
    expect(events[0]).toMatchObject({ type: 'decision.made', actor: made.agentId, chain: [parent.id, made.agentId] })
    await server.api.call(refresh, { body: { refreshToken: made.token.refreshToken } })
  })

  test('what the child is denied names who lacked the right', async () => {
    const { agentId, token: tokens } = await child({ capabilities: [reading, 'file/docs/*:write'] })
    expect(await ask(tokens.accessToken, 'write')).toMatchObject({ allowed: true })
    const capabilities = [delegate, reading]
    await server.api.call(updateAgent, { params: { agentId: parent.id }, body: { capabilities }, token: owner.token })
    const denied = await ask(tokens.accessToken, 'write')
    expect(denied).toMatchObject({ allowed: false, deniedBy: { identityId: parent.id, hop: 1 } })
    expect(denied.reason).toContain(parent.id)
    expect(await askFor(agentId, 'write')).toMatchObject({ allowed: false, basis: 'identity' })
    const whole = { capabilities: [...capabilities, 'file/docs/*:write'] }
    await server.api.call(updateAgent, { params: { agentId: parent.id }, body: whole, token: owner.token })
    expect(await ask(tokens.accessToken, 'write')).toMatchObject({ allowed: true })
  })

  test.each([
    [{ capabilities: ['file/*:read'] }, 'file/*:read'],
    [{ capabilities: ['file/docs/*:*'] }, 'file/docs/*:*'],
    [{ capabilities: ['*:read'] }, '*:read'],
    [{ capabilities: [reading, 'database:read', 'file/*:write'] }, 'database:read'],
    [{ capabilities: ['agent-iam:*'] }, 'agent-iam:*'],
  ])('more than the parent holds is refused, naming the first of it: %o', async (wanted, excess) => {
    const problem = await refuseChild(wanted)
    expect(problem).toMatchObject({ code: 'capability-exceeded' })
    expect(problem.detail).toContain(excess)
  })

  test('nothing of a refused child is left, and the refusal is an event', async () => {
    const before = await server.api.call(getDescendants, { params: { identityId: parent.id }, token: admin })
    const problem = await refuseChild({ name: 'half made', capabilities: ['file:read'] })
    const after = await server.api.call(getDescendants, { params: { identityId: parent.id }, token: admin })
    expect(after).toEqual(before)
    expect(await server.refusals(server.app.defaultTenantId, problem.requestId)).toHaveLength(1)
  })

  test('an API key makes no child, which would outlive it', async () => {
    const { key } = await server.api.call(createApiKey, { body: { name: 'a key' }, token: owner.token })
    expect(await refuseChild({}, key)).toMatchObject({ code: 'forbidden' })
  })

  test('nobody makes a child who was not given the right to', async () => {
    const agent = await makeAgent(server, owner.token, [reading])
    const { accessToken } = await loginAgent(server, agent)
    expect(await refuseChild({}, accessToken)).toMatchObject({ code: 'forbidden' })
  })

  test('a child delegates only if its parents let it, and never beyond the tenth hop', async () => {
    const capabilities = [delegate, reading]
    let last = token
    for (let depth = 1; depth <= 10; depth++) last = (await child({ capabilities }, last)).token.accessToken
    expect(await ask(last)).toMatchObject({ allowed: true })
    const problem = await refuseChild({ capabilities: [] }, last)
    expect(problem).toMatchObject({ code: 'capability-exceeded' })
    expect(problem.detail).toContain('depth 11')
    const mere = await child({ capabilities: [reading] })
    expect(await refuseChild({ capabilities: [] }, mere.token.accessToken)).toMatchObject({ code: 'forbidden' })
  })

  test('no child outlives its parent, and without an asked life it ends with it', async () => {
    const short = await child({ ttlSeconds: 120, capabilities: [delegate, reading] })
    const problem = await refuseChild({ ttlSeconds: 121 }, short.token.accessToken)
    expect(problem).toMatchObject({ code: 'capability-exceeded' })
    expect(problem.detail).toContain(short.expiresAt)
    const { expiresAt } = await child({}, short.token.accessToken)
    expect(Date.parse(expiresAt ?? '')).toBeLessThanOrEqual(Date.parse(short.expiresAt ?? ''))
    server.clock.advance(121)
    expect(await server.api.refuse(validate, { token: short.token.accessToken })).toMatchObject({ status: 401 })
    token = (await loginAgent(server, parent)).accessToken
  })

  test('a user and a service delegate as well; the owner is always a person', async () => {
    const ofUser = await child({}, owner.token)
    expect(ofUser).toMatchObject({ owner: owner.id, parent: owner.id })
    expect(await ask(ofUser.token.accessToken)).toMatchObject({ allowed: true, chain: [owner.id, ofUser.agentId] })
    const { serviceId, owner: person, body } = await makeServiceWithSecret(server, admin, [delegate, reading])
    const { access_token: own } = await server.api.call(issueToken, { body })
    const ofService = await child({}, own)
    expect(ofService).toMatchObject({ owner: person, parent: serviceId })
    expect(await ask(ofService.token.accessToken)).toMatchObject({
      allowed: true,
      chain: [serviceId, ofService.agentId],
    })
  })

  test('stopping anyone up the chain stops everyone below, and letting go lets them go on', async () => {
    const middle = await child({ capabilities: [delegate, reading] })
    const leaf = await child({}, middle.token.accessToken)
    const params = { agentId: middle.agentId }
    await server.api.call(suspendAgent, { params, body: {}, token: owner.token })
    expect(await askFor(leaf.agentId)).toMatchObject({
      allowed: false,
      deniedBy: { identityId: middle.agentId, hop: 1 },
    })
    expect(await server.api.refuse(validate, { token: leaf.token.accessToken })).toMatchObject({
      code: 'token-revoked',
    })
    expect(await server.api.refuse(refresh, { body: { refreshToken: leaf.token.refreshToken } })).toMatchObject({
      status: 401,
    })
    await server.api.call(reactivateAgent, { params, body: {}, token: admin })
    expect(await ask(leaf.token.accessToken)).toMatchObject({ allowed: true })
  })

  test('a child with a key of its own has tokens bound to it, and logs in by itself', async () => {
    const { privateKey, publicKey } = aKey()
    const made = await child({ publicKey })
    expect(made.token.tokenType).toBe('DPoP')
    expect(await server.api.refuse(validate, { token: made.token.accessToken })).toMatchObject({ status: 401 })
    const self = { id: made.agentId, name: made.name, privateKey }
    const { accessToken } = await server.api.call(login, { body: await assertion(self, server) })
    expect(await ask(accessToken)).toMatchObject({ allowed: true })
  })

  test('children of one parent are told apart by name, look-alikes included, as long as they live', async () => {
    await child({ name: 'scope' })
    expect(await refuseChild({ name: 'scope' })).toMatchObject({ code: 'already-exists' })
    // The second letter is Cyrillic.
    expect(await refuseChild({ name: 's\u0441ope' })).toMatchObject({ code: 'already-exists' })
    await child({ name: 'scope' }, (await child({ capabilities: [delegate, reading] })).token.accessToken)
  })

  test('a child of a narrowed session stays within it, whatever is granted to it later', async () => {
    const scope = [reading, delegate]
    const narrowed = await narrowedTo(server, parent.id, scope)
    const made = await child({ capabilities: [reading] }, narrowed)
    expect(await refuseChild({ capabilities: ['file/docs/*:write'] }, narrowed)).toMatchObject({
      code: 'capability-exceeded',
    })
    const cedar = `permit(principal == AgentIam::Agent::"${made.agentId}", action, resource);`
    await server.api.call(createPolicy, { body: { name: 'for the child', policy: cedar }, token: admin })
    const capabilities = [reading, 'file/docs/*:write']
    await server.api.call(updateAgent, { params: { agentId: made.agentId }, body: { capabilities }, token: admin })
    const decision = await ask(made.token.accessToken, 'write')
    expect(decision).toMatchObject({ allowed: false, deniedBy: { identityId: made.agentId, hop: 0 } })
    expect(decision.reasons).toContainEqual(expect.objectContaining({ policyId: 'system:guard-scope' }))
  })

  test('the chain is shown hop by hop, with what each narrowed', async () => {
    const middle = await child({ capabilities: [delegate, reading] })
    const leaf = await child({}, middle.token.accessToken)
    const params = { identityId: leaf.agentId }
    const { depth, chain } = await server.api.call(getDelegationChain, { params, token: owner.token })
    expect(depth).toBe(2)
    expect(chain.map(({ identityId }) => identityId)).toEqual([leaf.agentId, middle.agentId, parent.id])
    expect(chain[0]?.narrowed).toMatchObject({ withheld: [delegate], scope: null, attenuated: false })
    expect(chain[1]?.narrowed).toMatchObject({ withheld: ['file/docs/*:write'], endsEarlier: true })
    expect(chain[2]?.narrowed).toBeNull()
    const stranger = await server.user()
    expect(await server.api.refuse(getDelegationChain, { params, token: stranger.token })).toMatchObject({
      code: 'not-found',
    })
  })

  test('a parent sees and stops what it made, but nobody beside it', async () => {
    const middle = await child({ capabilities: [delegate, reading] })
    const leaf = await child({}, middle.token.accessToken)
    const beside = await child()
    const tree = await server.api.call(getDescendants, {
      params: { identityId: middle.agentId },
      token: middle.token.accessToken,
    })
    expect(tree).toMatchObject({ total: 1, isComplete: true, tree: { children: [{ identityId: leaf.agentId }] } })
    const stop = (agentId: AgentId) => ({ params: { agentId }, body: {}, token: middle.token.accessToken })
    await server.api.call(suspendAgent, stop(leaf.agentId))
    // It may be somebody else who stopped it: who may undo that is decided by more than being above.
    expect(await server.api.refuse(reactivateAgent, stop(leaf.agentId))).toMatchObject({ code: 'forbidden' })
    expect(await server.api.refuse(suspendAgent, stop(beside.agentId))).toMatchObject({ code: 'not-found' })
  })

  test('a moved agent has the new parent’s authority and no more; a cycle is refused', async () => {
    const first = await child({ capabilities: [delegate, reading] })
    const second = await child({ capabilities: [delegate, reading] })
    const leaf = await child({ ttlSeconds: 600 }, first.token.accessToken)
    const move = (agentId: AgentId, to: AgentId | null, capabilities = [reading]) => ({
      params: { agentId },
      body: { parent: to, capabilities },
      token: admin,
    })
    const under = (agentId: AgentId) => ({ ...move(leaf.agentId, agentId) })
    expect(await server.api.refuse(moveAgent, move(first.agentId, leaf.agentId))).toMatchObject({ code: 'wrong-state' })
    expect(await server.api.refuse(moveAgent, move(first.agentId, first.agentId))).toMatchObject({
      code: 'wrong-state',
    })
    const more = move(leaf.agentId, second.agentId, ['file/docs/*:write'])
    expect(await server.api.refuse(moveAgent, more)).toMatchObject({ code: 'capability-exceeded' })
    expect(await server.api.call(moveAgent, under(second.agentId))).toMatchObject({ parent: second.agentId })
    await server.api.call(suspendAgent, { params: { agentId: first.agentId }, body: {}, token: admin })
    expect(await ask(leaf.token.accessToken)).toMatchObject({
      allowed: true,
      chain: [parent.id, second.agentId, leaf.agentId],
    })
    const root = await server.api.call(moveAgent, move(leaf.agentId, null))
    expect(root).toMatchObject({ parent: null, owner: owner.id })
    expect(await ask(leaf.token.accessToken)).toMatchObject({ allowed: true })
  })

  test('who moves an agent gives it nothing that it does not hold itself, though the agent had it before', async () => {
    const writing = 'file/docs/*:write'
    const lender = await makeAgent(server, owner.token, [delegate, writing])
    const { agentId } = await child({ capabilities: [writing] }, (await loginAgent(server, lender)).accessToken)
    const narrower = { params: { agentId: lender.id }, body: { capabilities: [delegate] }, token: owner.token }
    await server.api.call(updateAgent, narrower)
    const mover = await makeAgent(server, admin, ['agent-iam/agents*:move', 'agent-iam/agents*:read'])
    const { accessToken } = await loginAgent(server, mover)
    const move = { params: { agentId }, body: { parent: null, capabilities: [writing] }, token: accessToken }
    expect(await server.api.refuse(moveAgent, move)).toMatchObject({ code: 'capability-exceeded' })
    await server.api.call(moveAgent, { ...move, body: { parent: null, capabilities: [] } })
    expect(await askFor(agentId, 'write')).toMatchObject({ allowed: false })
  })

  test('another tenant’s identities are not there', async () => {
    const foreign = await server.tenant(`foreign-${++children}`)
    const { agentId } = await child()
    const params = { identityId: agentId }
    for (const operation of [getDelegationChain, getDescendants])
      expect(await server.api.refuse(operation, { params, token: foreign.admin.token })).toMatchObject({
        code: 'not-found',
      })
    const theirs = await makeAgent(server, foreign.admin.token, [])
    const body = { parent: theirs.id, capabilities: [] }
    const moved = server.api.refuse(moveAgent, { params: { agentId }, body, token: admin })
    expect(await moved).toMatchObject({ code: 'not-found' })
    expect(await server.api.refuse(getAgent, { params: { agentId }, token: foreign.admin.token })).toMatchObject({
      code: 'not-found',
    })
  })

  test('a root is registered, a child is delegated: an agent does not register', async () => {
    expect(await server.api.refuse(registerAgent, { body: { name: 'mine' }, token })).toMatchObject({ status: 403 })
  })
})
