import { rotateAgentKey } from '@agent-iam/contract/agent-keys'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { delegateAgent, moveAgent } from '@agent-iam/contract/delegation'
import { grantAgentCapability } from '@agent-iam/contract/grants'
import { assignRole } from '@agent-iam/contract/roles'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer, type TestUser } from './test-server.ts'

describe.each(databases)('what agents hold, and who comes by it, on %s', (_kind, open) => {
  let server: TestServer
  let admin: string
  let owner: TestUser
  let made = 0

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
    owner = await server.user('manager')
  })
  afterAll(() => server.close())

  const rotate = ({ id }: TestAgent) => ({ params: { agentId: id }, body: {}, token: owner.token })
  const keyFor = ({ id }: TestAgent) => ({ body: { name: `key ${++made}`, for: id }, token: owner.token })

  /** Neither by another key of the agent nor by an API key may who answers for it act with more than is their own. */
  const expectOutOfReach = async (agent: TestAgent) => {
    const refused = { code: 'capability-exceeded' }
    expect(await server.api.refuse(rotateAgentKey, rotate(agent))).toMatchObject(refused)
    expect(await server.api.refuse(createApiKey, keyFor(agent))).toMatchObject(refused)
  }

  test('who answers for an agent makes it credentials while it does no more than they do', async () => {
    const agent = await makeAgent(server, owner.token, ['file:read'])
    await server.api.call(rotateAgentKey, rotate(agent))
    await server.api.call(createApiKey, keyFor(agent))
  })

  test('an agent’s role is not for who answers for it', async () => {
    const agent = await makeAgent(server, owner.token)
    const params = { roleId: 'admin', identityId: agent.id } as const
    await server.api.call(assignRole, { params, body: {}, token: admin })
    await expectOutOfReach(agent)
  })

  test('nor is what it holds under conditions, or only later', async () => {
    const always = { timeWindow: { from: '00:00', to: '00:00' } } as const
    const later = new Date(server.clock.now().getTime() + 3_600_000).toISOString()
    for (const bounds of [{ conditions: always }, { validFrom: later }]) {
      const agent = await makeAgent(server, owner.token)
      const body = { capability: 'agent-iam/users*:suspend', ...bounds }
      await server.api.call(grantAgentCapability, { params: { agentId: agent.id }, body, token: admin })
      await expectOutOfReach(agent)
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
})
