import { setAgentTrust, suspendAgent, updateAgent } from '@agent-iam/contract/agents'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { login, validate } from '@agent-iam/contract/auth'
import { check, reportResult } from '@agent-iam/contract/authorization'
import type { Role } from '../src/features/capabilities/model.ts'
import { createPolicy, deletePolicy } from '@agent-iam/contract/policies'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ConfigError } from '../src/platform/config.ts'
import { assertion, loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { openServer, password, startServer, uuidOf, type TestServer } from './test-server.ts'

const reading = { resource: 'file/docs/a.md', action: 'read' }

describe.each(databases)('decisions and secrets on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
  })
  beforeEach(async () => {
    admin = await server.admin()
  })
  afterAll(() => server.close())

  test('a refusal by policy names the policy in the log', async () => {
    const { id: agentId } = await makeAgent(server, admin)
    const policy = 'forbid(principal, action == AgentIam::Action::"agents:suspend", resource);'
    const { policyId } = await server.api.call(createPolicy, {
      body: { name: 'nobody suspends', policy },
      token: admin,
    })
    const { requestId } = await server.api.refuse(suspendAgent, { params: { agentId }, body: {}, token: admin })
    await server.api.call(deletePolicy, { params: { policyId }, token: admin })
    const expected = { reasons: ['forbidden'], data: { count: 1, policyIds: [policyId] } }
    expect(await server.refusals(server.defaultTenant.id, requestId)).toMatchObject([expected])
  })

  test('a capability permits just what it says', async () => {
    const { accessToken: token } = await loginAgent(server, await makeAgent(server, admin, ['file/docs/*:read']))
    for (const [resource, action, decision] of [
      ['file/docs/a.md', 'read', 'allow'],
      ['file/docs', 'read', 'deny'],
      ['file/docs/a.md', 'write', 'deny'],
      ['file', 'read', 'deny'],
      ['files/docs/a.md', 'read', 'deny'],
      ['file/secrets/../docs/a.md', 'read', 'deny'],
    ])
      expect([resource, action, (await decide(token, { resource, action })).decision]).toEqual([
        resource,
        action,
        decision,
      ])
  })

  test('a policy is in force with the next decision, and gone with the next', async () => {
    const { accessToken: token } = await loginAgent(server, await makeAgent(server, admin, ['file/docs/*:read']))
    expect((await decide(token)).decision).toBe('allow')
    const body = { name: 'closed', policy: 'forbid(principal, action == AgentIam::Action::"read", resource);' }
    const { policyId } = await server.api.call(createPolicy, { body, token: admin })
    const denied = await decide(token)
    expect([denied.decision, denied.reasons.map((reason) => reason.policyId)]).toEqual(['deny', [policyId]])
    await server.api.call(deletePolicy, { params: { policyId }, token: admin })
    expect((await decide(token)).decision).toBe('allow')
  })

  test('a grant that is taken away is gone with the next decision', async () => {
    const agent = await makeAgent(server, admin, ['file/docs/*:read'])
    const { accessToken: token } = await loginAgent(server, agent)
    expect((await decide(token)).decision).toBe('allow')
    await server.api.call(updateAgent, { params: { agentId: agent.id }, body: { capabilities: [] }, token: admin })
    expect((await decide(token)).decision).toBe('deny')
  })

  test.each([
    [0.2999, 'deny', 'CRITICAL'],
    [0.3, 'allow', 'HIGH'],
    [0.5, 'allow', 'MEDIUM'],
    [0.75, 'allow', 'LOW'],
  ])('with a trust score of %d the answer is %s, and the risk %s', async (trustScore, decision, riskLevel) => {
    const agent = await makeAgent(server, admin, ['file/*:read'])
    const { accessToken: token } = await loginAgent(server, agent)
    await server.api.call(setAgentTrust, { params: { agentId: agent.id }, body: { trustScore }, token: admin })
    const answer = await decide(token)
    expect(answer).toMatchObject({ decision, riskLevel, trustScore, trustBasis: 'administrator' })
    const isGuarded = answer.reasons.some(({ policyId }) => policyId === 'system:guard-trust')
    expect(isGuarded).toBe(decision === 'deny')
  })

  test('an expired identity may do nothing, and may not log in', async () => {
    const agent = await makeAgent(server, admin, ['file/*:read'])
    const { accessToken: token } = await loginAgent(server, agent)
    await server.database.ask(`update identities set expires_at = now() + interval '1 hour' where id = $1`, [
      uuidOf(agent.id),
    ])
    expect((await decide(admin, { ...reading, agentId: agent.id })).decision).toBe('allow')
    await server.database.ask(`update identities set expires_at = now() - interval '1 hour' where id = $1`, [
      uuidOf(agent.id),
    ])
    await server.changedBehindItsBack()
    const denied = await decide(admin, { ...reading, agentId: agent.id })
    expect([denied.decision, denied.reasons[0]?.policyId]).toEqual(['deny', 'system:guard-expired'])
    expect((await server.api.refuse(check, { body: reading, token })).code).toBe('identity-inactive')
    expect((await server.api.refuse(login, { body: await assertion(agent, server) })).code).toBe('identity-inactive')
  })

  test('asking for another needs the permission, unless its own token is shown', async () => {
    const agent = await makeAgent(server, admin, ['file/*:read'])
    const { accessToken: subjectToken } = await loginAgent(server, agent)
    const { token } = await server.user('member')
    for (const body of [
      { ...reading, agentId: agent.id },
      { ...reading, subjectToken },
    ]) {
      const refused = await server.api.refuse(check, { body, token })
      expect(['forbidden', 'not-found']).toContain(refused.code)
    }
    expect(await decide(admin, { ...reading, agentId: agent.id })).toMatchObject({
      basis: 'identity',
      decision: 'allow',
    })
    expect(await decide(admin, { ...reading, subjectToken })).toMatchObject({ basis: 'token', decision: 'allow' })
  })

  test('a result is reported only by who asked, after an allow, within a day', async () => {
    const agent = await makeAgent(server, admin, ['file/*:read'])
    const { accessToken: token } = await loginAgent(server, agent)
    const allowed = await decide(token)
    const denied = await decide(token, { resource: 'secret/a', action: 'read' })
    const report = (decisionId: string, as: string) =>
      server.api.refuse(reportResult, {
        params: { decisionId },
        body: { outcome: 'failure', durationMs: 1 },
        token: as,
      })
    expect((await report(denied.decisionId, token)).code).toBe('wrong-state')
    expect((await report(allowed.decisionId, admin)).code).toBe('not-found')
    server.clock.advance(86_401)
    const { accessToken: late } = await loginAgent(server, agent)
    expect((await report(allowed.decisionId, late)).detail).toEqual(expect.stringMatching(/day old/))
  })

  test('what people write is sealed in the log, readable while its key is there, and gone with it', async () => {
    const agent = await makeAgent(server, admin)
    const reason = 'seen with Ms Example at noon'
    await server.api.call(suspendAgent, { params: { agentId: agent.id }, body: { reason }, token: admin })
    const query = { type: 'agent.suspended', resource: `agent-iam/agents/${agent.id}` }
    const read = async () => (await server.api.call(listAuditEvents, { query, token: admin })).events[0]?.personal
    expect(await read()).toEqual({ reason })
    const [stored] = await server.database.ask(
      `select convert_from(leaf, 'UTF8') as leaf from audit_events where resource = $1 and type = $2`,
      [query.resource, query.type],
    )
    expect(stored?.['leaf']).toEqual(expect.stringMatching(/"box":/))
    expect(stored?.['leaf']).not.toEqual(expect.stringMatching(/Example/))
    await server.database.ask(`delete from data_keys where subject like 'month:%'`)
    expect(await read()).toBeNull()
  })

  test('another master key than the one that sealed the database does not start', async () => {
    const { database, clock, masterKey } = server
    const wrong = startServer(database, { clock, masterKey: Buffer.alloc(32, 5) })
    await expect(wrong).rejects.toBeInstanceOf(ConfigError)
    const right = await startServer(database, { clock, masterKey })
    await right.api.call(validate, { token: admin })
  })

  test('a key that was moved to another tenant’s row opens nothing', async () => {
    const { id, admin: user } = await server.tenant('moved')
    const body = { email: user.email, password, tenant: 'moved' }
    const { database, clock, masterKey } = server
    const before = await startServer(database, { clock, masterKey })
    await before.api.call(login, { body })
    await database.ask(
      'update signing_keys set sealed = (select sealed from signing_keys where ' +
        "tenant_id = $1 and state = 'active' and algorithm = 'RS256') where tenant_id = $2",
      [uuidOf(server.app.defaultTenantId), uuidOf(id)],
    )
    const after = await startServer(database, { clock, masterKey })
    expect((await after.api.refuse(login, { body })).code).toBe('internal-error')
  })

  test.each<[Role | undefined, string]>([
    ['admin', 'allow'],
    ['manager', 'allow'],
    ['member', 'deny'],
    ['viewer', 'deny'],
    [undefined, 'deny'],
  ])('a user with the role %s asking to read a file is told: %s', async (role, decision) => {
    const { token } = await server.user(role)
    const answer = await decide(token)
    expect(answer).toMatchObject({ decision, trustScore: null, riskLevel: null, trustBasis: null })
  })

  async function decide(token: string, body: object = reading) {
    return server.api.call(check, { body: { ...reading, ...body }, token })
  }
})
