import { listUsers } from '@agent-iam/contract/accounts'
import { listAgents, suspendAgent, registerAgent } from '@agent-iam/contract/agents'
import { listAuditEvents } from '@agent-iam/contract/audit'
import type { IdentityId } from '@agent-iam/contract/ids'
import { acceptInvitation, inviteUser } from '@agent-iam/contract/invitations'
import { listMessages } from '@agent-iam/contract/mail'
import { listMembers, setUserRole } from '@agent-iam/contract/members'
import { createPolicy, listPolicies } from '@agent-iam/contract/policies'
import { assignRole, createRole, listIdentityRoles, listRoles, unassignRole } from '@agent-iam/contract/roles'
import { listSigningKeys, rotateSigningKeys } from '@agent-iam/contract/signing-keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fromUuid } from '../src/platform/ids.ts'
import { makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { narrowedTo } from './narrowed.ts'
import { hour, RoleDesk } from './roles.ts'
import { openServer, uuidOf, type TestServer, type TestUser } from './test-server.ts'

describe.each(databases)('administrators, operators and auditors on %s', (_kind, open) => {
  let server: TestServer
  let admin: string
  let desk: RoleDesk

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
    desk = new RoleDesk(server, () => admin)
  })
  afterAll(() => server.close())

  let tenants = 0
  const tenant = () => server.tenant(`admins-${++tenants}`)

  test('the last whose role has no end keeps it: nobody takes it, and nobody ends it', async () => {
    const { admin: first, ...there } = await tenant()
    const { token } = first
    const second = await server.user('viewer', there)
    await desk.give('admin', second.id, { validUntil: desk.later(hour) }, token)
    expect((await desk.take('admin', first.id, token)).status).toBe(409)
    for (const body of [{ validUntil: desk.later(hour) }, { validFrom: desk.later(hour) }])
      expect(await desk.refuseGiving('admin', first.id, body, token)).toBe('wrong-state')
    const demoted = { params: { userId: first.id }, body: { role: 'viewer' }, token }
    expect(await server.api.refuse(setUserRole, demoted)).toMatchObject({ code: 'wrong-state' })
    await desk.give('admin', second.id, {}, token)
    expect((await desk.take('admin', first.id, token)).status).toBe(200)
  })

  test('who is one for a time hands on nothing for longer', async () => {
    const { admin: first, ...there } = await tenant()
    const [brief, other] = [await server.user(undefined, there), await server.user(undefined, there)]
    const end = desk.later(hour)
    await desk.give('admin', brief.id, { validUntil: end }, first.token)
    const token = await relogin(brief)
    for (const body of [{}, { validUntil: desk.later(2 * hour) }]) {
      expect(await desk.refuseGiving('admin', brief.id, body, token)).toBe('capability-exceeded')
      expect(await desk.refuseGiving('member', other.id, body, token)).toBe('capability-exceeded')
    }
    await desk.give('member', other.id, { validUntil: end }, token)
    for (const [operation, input] of [
      [setUserRole, { params: { userId: brief.id }, body: { role: 'admin' } }],
      [setUserRole, { params: { userId: other.id }, body: { role: 'member' } }],
      [inviteUser, { body: { email: 'x@example.com', name: 'X' } }],
      [createRole, { body: { name: 'lasting', permissions: [{ permission: 'file:read' }] } }],
      [registerAgent, { body: { name: 'lasting', capabilities: ['file:read'] } }],
    ] as const)
      expect(await server.api.refuse(operation, { ...input, token })).toMatchObject({ code: 'capability-exceeded' })
    // What is there may be decided about, and stopped.
    expect((await desk.take('member', other.id, token)).status).toBe(200)
    await server.api.call(listUsers, { token })
  })

  test('of two who take it from each other at once, on two instances, one stays', async () => {
    const other = await server.beside()
    const { admin: first, ...there } = await tenant()
    const second = await server.user('admin', there)
    const takes = (by: TestServer, token: string, identityId: IdentityId) =>
      by.api.send(unassignRole, { params: { roleId: 'admin', identityId }, token })
    const both = await Promise.all([takes(server, first.token, second.id), takes(other, second.token, first.id)])
    expect(both.filter(({ status }) => status === 200)).toHaveLength(1)
    await other.close()
  })

  test('who becomes one logs in anew; `PUT …/role` puts one lasting role in place of all', async () => {
    const { admin: first, ...there } = await tenant()
    const { token } = first
    const user = await server.user('member', there)
    const own = await server.api.call(createRole, { body: { name: 'own' }, token })
    await desk.give(own.roleId, user.id, {}, token)
    await desk.give('admin', user.id, {}, token)
    expect(await server.api.refuse(listUsers, { token: user.token })).toMatchObject({ code: 'token-revoked' })
    await desk.give('manager', user.id, { validUntil: desk.later(hour) }, token)
    const { members } = await server.api.call(listMembers, { query: { role: 'manager' }, token })
    expect(members.map(({ roles }) => roles)).toEqual([['admin', 'manager', 'member', own.roleId]])
    const set = await server.api.call(setUserRole, { params: { userId: user.id }, body: { role: 'manager' }, token })
    expect(set.roles).toEqual(['manager'])
    const { roles } = await server.api.call(listIdentityRoles, { params: { identityId: user.id }, token })
    expect(roles).toMatchObject([{ roleId: 'manager', validUntil: null }])
  })

  test('an invitation by who no longer holds what it hands out is good for nothing', async () => {
    const { admin: first, ...there } = await tenant()
    const boss = await server.user('admin', there)
    const body = { email: `late-${tenants}@example.com`, name: 'Late', role: 'manager' as const }
    await server.api.call(inviteUser, { body, token: boss.token })
    const { messages } = await server.api.call(listMessages, { token: first.token })
    const [secret = ''] = /ivt_[\w-]+/.exec(messages[0]?.text ?? '') ?? []
    await desk.give('admin', boss.id, { validUntil: desk.later(60) }, first.token)
    server.clock.advance(61)
    const accept = { body: { token: secret, password: 'seven grey herons by the weir' } }
    expect(await server.api.refuse(acceptInvitation, accept)).toMatchObject({ code: 'invalid-token' })
  })

  test('an operator keeps things running, and decides nothing about rights', async () => {
    const { token } = await server.user('operator')
    const agent = await makeAgent(server, admin)
    await server.api.call(listAgents, { token })
    await server.api.call(suspendAgent, { params: { agentId: agent.id }, body: {}, token })
    await server.api.call(listSigningKeys, { token })
    await server.api.call(rotateSigningKeys, { body: { algorithm: 'RS256' }, token })
    for (const [operation, input] of [
      [listAuditEvents, {}],
      [listPolicies, {}],
      [createPolicy, createPolicy.example],
      [listMessages, {}],
      [registerAgent, { body: { name: 'mine' } }],
      [createRole, { body: { name: 'mine' } }],
    ] as const)
      expect(await server.api.refuse(operation, { ...input, token })).toMatchObject({ code: 'forbidden' })
    expect(await desk.may(token)).toBe(false)
  })

  test('an auditor reads everything, and changes nothing', async () => {
    const { token, id } = await server.user('auditor')
    const agent = await makeAgent(server, admin)
    for (const operation of [listAuditEvents, listPolicies, listAgents, listRoles, listSigningKeys, listUsers])
      expect(await server.api.send(operation, { token })).toMatchObject({ status: 200 })
    for (const [operation, input] of [
      [createPolicy, createPolicy.example],
      [suspendAgent, { params: { agentId: agent.id }, body: {} }],
      [createRole, { body: { name: 'mine' } }],
      [assignRole, { params: { roleId: 'auditor', identityId: id }, body: {} }],
      [listMessages, {}],
    ] as const)
      expect(await server.api.refuse(operation, { ...input, token })).toMatchObject({ code: 'forbidden' })
    expect(await desk.may(token)).toBe(false)
  })

  /** A new token of somebody: the one before may have run out. */
  async function relogin({ id }: TestUser): Promise<string> {
    const [row] = await server.database.ask('select tenant_id from identities where id = $1', [uuidOf(id)])
    return narrowedTo(server, id, ['*:*', 'agent-iam:*'], fromUuid('tenant', String(row?.['tenant_id'])))
  }
})
