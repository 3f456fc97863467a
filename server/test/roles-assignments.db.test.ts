import { listUsers } from '@agent-iam/contract/accounts'
import { listAgents, suspendAgent, registerAgent } from '@agent-iam/contract/agents'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { check } from '@agent-iam/contract/authorization'
import { delegateAgent } from '@agent-iam/contract/delegation'
import type { IdentityId } from '@agent-iam/contract/ids'
import { acceptInvitation, inviteUser } from '@agent-iam/contract/invitations'
import { listMessages } from '@agent-iam/contract/mail'
import { listMembers, setUserRole } from '@agent-iam/contract/members'
import { createPolicy, listPolicies } from '@agent-iam/contract/policies'
import {
  assignRole,
  createRole,
  listIdentityRoles,
  listRoleAssignments,
  listRoles,
  rolesOfIdentityMax,
  unassignRole,
  type RoleKey,
} from '@agent-iam/contract/roles'
import { listSigningKeys, rotateSigningKeys } from '@agent-iam/contract/signing-keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endExpiredRoles } from '../src/features/roles/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { addSeconds } from '../src/platform/clock.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { narrowedTo } from './narrowed.ts'
import { Stored } from './stored.ts'
import { openServer, type TestServer, type TestUser } from './test-server.ts'

const hour = 3600

