import { rotateAgentKey } from '@agent-iam/contract/agent-keys'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { check } from '@agent-iam/contract/authorization'
import { delegateAgent, moveAgent } from '@agent-iam/contract/delegation'
import { grantAgentCapability } from '@agent-iam/contract/grants'
import { createPolicy } from '@agent-iam/contract/policies'
import { assignRole } from '@agent-iam/contract/roles'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent, type TestAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import { openServer, type TestServer, type TestUser } from './test-server.ts'

describe.each(databases)('what agents hold, and who comes by it, on %s', (_kind, open) => {
  let database: TestDatabase
  let server: TestServer
  let admin: string
  let owner: TestUser
  let made = 0

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
    admin = await server.admin()
    owner = await server.user('manager')
  })
  afterAll(() => server.close())

  const rotate = ({ id }: TestAgent) => ({ params: { agentId: id }, body: {}, token: owner.token })
  const keyFor = ({ id }: TestAgent) => ({ body: { name: `key ${++made}`, for: id }, token: owner.token })

  /** What its owner is told who would act as the agent, by another key of its or by an API key. */
  const askToActAs = async (agent: TestAgent) => [
    (await server.api.refuse(rotateAgentKey, rotate(agent))).code,
    (await server.api.refuse(createApiKey, keyFor(agent))).code,
  ]
  const refused = ['capability-exceeded', 'capability-exceeded']

  test('who answers for an agent makes it credentials while it does no more than they do', async () => {
    const agent = await makeAgent(server, owner.token, ['file:read'])
    await server.api.call(rotateAgentKey, rotate(agent))
    expect(await server.api.call(createApiKey, keyFor(agent))).toMatchObject({ identityId: agent.id })
  })

  test('an agent’s role is not for who answers for it', async () => {
    const agent = await makeAgent(server, owner.token)
    const params = { roleId: 'admin', identityId: agent.id } as const
    await server.api.call(assignRole, { params, body: {}, token: admin })
    expect(await askToActAs(agent)).toEqual(refused)
  })

  test('nor is what it holds under conditions, or only later', async () => {
    const always = { timeWindow: { from: '00:00', to: '00:00' } } as const
    const later = new Date(server.clock.now().getTime() + 3_600_000).toISOString()
    for (const bounds of [{ conditions: always }, { validFrom: later }]) {
      const agent = await makeAgent(server, owner.token)
      const body = { capability: 'agent-iam/users*:suspend', ...bounds }
      await server.api.call(grantAgentCapability, { params: { agentId: agent.id }, body, token: admin })
      expect(await askToActAs(agent)).toEqual(refused)
    }
  })

  test('who moves an agent from under others holds what its roles give: nobody else holds them back then', async () => {
    const parent = await makeAgent(server, admin, ['agent-iam/agents*:delegate', 'file:read'])
    const { accessToken: token } = await loginAgent(server, parent)
    const body = { name: 'a child with a role', capabilities: ['file:read'] }
    const { agentId } = await server.api.call(delegateAgent, { body, token })
    await server.api.call(assignRole, { params: { roleId: 'admin', identityId: agentId }, body: {}, token: admin })
    const move = { params: { agentId }, body: { parent: null, capabilities: [] } }
    expect(await server.api.refuse(moveAgent, { ...move, token: owner.token })).toMatchObject({
      code: 'capability-exceeded',
    })
    await server.api.call(moveAgent, { ...move, token: admin })
  })

  test('no decision is recorded that a grant overtook: a policy may forbid something to who holds it', async () => {
    const agent = await makeAgent(server, owner.token, ['vault:read'])
    const policy = 'forbid(principal in AgentIam::Permission::"vault:*", action, resource);'
    await server.api.call(createPolicy, { body: { name: 'not whoever may do all', policy }, token: admin })
    const ask = async () => {
      const body = { agentId: agent.id, resource: 'vault/a', action: 'read' }
      return (await server.api.call(check, { body, token: admin })).decision
    }
    const epoch = async () => database.ask('select max(epoch) as epoch from audit_heads')
    expect(await ask()).toBe('allow')
    const before = await epoch()
    const body = { capability: 'vault:*' }
    await server.api.call(grantAgentCapability, { params: { agentId: agent.id }, body, token: admin })
    expect(await epoch()).not.toEqual(before)
    expect(await ask()).toBe('deny')
  })
})
