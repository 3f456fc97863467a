import { setAgentTrust, updateAgent, suspendAgent } from '@agent-iam/contract/agents'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { logout } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import { createPolicy } from '@agent-iam/contract/policies'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GroupCommitter } from '../src/features/audit/committer.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer } from './test-server.ts'

/** Lets a test act between a decision and its commit, where a slow network would. */
class HeldUp extends GroupCommitter {
  #meanwhile: (() => Promise<unknown>) | undefined

  holdUp(meanwhile: () => Promise<unknown>): void {
    this.#meanwhile = meanwhile
  }

  override async commit(...event: Parameters<GroupCommitter['commit']>): ReturnType<GroupCommitter['commit']> {
    const meanwhile = this.#meanwhile
    this.#meanwhile = undefined
    await meanwhile?.()
    return super.commit(...event)
  }
}

describe.each(databases)('a decision that is overtaken on %s', (_name, open) => {
  let server: TestServer
  let committer: HeldUp
  let admin: string
  const asked = { resource: 'file/a', action: 'read' } as const

  beforeAll(async () => {
    const database = await open()
    committer = new HeldUp(database.db)
    server = await openServer(database, { replace: (world) => ({ ...world, committer }) })
    admin = await server.admin()
  })
  afterAll(() => server.close())

  test('by a suspension is decided again, and denied', async () => {
    const agent = await makeAgent(server, admin, ['file:read'])
    committer.holdUp(() => server.api.call(suspendAgent, { params: { agentId: agent.id }, body: {}, token: admin }))
    const decision = await server.api.call(check, { body: { ...asked, agentId: agent.id }, token: admin })
    expect(decision.reasons.map(({ policyId }) => policyId)).toEqual(['system:guard-inactive'])
  })

  test('by the logout of whose token was presented is not recorded as an allow', async () => {
    const agent = await makeAgent(server, admin, ['file:read'])
    const { accessToken } = await loginAgent(server, agent)
    committer.holdUp(() => server.api.call(logout, { token: accessToken }))
    const body = { ...asked, resource: 'file/presented', subjectToken: accessToken }
    const refusal = await server.api.refuse(check, { body, token: admin })
    expect([refusal.code, refusal.errors?.[0]?.field]).toEqual(['invalid-request', 'subjectToken'])
    const query = { resource: 'file/presented', decision: 'allow' as const }
    expect((await server.api.call(listAuditEvents, { query, token: admin })).events).toEqual([])
  })

  test('by the loss of the right to ask is refused', async () => {
    const agent = await makeAgent(server, admin, ['file:read'])
    const asking = await makeAgent(server, admin, ['agent-iam/agents*:check'])
    const { accessToken } = await loginAgent(server, asking)
    const body = { ...asked, agentId: agent.id }
    expect((await server.api.call(check, { body, token: accessToken })).allowed).toBe(true)
    const params = { agentId: asking.id }
    committer.holdUp(() => server.api.call(updateAgent, { params, body: { capabilities: [] }, token: admin }))
    expect((await server.api.refuse(check, { body, token: accessToken })).code).toBe('not-found')
  })

  test.each([
    ['type', 'principal.type == "trusted"', { type: 'worker' }],
    ['name', 'principal.name like "agent *"', { name: 'somebody else' }],
  ])('by a change of %s is decided again', async (what, condition, change) => {
    const agent = await makeAgent(server, admin)
    const params = { agentId: agent.id }
    await server.api.call(updateAgent, { params, body: { type: 'trusted' }, token: admin })
    const policy = `permit(principal is AgentIam::Agent, action == AgentIam::Action::"${what}", resource) when { ${condition} };`
    await server.api.call(createPolicy, { body: { name: `by ${what}`, policy }, token: admin })
    const body = { resource: 'file/a', action: what, agentId: agent.id }
    expect((await server.api.call(check, { body, token: admin })).allowed).toBe(true)
    committer.holdUp(() => server.api.call(updateAgent, { params, body: change, token: admin }))
    expect((await server.api.call(check, { body, token: admin })).allowed).toBe(false)
  })

  test('by more trust is decided again too: a policy may bound it from above', async () => {
    const agent = await makeAgent(server, admin, ['file:trusted'])
    const policy =
      'forbid(principal is AgentIam::Agent, action == AgentIam::Action::"trusted", resource) ' +
      'when { principal.trustScore.greaterThan(decimal("0.8")) };'
    await server.api.call(createPolicy, { body: { name: 'not too trusted', policy }, token: admin })
    const params = { agentId: agent.id }
    committer.holdUp(() => server.api.call(setAgentTrust, { params, body: { trustScore: 0.9 }, token: admin }))
    const body = { resource: 'file/a', action: 'trusted', agentId: agent.id }
    expect((await server.api.call(check, { body, token: admin })).allowed).toBe(false)
  })
})
