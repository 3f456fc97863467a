import { bulkCheck } from '@agent-iam/contract/authorization'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer, type TestUser } from './test-server.ts'

describe.each(databases)('many checks at once on %s', (_name, open) => {
  let server: TestServer
  let admin: string
  let somebody: TestUser

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
    somebody = await server.user()
  })
  afterAll(() => server.close())

  test('a bulk of checks answers each in its place, whatever became of the others', async () => {
    const agent = await makeAgent(server, admin, ['file/docs/*:read'])
    const { accessToken: token } = await loginAgent(server, agent)
    const reading = { resource: 'file/docs/a.md', action: 'read' }
    const checks = [
      reading,
      { ...reading, action: 'write' },
      { ...reading, agentId: somebody.id },
      { ...reading, action: 7 },
      { ...reading, context: { __proto: 1 } },
      {
        principal: `AgentIam::Agent::"${agent.id}"`,
        action: 'AgentIam::Action::"read"',
        resource: 'AgentIam::Resource::"file/docs/b"',
      },
    ]
    const { results } = await server.api.call(bulkCheck, { body: { checks }, token })
    expect(results.map(({ status, decision, problem }) => [status, decision?.decision ?? problem?.code])).toEqual([
      [200, 'allow'],
      [200, 'deny'],
      [404, 'not-found'],
      [400, 'invalid-request'],
      [400, 'invalid-request'],
      [200, 'allow'],
    ])
    const ids = results.flatMap(({ decision }) => decision?.decisionId ?? [])
    expect(new Set(ids).size).toBe(3)
    const { events } = await server.api.call(listAuditEvents, { query: { limit: 50 }, token: admin })
    const recorded = events.map(({ decisionId }) => decisionId)
    for (const id of ids) expect(recorded).toContain(id)
  })

  test('a bulk has one check at least and a hundred at most', async () => {
    const check = { resource: 'file/a', action: 'read' }
    for (const checks of [[], Array.from({ length: 101 }, () => check), 'all', [7]])
      expect((await server.api.refuse(bulkCheck, { body: { checks }, token: admin })).code).toBe('invalid-request')
    const { results } = await server.api.call(bulkCheck, {
      body: { checks: Array.from({ length: 100 }, () => check) },
      token: admin,
    })
    expect(results.filter(({ decision }) => decision?.allowed)).toHaveLength(100)
  })
})
