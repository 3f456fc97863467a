import { evaluate } from '@agent-iam/contract/authzen'
import { bulkCheck, check } from '@agent-iam/contract/authorization'
import { grantAgentCapability } from '@agent-iam/contract/grants'
import { assignRole, createRole } from '@agent-iam/contract/roles'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer } from './test-server.ts'

const elsewhere = '198.51.100.7'

describe.each(databases)('what a decision rests on, on %s', (_name, open) => {
  let server: TestServer
  let admin: string
  let agent: TestAgent
  let token: string
  let grantId: string
  let roleId: string

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
    agent = await makeAgent(server, admin, [])
    const params = { agentId: agent.id }
    const conditions = { addresses: ['192.0.2.0/24'], resourcePrefix: 'docs/' }
    const body = { capability: 'file:read', conditions }
    ;({ grantId } = await server.api.call(grantAgentCapability, { params, body, token: admin }))
    const permissions = [
      { permission: 'queue:send' },
      { permission: 'queue:purge', conditions: { addresses: ['192.0.2.0/24'] } },
    ]
    const role = await server.api.call(createRole, { body: { name: 'dispatcher', permissions }, token: admin })
    roleId = role.roleId
    await server.api.call(assignRole, {
      params: { roleId: role.roleId, identityId: agent.id },
      body: {},
      token: admin,
    })
    token = (await loginAgent(server, agent)).accessToken
  })
  afterAll(() => server.close())

  const ask = (resource: string, action: string, from = elsewhere) =>
    server.api.call(check, { body: { resource, action }, token, from })

  test('a deny tells which conditions of a grant were not met, and not what they ask for', async () => {
    const { decision, reason, reasons } = await ask('file/pictures/a', 'read')
    expect(decision).toBe('deny')
    expect(reasons).toEqual([
      {
        policyId: 'system:default-deny',
        title: 'Nothing permits it',
        effect: 'forbid',
        unmet: [{ source: 'grant', id: grantId, title: 'file:read', conditions: ['resourcePrefix', 'addresses'] }],
      },
    ])
    expect(reason).toBe(
      'Nothing permits it: the grant file:read covers it, but its condition on the resource and the address is not met',
    )
    expect(JSON.stringify(reasons)).not.toMatch(/192\.0\.2|docs/)
  })

  test('of a role’s permission too, and what is never permitted says no more than that', async () => {
    const { reasons, reason } = await ask('queue/mail', 'purge')
    expect(reasons[0]?.unmet).toEqual([{ source: 'role', id: roleId, title: 'dispatcher', conditions: ['addresses'] }])
    expect(reason).toContain('the role “dispatcher” covers it')
    const plain = await ask('file/docs/a', 'delete')
    expect(plain.reason).toBe('Nothing permits it')
    expect(plain.reasons[0]).not.toHaveProperty('unmet')
  })

  test('an allow by a role names it; one by a grant names the grant, and no role', async () => {
    const byRole = await ask('queue/mail', 'send')
    expect(byRole.reason).toBe('A capability or role permits it: role “dispatcher”')
    expect(byRole.reasons[0]?.roles).toEqual([{ id: roleId, name: 'dispatcher' }])
    const byGrant = await ask('file/docs/a', 'read', '192.0.2.9')
    expect(byGrant.reason).toBe('A capability or role permits it: file:read')
    expect(byGrant.reasons[0]).not.toHaveProperty('roles')
  })

  test('a remembered verdict tells nobody of another’s role', async () => {
    const other = await makeAgent(server, admin, ['queue:send'])
    const otherToken = (await loginAgent(server, other)).accessToken
    for (let round = 0; round < 3; round++) {
      expect((await ask('queue/mail', 'send')).reasons[0]?.roles).toHaveLength(1)
      const body = { resource: 'queue/mail', action: 'send' }
      const { reasons } = await server.api.call(check, { body, token: otherToken, from: elsewhere })
      expect(reasons[0]).not.toHaveProperty('roles')
    }
  })

  test('bulk checks, explanations and AuthZEN tell it too', async () => {
    const checks = [{ resource: 'queue/mail', action: 'send' }]
    const { results } = await server.api.call(bulkCheck, { body: { checks }, token, from: elsewhere })
    expect(results[0]?.decision?.reasons[0]?.roles).toEqual([{ id: roleId, name: 'dispatcher' }])
    const body = { resource: 'file/pictures/a', action: 'read' }
    const query = { explain: 'true' as const }
    const { explanation } = await server.api.call(check, { body, query, token, from: elsewhere })
    expect(explanation?.hops[0]?.reasons[0]?.unmet?.[0]?.id).toBe(grantId)
    const { context } = await server.api.call(evaluate, {
      body: {
        subject: { type: 'agent', id: agent.id },
        action: { name: 'send' },
        resource: { type: 'queue', id: 'mail' },
      },
      token,
      from: elsewhere,
    })
    expect(context?.reasons?.[0]?.roles).toEqual([{ id: roleId, name: 'dispatcher' }])
  })

  test('the event has the ids', async () => {
    const dataOf = async (decisionId: string) => {
      const [row] = await server.database.ask(
        `select convert_from(leaf, 'UTF8')::json -> 'data' as data from audit_events
         where type = 'decision.made' and convert_from(leaf, 'UTF8')::json ->> 'decisionId' = $1`,
        [decisionId],
      )
      return row?.['data']
    }
    expect(await dataOf((await ask('queue/mail', 'send')).decisionId)).toMatchObject({ roles: [roleId] })
    expect(await dataOf((await ask('file/pictures/a', 'read')).decisionId)).toMatchObject({ unmet: [grantId] })
  })
})
