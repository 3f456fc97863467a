import { listAuditEvents } from '@agent-iam/contract/audit'
import { check } from '@agent-iam/contract/authorization'
import { listAgents } from '@agent-iam/contract/agents'
import {
  createRole,
  deleteRole,
  getRole,
  listRoles,
  replaceRole,
  updateRole,
  assignRole,
  listIdentityRoles,
  listRoleAssignments,
  unassignRole,
} from '@agent-iam/contract/roles'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { RoleDesk } from './roles.ts'
import { openServer, type TestServer, type TestUser } from './test-server.ts'

describe.each(databases)('roles on %s', (_kind, open) => {
  let server: TestServer
  let admin: string
  let desk: RoleDesk

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
    desk = new RoleDesk(server, () => admin)
  })
  afterAll(() => server.close())

  const ask = async (token: string, resource = 'file/a', action = 'read') =>
    server.api.call(check, { body: { resource, action }, token })
  /** Somebody who may do with roles what there is to do, and holds little else. */
  const keeper = async (...entries: string[]): Promise<TestUser> => {
    const user = await server.user()
    await desk.give((await desk.make(['agent-iam/roles*:*', ...entries])).roleId, user.id)
    return user
  }

  test('a role gives what it permits, and what it inherits over several steps', async () => {
    const base = await desk.make(['file/deep:read'])
    const middle = await desk.make(['file/middle:read'], [base.roleId])
    const top = await desk.make([], [middle.name, 'member'])
    const user = await server.user()
    expect(await ask(user.token, 'file/deep')).toMatchObject({ allowed: false })
    await desk.give(top.roleId, user.id)
    for (const resource of ['file/deep', 'file/middle'])
      expect(await ask(user.token, resource)).toMatchObject({
        allowed: true,
        reasons: [{ policyId: 'system:capability' }],
      })
    expect(await ask(user.token, 'file/other')).toMatchObject({ allowed: false })
    await server.api.call(listAgents, { token: user.token })
    const { inherits, inheritedPermissions } = await server.api.call(getRole, {
      params: { roleId: top.roleId },
      token: admin,
    })
    expect(inherits).toEqual([middle.roleId, 'member'])
    expect(inheritedPermissions).toEqual([
      { permission: 'file/middle:read', from: middle.roleId },
      { permission: 'agent-iam/agents*:read', from: 'member' },
      { permission: 'agent-iam/policies*:read', from: 'member' },
      { permission: 'file/deep:read', from: base.roleId },
    ])
  })

  test('what is changed of a role is in force at once, on another instance too', async () => {
    const other = await server.beside()
    const role = await desk.make(['file/docs/*:read'])
    const user = await server.user()
    await desk.give(role.roleId, user.id)
    const askThere = async (resource: string) =>
      (await other.api.call(check, { body: { resource, action: 'read' }, token: user.token })).allowed
    expect(await askThere('file/docs/a')).toBe(true)
    const params = { roleId: role.roleId }
    await server.api.call(updateRole, { params, body: { permissions: [{ permission: 'db:read' }] }, token: admin })
    expect([await askThere('file/docs/a'), await askThere('db/a')]).toEqual([false, true])
    await server.api.call(deleteRole, { params, query: { force: 'true' }, token: admin })
    expect(await askThere('db/a')).toBe(false)
    await other.close()
  })

  test('conditions of a permission are looked at, by whoever has the role', async () => {
    const conditions = { addresses: ['10.0.0.0/8'] }
    const body = { name: desk.newName(), permissions: [{ permission: 'file:read', conditions }] }
    const { roleId } = await server.api.call(createRole, { body, token: admin })
    const user = await server.user()
    await desk.give(roleId, user.id)
    const from = async (address: string) => {
      const input = { body: { resource: 'file/a', action: 'read' }, token: user.token, from: address }
      return (await server.api.call(check, input)).allowed
    }
    expect([await from('10.1.2.3'), await from('192.0.2.1')]).toEqual([true, false])
  })

  test('built-in roles stand first in the list, page by page, and stay as they are', async () => {
    for (let n = 0; n < 5; n++) await desk.make()
    const names: string[] = []
    let cursor: string | undefined
    do {
      const query = { limit: 4, ...(cursor !== undefined && { cursor }) }
      const page = await server.api.call(listRoles, { query, token: admin })
      names.push(...page.roles.map(({ name, builtIn }) => `${name}${builtIn ? '!' : ''}`))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(names.slice(0, 6)).toEqual(['admin!', 'manager!', 'member!', 'viewer!', 'operator!', 'auditor!'])
    const own = names.slice(6)
    expect(own.length).toBeGreaterThan(4)
    expect(own).toEqual([...new Set(own)])
    const params = { roleId: 'viewer' } as const
    for (const refused of [
      await server.api.refuse(updateRole, { params, body: { description: 'mine' }, token: admin }),
      await server.api.refuse(deleteRole, { params, query: { force: 'true' }, token: admin }),
    ])
      expect(refused.code).toBe('wrong-state')
  })

  test.each(['admin', 'Viewer', 'аuditor', 'OPERATOR', 'rnember'])('of the name %s', async (name) => {
    expect((await server.api.refuse(createRole, { body: { name }, token: admin })).status).toBe(409)
  })

  test('a name that looks like another’s is taken, also by a change', async () => {
    const one = await desk.make()
    const other = await desk.make()
    const name = one.name.replace('o', 'о')
    expect(await server.api.refuse(createRole, { body: { name }, token: admin })).toMatchObject({
      code: 'already-exists',
    })
    const change = { params: { roleId: other.roleId }, body: { name }, token: admin }
    expect(await server.api.refuse(updateRole, change)).toMatchObject({ code: 'already-exists' })
  })

  test('PUT replaces the whole, PATCH what is given, and neither what was changed meanwhile', async () => {
    const role = await desk.make(['file:read', 'file:write'], ['member'])
    const params = { roleId: role.roleId }
    const patched = await server.api.call(updateRole, { params, body: { description: 'files' }, token: admin })
    expect(patched).toMatchObject({ description: 'files', inherits: ['member'], revision: 2 })
    expect(patched.permissions).toHaveLength(2)
    const late = { params, body: { name: role.name }, token: admin, headers: { 'if-match': '"1"' } }
    expect(await server.api.refuse(replaceRole, late)).toMatchObject({ code: 'precondition-failed' })
    const replaced = await server.api.call(replaceRole, { ...late, headers: { 'if-match': '"2"' } })
    expect(replaced).toMatchObject({ description: '', permissions: [], inherits: [], revision: 3 })
  })

  test('nobody makes, changes, gives or takes a role that does more than they do', async () => {
    const mallory = await keeper('file/docs/*:read')
    const { token } = mallory
    const excess = async (operation: Parameters<TestServer['api']['refuse']>[0], input: object) =>
      expect(await server.api.refuse(operation, { ...input, token })).toMatchObject({ code: 'capability-exceeded' })
    const permissions = [{ permission: 'file:read' }]
    await excess(createRole, { body: { name: 'more', permissions } })
    await excess(createRole, { body: { name: 'more', inherits: ['viewer'] } })
    const own = await desk.make(['file/docs/a:read'], [], token)
    const { roles } = await server.api.call(listIdentityRoles, { params: { identityId: mallory.id }, token })
    // The classic: the role that one has oneself.
    const params = { roleId: roles[0]?.roleId ?? 'admin' }
    await excess(updateRole, { params, body: { permissions: [{ permission: 'agent-iam:read' }] } })
    await excess(updateRole, { params: { roleId: own.roleId }, body: { inherits: ['admin'] } })
    const strong = await desk.make(['db:read'])
    await excess(updateRole, { params: { roleId: own.roleId }, body: { inherits: [strong.roleId] } })
    await excess(updateRole, { params: { roleId: strong.roleId }, body: { permissions: [] } })
    await excess(deleteRole, { params: { roleId: strong.roleId } })
    await excess(assignRole, { params: { roleId: strong.roleId, identityId: mallory.id }, body: {} })
    await excess(assignRole, { params: { roleId: 'admin', identityId: mallory.id }, body: {} })
    const victim = await server.user()
    await desk.give(strong.roleId, victim.id)
    await excess(unassignRole, { params: { roleId: strong.roleId, identityId: victim.id } })
    await desk.give(own.roleId, (await server.user()).id, {}, token)
    // Who holds more is not theirs to decide about.
    await excess(assignRole, { params: { roleId: own.roleId, identityId: victim.id }, body: {} })
  })

  test('what is held under conditions only is not granted on', async () => {
    const body = {
      name: desk.newName(),
      permissions: [{ permission: 'db:read', conditions: { resourcePrefix: 'a' } }],
    }
    const bounded = await server.api.call(createRole, { body, token: admin })
    const { id, token } = await keeper()
    await desk.give(bounded.roleId, id)
    expect(await ask(token, 'db/a')).toMatchObject({ allowed: true })
    for (const permissions of [[{ permission: 'db/a:read' }], body.permissions]) {
      const wanted = { body: { name: desk.newName(), permissions }, token }
      expect(await server.api.refuse(createRole, wanted)).toMatchObject({ code: 'capability-exceeded' })
    }
    const free = { params: { roleId: bounded.roleId }, body: { permissions: [{ permission: 'db:read' }] }, token }
    expect(await server.api.refuse(updateRole, free)).toMatchObject({ code: 'capability-exceeded' })
  })

  test('all of the platform is for the built-in administrator alone', async () => {
    for (const body of [
      { name: 'root', inherits: ['admin'] },
      { name: 'root', permissions: [{ permission: 'agent-iam:*' }] },
      { name: 'root', permissions: [{ permission: 'agent-iam/*:*' }] },
    ])
      expect(await server.api.refuse(createRole, { body, token: admin })).toMatchObject({ code: 'capability-exceeded' })
  })

  test.each([
    ['a label', { permissions: [{ permission: 'reads files' }] }, 400, 'permissions.0.permission'],
    ['a quota', { permissions: [{ permission: 'a:b', conditions: { quota: { perDay: 1 } } }] }, 400, 'quota'],
    ['a name like an id', { name: `rol_${'0'.repeat(32)}` }, 400, 'name'],
    [
      '101 permissions',
      { permissions: Array.from({ length: 101 }, (_, n) => ({ permission: `a/${n}:b` })) },
      400,
      'permissions',
    ],
    ['an unknown role', { inherits: ['nobody knows'] }, 404, 'nobody knows'],
    ['an unknown id', { inherits: [`rol_${'0'.repeat(32)}`] }, 404, 'rol_'],
  ])('%s in a role is refused', async (_name, wrong, status, told) => {
    const { text, ...answer } = await server.api.send(createRole, { body: { name: 'bad', ...wrong }, token: admin })
    expect([answer.status, text]).toEqual([status, expect.stringContaining(told)])
  })

  test('a role that is had or inherited is deleted by force only, and then everywhere', async () => {
    const role = await desk.make(['file:read'])
    const heir = await desk.make([], [role.roleId])
    const user = await server.user()
    await desk.give(role.roleId, user.id)
    const input = { params: { roleId: role.roleId }, token: admin }
    const { code, detail } = await server.api.refuse(deleteRole, input)
    expect([code, detail]).toEqual([
      'wrong-state',
      expect.stringMatching(`1 have it \\(${user.id}\\); ${heir.roleId} inherit`),
    ])
    const deleted = await server.api.call(deleteRole, { ...input, query: { force: 'true' } })
    expect(deleted).toEqual({ roleId: role.roleId, revision: 1, takenFrom: 1, takenOutOf: [heir.roleId] })
    expect(await ask(user.token)).toMatchObject({ allowed: false })
    expect(await server.api.call(getRole, { params: { roleId: heir.roleId }, token: admin })).toMatchObject({
      inherits: [],
      revision: 2,
    })
    const { events } = await server.api.call(listAuditEvents, { query: { limit: 5 }, token: admin })
    expect(events.filter(({ type }) => type.startsWith('role.')).map(({ type }) => type)).toContain('role.deleted')
    expect(await server.api.refuse(getRole, input)).toMatchObject({ code: 'not-found' })
  })

  test('another tenant’s role is not found, and is inherited by nobody', async () => {
    const role = await desk.make(['file:read'])
    const { admin: foreign } = await server.tenant('foreign-roles')
    const { token } = foreign
    const inherit = { body: { name: 'thief', inherits: [role.roleId] }, token }
    expect(await server.api.refuse(createRole, inherit)).toMatchObject({ code: 'not-found' })
    const params = { roleId: role.roleId, identityId: foreign.id }
    expect(await server.api.refuse(assignRole, { params, body: {}, token })).toMatchObject({ code: 'not-found' })
    const user = await server.user()
    const theirs = { params: { roleId: 'member', identityId: user.id }, body: {}, token }
    expect(await server.api.refuse(assignRole, theirs)).toMatchObject({ code: 'not-found' })
    // Even were it written down, it would give nothing.
    await desk.give('member', foreign.id, {}, token)
    await server.database.ask(`update role_assignments set role = $1 where role = 'member' and identity_id = $2`, [
      role.roleId,
      `${foreign.id.slice(4, 12)}-${foreign.id.slice(12, 16)}-${foreign.id.slice(16, 20)}-${foreign.id.slice(20, 24)}-${foreign.id.slice(24)}`,
    ])
    const { token: nobody } = await server.user(undefined, { id: foreign.tenantId, slug: foreign.tenant })
    expect(await ask(nobody)).toMatchObject({ allowed: false })
  })

  test('a policy may name a role of the tenant’s own', async () => {
    const role = await desk.make(['file:read'])
    const agent = await makeAgent(server, admin)
    await desk.give(role.roleId, agent.id)
    const { accessToken } = await loginAgent(server, agent)
    expect(await ask(accessToken)).toMatchObject({ allowed: true })
    const { assignments } = await server.api.call(listRoleAssignments, {
      params: { roleId: role.roleId },
      token: admin,
    })
    expect(assignments).toMatchObject([{ identityId: agent.id, inForce: true, validUntil: null }])
  })
})
