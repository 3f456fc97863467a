import { getAgent, registerAgent, suspendAgent, updateAgent } from '@agent-iam/contract/agents'
import { revokeAgent } from '@agent-iam/contract/agent-life'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { check } from '@agent-iam/contract/authorization'
import { delegateAgent } from '@agent-iam/contract/delegation'
import {
  getCapabilityCatalogue,
  grantAgentCapability,
  grantIdentityCapability,
  listAgentCapabilities,
  listPermissions,
  revokeAgentCapability,
  type NewGrant,
} from '@agent-iam/contract/grants'
import type { AgentId } from '@agent-iam/contract/ids'
import type { z } from 'zod'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer } from './test-server.ts'

const delegating = 'agent-iam/agents*:delegate'

describe.each(databases)('grants on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
  })
  beforeEach(async () => {
    admin = await server.admin()
  })
  afterAll(() => server.close())

  const grant = (agentId: AgentId, body: z.input<typeof NewGrant>, token = admin) =>
    server.api.call(grantAgentCapability, { params: { agentId }, body, token })
  const may = async (agentId: AgentId, resource: string, action = 'read') =>
    (await server.api.call(check, { body: { agentId, resource, action }, token: admin })).decision
  const permissionsOf = async (agentId: AgentId) =>
    server.api.call(listPermissions, { query: { agentId }, token: admin })
  const soon = (seconds: number) => new Date(server.clock.now().getTime() + seconds * 1000).toISOString()

  test('what is granted is in force with the next decision, and gone with the one after its revocation', async () => {
    const { id } = await makeAgent(server, admin)
    expect(await may(id, 'file/a')).toBe('deny')
    const { grantId, grantedBy } = await grant(id, { capability: 'file:read' })
    expect(grantedBy).toMatch(/^usr_/)
    expect(await may(id, 'file/a')).toBe('allow')
    await server.api.call(revokeAgentCapability, { params: { agentId: id, grantId }, token: admin })
    expect(await may(id, 'file/a')).toBe('deny')
    const { events } = await server.api.call(listAuditEvents, {
      query: { limit: 20, resource: `agent-iam/agents/${id}` },
      token: admin,
    })
    expect(events.map(({ type }) => type)).toEqual(['capability.revoked', 'capability.granted', 'agent.registered'])
  })

  test('a grant has its time: not before it begins, and not from the instant at which it ends', async () => {
    const { id } = await makeAgent(server, admin)
    await grant(id, { capability: 'file:read', validFrom: soon(60), expiresAt: soon(120) })
    expect(await may(id, 'file/a')).toBe('deny')
    server.clock.advance(60)
    expect(await may(id, 'file/a')).toBe('allow')
    server.clock.advance(60)
    expect(await may(id, 'file/a')).toBe('deny')
  })

  test('conditions are asked with every question: where it comes from, and when', async () => {
    const { id } = await makeAgent(server, admin)
    const hour = (at: number) =>
      `${String(new Date(server.clock.now().getTime() + at * 3_600_000).getUTCHours()).padStart(2, '0')}:00`
    const timeWindow = { from: hour(0), to: hour(2) }
    await grant(id, {
      capability: 'file:read',
      conditions: { addresses: ['192.0.2.0/24', '2001:db8::/32'], timeWindow },
    })
    const from = async (address: string) =>
      (
        await server.api.call(check, {
          body: { agentId: id, resource: 'file/a', action: 'read' },
          token: admin,
          from: address,
        })
      ).decision
    const asked = ['192.0.2.9', '192.0.3.9', '::ffff:192.0.2.9', '2001:db8::7', '2001:db9::7']
    const expected = ['allow', 'deny', 'allow', 'allow', 'deny']
    expect(await Promise.all(asked.map(from))).toEqual(expected)
    expect(await Promise.all(asked.map(from))).toEqual(expected)
    server.clock.advance(2 * 3600)
    admin = await server.admin()
    expect(await Promise.all(asked.map(from))).toEqual(asked.map(() => 'deny'))
    server.clock.advance(22 * 3600)
    admin = await server.admin()
    expect(await from('192.0.2.9')).toBe('allow')
  })

  test('granting what is there replaces conditions and times, keeps the id, and lets no old decision through', async () => {
    const { id } = await makeAgent(server, admin, ['file:read'])
    const { revision } = await server.api.call(getAgent, { params: { agentId: id }, token: admin })
    const narrowed = await grant(id, { capability: 'file:read', conditions: { resourcePrefix: 'docs/' } })
    expect([await may(id, 'file/docs/a'), await may(id, 'file/other')]).toEqual(['allow', 'deny'])
    const { grants } = await server.api.call(listAgentCapabilities, { params: { agentId: id }, token: admin })
    expect(grants).toEqual([narrowed])
    const widened = await grant(id, { capability: 'file:read', conditions: {} })
    expect(widened).toMatchObject({ grantId: narrowed.grantId, conditions: null })
    expect(await may(id, 'file/other')).toBe('allow')
    const agent = await server.api.call(getAgent, { params: { agentId: id }, token: admin })
    expect(agent.revision).toBe(revision + 2)
    const { events } = await server.api.call(listAuditEvents, {
      query: { limit: 20, type: 'capability.changed', resource: `agent-iam/agents/${id}` },
      token: admin,
    })
    expect(events).toHaveLength(2)
  })

  test('who has seen the agent as it was before a grant does not overwrite it', async () => {
    const { id } = await makeAgent(server, admin)
    const { revision } = await server.api.call(getAgent, { params: { agentId: id }, token: admin })
    await grant(id, { capability: 'file:read' })
    const late = { params: { agentId: id }, body: { capabilities: [] }, token: admin }
    const refused = await server.api.refuse(updateAgent, { ...late, headers: { 'if-match': `"${revision}"` } })
    expect(refused.code).toBe('precondition-failed')
  })

  test('replacing capabilities whole also takes grants that have not begun', async () => {
    const { id } = await makeAgent(server, admin)
    await grant(id, { capability: 'file:read', validFrom: soon(60) })
    await server.api.call(updateAgent, { params: { agentId: id }, body: { capabilities: [] }, token: admin })
    server.clock.advance(60)
    expect(await may(id, 'file/a')).toBe('deny')
  })

  test('what has run out is granted anew, swept or not', async () => {
    const { id } = await makeAgent(server, admin)
    await grant(id, { capability: 'file:read', expiresAt: soon(10) })
    await grant(id, { capability: 'db:read', expiresAt: soon(10) })
    server.clock.advance(10)
    await grant(id, { capability: 'file:read' })
    await server.api.call(updateAgent, {
      params: { agentId: id },
      body: { capabilities: ['file:read', 'db:read'] },
      token: admin,
    })
    expect([await may(id, 'file/a'), await may(id, 'db/a')]).toEqual(['allow', 'allow'])
  })

  test('nobody grants what they do not hold, hold under conditions only, or for longer than they hold it', async () => {
    const { id } = await makeAgent(server, admin)
    const grantor = await server.user('viewer')
    const give = (capability: string, extra: Partial<z.input<typeof NewGrant>> = {}) =>
      server.api.call(grantIdentityCapability, {
        params: { identityId: grantor.id },
        body: { capability, ...extra },
        token: admin,
      })
    const refused = (body: z.input<typeof NewGrant>) =>
      server.api.refuse(grantAgentCapability, { params: { agentId: id }, body, token: grantor.token })
    expect((await refused({ capability: 'file:read' })).code).toBe('forbidden')
    await give('agent-iam/capabilities*:grant')
    expect((await refused({ capability: 'file:read' })).code).toBe('capability-exceeded')
    await give('file:read', { conditions: { resourcePrefix: 'docs/' } })
    expect((await refused({ capability: 'file:read' })).code).toBe('capability-exceeded')
    await give('file:read', { expiresAt: soon(3600) })
    expect((await refused({ capability: 'file:*' })).code).toBe('capability-exceeded')
    expect(await refused({ capability: 'file:read' })).toMatchObject({
      code: 'capability-exceeded',
      detail: expect.stringContaining('for as long as'),
    })
    expect((await refused({ capability: 'file:read', expiresAt: soon(3601) })).code).toBe('capability-exceeded')
    expect(await may(id, 'file/a')).toBe('deny')
    await grant(id, { capability: 'file/docs/*:read', expiresAt: soon(3500) }, grantor.token)
    expect(await may(id, 'file/docs/a')).toBe('allow')
  })

  test('bad input makes no grant', async () => {
    const { id } = await makeAgent(server, admin)
    const cases: Array<[body: object, field: string]> = [
      [{ capability: 'a label' }, 'capability'],
      [{ capability: 'file:read', expiresAt: soon(-1) }, 'expiresAt'],
      [{ capability: 'file:read', validFrom: soon(20), expiresAt: soon(10) }, 'expiresAt'],
      [{ capability: 'file:read', conditions: { quota: {} } }, 'conditions.quota'],
      [{ capability: 'file:read', conditions: { quota: { perHour: 0 } } }, 'conditions.quota.perHour'],
      [{ capability: 'file:read', conditions: { addresses: ['10.0.0.0/33'] } }, 'conditions.addresses.0'],
      [
        {
          capability: 'file:read',
          conditions: { timeWindow: { from: '9:00', to: '24:00', timeZone: 'Mars/Olympus' } },
        },
        'conditions.timeWindow',
      ],
      [{ capability: 'agent-iam/agents:read', conditions: { quota: { perDay: 5 } } }, 'conditions.quota'],
    ]
    for (const [body, field] of cases) {
      const problem = await server.api.refuse(grantAgentCapability, { params: { agentId: id }, body, token: admin })
      expect(problem.code).toBe('invalid-request')
      expect(problem.errors?.map((error) => error.field).join(' ')).toContain(field)
    }
    const { capabilities } = await server.api.call(listAgentCapabilities, { params: { agentId: id }, token: admin })
    expect(capabilities).toEqual([])
  })

  test('an agent has at most a hundred grants, and one that is revoked gets none', async () => {
    const { id } = await makeAgent(
      server,
      admin,
      Array.from({ length: 100 }, (_, n) => `file/${n}:read`),
    )
    const body = { capability: 'file/100:read' }
    const refused = await server.api.refuse(grantAgentCapability, { params: { agentId: id }, body, token: admin })
    expect(refused.code).toBe('quota-spent')
    await grant(id, { capability: 'file/99:read', conditions: { quota: { perDay: 5 } } })
    const gone = await makeAgent(server, admin)
    await server.api.call(revokeAgent, { params: { agentId: gone.id }, body: {}, token: admin })
    const late = await server.api.refuse(grantAgentCapability, { params: { agentId: gone.id }, body, token: admin })
    expect(late.code).toBe('wrong-state')
  })

  test('permissions are what the whole chain holds, each with where it comes from and until when', async () => {
    const parent = await makeAgent(server, admin, ['file:*', 'db:read', delegating])
    await grant(parent.id, {
      capability: 'db:read',
      conditions: { quota: { perHour: 7 } },
      expiresAt: soon(50_000),
    })
    const { accessToken } = await loginAgent(server, parent)
    const child = await server.api.call(delegateAgent, {
      body: { name: 'a reader', capabilities: ['file/docs/*:read', 'db:read'], ttlSeconds: 600 },
      token: accessToken,
    })
    const { permissions, isActive } = await permissionsOf(child.agentId)
    expect(isActive).toBe(true)
    expect(permissions).toMatchObject([
      {
        resource: 'db',
        action: 'read',
        from: 'grant',
        grantedBy: parent.id,
        expiresAt: child.expiresAt,
        conditions: null,
        limits: [{ identityId: parent.id, capability: 'db:read', quota: { perHour: { limit: 7, used: 0, left: 7 } } }],
      },
      { resource: 'file/docs/*', action: 'read', capability: 'file/docs/*:read', limits: [] },
    ])
    await server.api.call(suspendAgent, { params: { agentId: parent.id }, body: {}, token: admin })
    expect(await permissionsOf(child.agentId)).toMatchObject({ isActive: false, permissions: [] })
  })

  test('permissions by role name the role; one’s own need no id, and another’s are not for everybody', async () => {
    const member = await server.user('member')
    const own = await server.api.call(listPermissions, { token: member.token })
    expect(own).toMatchObject({ agentId: member.id, isActive: true })
    expect(own.permissions.length).toBeGreaterThan(0)
    expect(new Set(own.permissions.map(({ from, role, via }) => `${from} ${role} ${via}`))).toEqual(
      new Set(['role member null']),
    )
    const nobody = await server.user()
    const { id } = await makeAgent(server, admin)
    const refused = await server.api.refuse(listPermissions, { query: { agentId: id }, token: nobody.token })
    expect(refused.code).toBe('not-found')
  })

  test('permissions come a page at a time, each once', async () => {
    const entries = Array.from({ length: 7 }, (_, n) => `file/${n}:read`)
    const { id } = await makeAgent(server, admin, entries)
    const seen: string[] = []
    for (let cursor: string | null | undefined; cursor !== null;) {
      const query = { agentId: id, limit: 3, ...(cursor !== undefined && { cursor }) }
      const page = await server.api.call(listPermissions, { query, token: admin })
      expect(page.permissions.length).toBeLessThanOrEqual(3)
      seen.push(...page.permissions.map(({ capability }) => capability))
      cursor = page.nextCursor
    }
    expect(seen).toEqual(entries)
  })

  test('the catalogue counts what is granted, by type and action, and shows no other tenant’s', async () => {
    const name = { name: `catalogued ${Math.random()}` }
    await server.api.call(registerAgent, {
      body: { ...name, capabilities: ['zebra/a/*:feed', 'zebra/x:y/z:feed'] },
      token: admin,
    })
    await makeAgent(server, admin, ['zebra:*'])
    const { resourceTypes } = await server.api.call(getCapabilityCatalogue, { query: { limit: 200 }, token: admin })
    expect(resourceTypes.find(({ resourceType }) => resourceType === 'zebra')).toEqual({
      resourceType: 'zebra',
      isDeclared: false,
      description: '',
      actions: [
        { action: '*', risk: null, description: '', granted: 1, inRoles: 0 },
        { action: 'feed', risk: null, description: '', granted: 2, inRoles: 0 },
      ],
    })
    const other = await server.tenant(`other-${server.clock.now().getTime()}`)
    const theirs = await server.api.call(getCapabilityCatalogue, { token: other.admin.token })
    expect(JSON.stringify(theirs)).not.toContain('zebra')
  })
})