describe.each(databases)('assignments of roles on %s', (_kind, open) => {
  let server: TestServer
  let admin: string
  let made = 0

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
  })
  afterAll(() => server.close())

  const make = async (permissions: string[], inherits: string[] = []) => {
    const body = { name: `role ${++made}`, permissions: permissions.map((permission) => ({ permission })), inherits }
    return (await server.api.call(createRole, { body, token: admin })).roleId
  }
  const give = (roleId: RoleKey, identityId: IdentityId, body = {}, token = admin) =>
    server.api.call(assignRole, { params: { roleId, identityId }, body, token })
  const refuseGiving = async (roleId: RoleKey, identityId: IdentityId, body = {}, token = admin) =>
    (await server.api.refuse(assignRole, { params: { roleId, identityId }, body, token })).code
  const take = (roleId: RoleKey, identityId: IdentityId, token = admin) =>
    server.api.send(unassignRole, { params: { roleId, identityId }, token })
  const may = async (token: string, resource = 'file/a', by: TestServer = server) =>
    (await by.api.call(check, { body: { resource, action: 'read' }, token })).allowed
  const later = (seconds: number) => addSeconds(server.clock.now(), seconds).toISOString()

  test('users, services and agents get roles, and everybody sees their own', async () => {
    const role = await make(['file:read'])
    const user = await server.user()
    const agent = await makeAgent(server, admin)
    const { accessToken } = await loginAgent(server, agent)
    for (const id of [user.id, agent.id]) await give(role, id)
    expect([await may(user.token), await may(accessToken)]).toEqual([true, true])
    for (const [identityId, token] of [
      [user.id, user.token],
      [agent.id, accessToken],
      [agent.id, admin],
    ] as const) {
      const { roles } = await server.api.call(listIdentityRoles, { params: { identityId }, token })
      expect(roles).toMatchObject([{ roleId: role, builtIn: false, inForce: true, validFrom: null, validUntil: null }])
    }
    const stranger = { params: { identityId: agent.id }, token: user.token }
    expect(await server.api.refuse(listIdentityRoles, stranger)).toMatchObject({ code: 'not-found' })
    const { assignments } = await server.api.call(listRoleAssignments, { params: { roleId: role }, token: admin })
    expect(assignments.map(({ identityId }) => identityId).toSorted()).toEqual([user.id, agent.id].toSorted())
    expect(assignments[0]?.grantedBy).toMatch(/^usr_/)
    const first = await server.api.call(listRoleAssignments, {
      params: { roleId: role },
      query: { limit: 1 },
      token: admin,
    })
    const rest = { params: { roleId: role }, query: { cursor: first.nextCursor ?? '' }, token: admin }
    expect((await server.api.call(listRoleAssignments, rest)).assignments).toHaveLength(1)
  })

  test('what is taken is gone with the next question, on another instance too', async () => {
    const other = await server.beside()
    const role = await make(['file:read'])
    const user = await server.user()
    await give(role, user.id)
    expect(await may(user.token, 'file/a', other)).toBe(true)
    expect((await take(role, user.id)).status).toBe(200)
    expect(await may(user.token, 'file/a', other)).toBe(false)
    expect((await take(role, user.id)).status).toBe(404)
    await other.close()
  })

  test('a role counts from its beginning until the instant of its end, on every instance', async () => {
    const other = await server.beside()
    const role = await make(['file:read'])
    const user = await server.user()
    const assigned = await give(role, user.id, { validFrom: later(hour), validUntil: later(2 * hour) })
    expect(assigned).toMatchObject({ inForce: false })
    const both = async () => [await may(user.token), await may(user.token, 'file/a', other)]
    expect(await both()).toEqual([false, false])
    server.clock.advance(hour + 1)
    const token = (
      await server.api.call(listIdentityRoles, { params: { identityId: user.id }, token: await server.admin() })
    ).roles
    expect(token).toMatchObject([{ inForce: true }])
    admin = await server.admin()
    const again = await relogin(user)
    const bothAgain = async () => [await may(again), await may(again, 'file/a', other)]
    expect(await bothAgain()).toEqual([true, true])
    server.clock.advance(hour)
    admin = await server.admin()
    const last = await relogin(user)
    expect([await may(last), await may(last, 'file/a', other)]).toEqual([false, false])
    await other.close()
  })

  test('a clock that steps back over the edge opens what has not been forgotten, and nothing that has', async () => {
    const other = await server.beside()
    const role = await make(['file:read'])
    const user = await server.user()
    await give(role, user.id, { validUntil: later(60) })
    const both = async () => [await may(user.token), await may(user.token, 'file/a', other)]
    expect(await both()).toEqual([true, true])
    server.clock.advance(61)
    expect(await both()).toEqual([false, false])
    server.clock.advance(-30)
    expect(await both()).toEqual([true, true])
    server.clock.advance(30)
    expect(await both()).toEqual([false, false])
    // Nor does a beginning that lies ahead again.
    const ahead = await make(['db:read'])
    await give(ahead, user.id, { validFrom: later(60) })
    const bothAhead = async () => [await may(user.token, 'db/a'), await may(user.token, 'db/a', other)]
    server.clock.advance(60)
    expect(await bothAhead()).toEqual([true, true])
    server.clock.advance(-30)
    expect(await bothAhead()).toEqual([false, false])
    await forget()
    // Back before the end.
    server.clock.advance(-61)
    expect(await both()).toEqual([false, false])
    server.clock.advance(61)
    await other.close()
  })

  test('what has run out is forgotten with an event, once', async () => {
    const [short, long] = [await make(['file:read']), await make(['file:read'])]
    const user = await server.user()
    await give(short, user.id, { validUntil: later(10) })
    await give(long, user.id, { validUntil: later(hour) })
    await forget()
    server.clock.advance(11)
    await forget()
    await forget()
    const told = (await new Stored(server).dataOf('role.expired')).filter(({ identityId }) => identityId === user.id)
    expect(told).toMatchObject([{ identityId: user.id, roles: [short] }])
    const { roles } = await server.api.call(listIdentityRoles, { params: { identityId: user.id }, token: admin })
    expect(roles.map(({ roleId }) => roleId)).toEqual([long])
  })

  test('given again, a role has the new time', async () => {
    const role = await make(['file:read'])
    const user = await server.user()
    await give(role, user.id, { validUntil: later(10) })
    await give(role, user.id)
    server.clock.advance(11)
    expect(await may(user.token)).toBe(true)
    await give(role, user.id, { validFrom: later(hour) })
    expect(await may(user.token)).toBe(false)
    // What began already begins at once.
    expect(await give(role, user.id, { validFrom: later(-hour) })).toMatchObject({ validFrom: null, inForce: true })
  })

  test.each([
    ['an end that is past', (): object => ({ validUntil: later(-1) })],
    ['an end no later than the beginning', (): object => ({ validFrom: later(hour), validUntil: later(hour) })],
    ['no instant', (): object => ({ validUntil: 'tomorrow' })],
    ['a year that is none', (): object => ({ validUntil: '0000-01-01T00:00:00Z' })],
  ])('%s is refused', async (_name, body) => {
    expect(await refuseGiving(await make([]), (await server.user()).id, body())).toBe('invalid-request')
  })

  test('an identity has so many roles, and who has ended gets none', async () => {
    const user = await server.user()
    for (let n = 0; n < rolesOfIdentityMax; n++) await give(await make([]), user.id)
    expect(await refuseGiving(await make([]), user.id)).toBe('quota-spent')
    const agent = await makeAgent(server, admin)
    await server.database.ask(`update identities set status = 'revoked' where name = $1`, [agent.name])
    expect(await refuseGiving('member', agent.id)).toBe('wrong-state')
  })

  test('a child agent’s role reaches no further than its parent does', async () => {
    const role = await make(['file:read', 'db:read'])
    const parent = await makeAgent(server, admin, ['agent-iam/agents*:delegate', 'file:read'])
    const { accessToken } = await loginAgent(server, parent)
    const child = await server.api.call(delegateAgent, { body: { name: `child ${++made}` }, token: accessToken })
    await give(role, child.agentId)
    const ask = async (resource: string) =>
      server.api.call(check, { body: { resource, action: 'read' }, token: child.token.accessToken })
    expect(await ask('file/a')).toMatchObject({ allowed: true })
    expect(await ask('db/a')).toMatchObject({ allowed: false, deniedBy: { identityId: parent.id, hop: 1 } })
    // A role of the parent is lent like a grant.
    await give(role, parent.id)
    expect(await ask('db/a')).toMatchObject({ allowed: true })
    await take(role, parent.id)
    expect(await ask('db/a')).toMatchObject({ allowed: false })
  })

  test('a narrowed session reaches of a role what lies within its scope, and gives no more', async () => {
    const role = await make(['file:read', 'db:read'])
    const user = await server.user()
    await give(role, user.id)
    const narrow = await narrowedTo(server, user.id, ['file/docs/*:read', 'agent-iam/roles*:*'])
    expect([await may(narrow, 'file/docs/a'), await may(narrow, 'file/a'), await may(narrow, 'db/a')]).toEqual([
      true,
      false,
      false,
    ])
    const boss = await server.user('admin')
    const bossNarrow = await narrowedTo(server, boss.id, ['file:read', 'agent-iam/roles*:*', 'agent-iam/identities*:*'])
    expect(await refuseGiving(role, user.id, {}, bossNarrow)).toBe('capability-exceeded')
    await give(await make(['file/a:read']), (await makeAgent(server, admin)).id, {}, bossNarrow)
  })

  test('an API key reaches what its holder’s role gives, and nothing once it is taken', async () => {
    const role = await make(['file:read', 'agent-iam/api-keys*:*'])
    const user = await server.user()
    await give(role, user.id)
    const scopes = ['file/docs/*:read']
    const { key } = await server.api.call(createApiKey, { body: { name: 'a key', scopes }, token: user.token })
    expect([await may(key, 'file/docs/a'), await may(key, 'file/a')]).toEqual([true, false])
    await take(role, user.id)
    expect(await may(key, 'file/docs/a')).toBe(false)
  })

  describe('administrators', () => {
    let tenants = 0
    const tenant = () => server.tenant(`admins-${++tenants}`)

    test('the last whose role has no end keeps it: nobody takes it, and nobody ends it', async () => {
      const { admin: first, ...there } = await tenant()
      const { token } = first
      const second = await server.user('viewer', there)
      await give('admin', second.id, { validUntil: later(hour) }, token)
      expect((await take('admin', first.id, token)).status).toBe(409)
      for (const body of [{ validUntil: later(hour) }, { validFrom: later(hour) }])
        expect(await refuseGiving('admin', first.id, body, token)).toBe('wrong-state')
      const demoted = { params: { userId: first.id }, body: { role: 'viewer' }, token }
      expect(await server.api.refuse(setUserRole, demoted)).toMatchObject({ code: 'wrong-state' })
      await give('admin', second.id, {}, token)
      expect((await take('admin', first.id, token)).status).toBe(200)
    })

    test('who is one for a time hands on nothing for longer', async () => {
      const { admin: first, ...there } = await tenant()
      const [brief, other] = [await server.user(undefined, there), await server.user(undefined, there)]
      const end = later(hour)
      await give('admin', brief.id, { validUntil: end }, first.token)
      const token = await relogin(brief)
      for (const body of [{}, { validUntil: later(2 * hour) }]) {
        expect(await refuseGiving('admin', brief.id, body, token)).toBe('capability-exceeded')
        expect(await refuseGiving('member', other.id, body, token)).toBe('capability-exceeded')
      }
      await give('member', other.id, { validUntil: end }, token)
      for (const [operation, input] of [
        [setUserRole, { params: { userId: brief.id }, body: { role: 'admin' } }],
        [setUserRole, { params: { userId: other.id }, body: { role: 'member' } }],
        [inviteUser, { body: { email: 'x@example.com', name: 'X' } }],
        [createRole, { body: { name: 'lasting', permissions: [{ permission: 'file:read' }] } }],
        [registerAgent, { body: { name: 'lasting', capabilities: ['file:read'] } }],
      ] as const)
        expect(await server.api.refuse(operation, { ...input, token })).toMatchObject({ code: 'capability-exceeded' })
      // What is there may be decided about, and stopped.
      expect((await take('member', other.id, token)).status).toBe(200)
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
      await give(own.roleId, user.id, {}, token)
      await give('admin', user.id, {}, token)
      expect(await server.api.refuse(listUsers, { token: user.token })).toMatchObject({ code: 'token-revoked' })
      await give('manager', user.id, { validUntil: later(hour) }, token)
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
      await give('admin', boss.id, { validUntil: later(60) }, first.token)
      server.clock.advance(61)
      const accept = { body: { token: secret, password: 'seven grey herons by the weir' } }
      expect(await server.api.refuse(acceptInvitation, accept)).toMatchObject({ code: 'invalid-token' })
    })
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
    expect(await may(token)).toBe(false)
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
    expect(await may(token)).toBe(false)
  })

  /** A new token of somebody: the one before may have run out. */
  async function relogin({ id }: TestUser): Promise<string> {
    const [row] = await server.database.ask('select tenant_id from identities where id = $1', [uuid(id)])
    return narrowedTo(server, id, ['*:*', 'agent-iam:*'], `ten_${String(row?.['tenant_id']).replaceAll('-', '')}`)
  }

  /** What the expiry job does. */
  async function forget(): Promise<void> {
    await inTransaction(server.inTenant(server.app.defaultTenantId), (tx) => endExpiredRoles(tx, 100))
  }
})

function uuid(id: string): string {
  return id.slice(4).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
