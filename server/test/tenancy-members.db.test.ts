import { listUsers, suspendUser } from '@agent-iam/contract/accounts'
import { listAgents, registerAgent } from '@agent-iam/contract/agents'
import { inviteUser, listInvitations } from '@agent-iam/contract/invitations'
import { getDashboardStats, listMembers, setUserRole } from '@agent-iam/contract/members'
import { createPolicy } from '@agent-iam/contract/policies'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { grant } from '../src/features/capabilities/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer, type TestUser } from './test-server.ts'

describe.each(databases)('members on %s', (_name, open) => {
  let server: TestServer
  let tenants = 0

  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  const tenant = () => server.tenant(`members-${++tenants}`)
  const setRole = (by: TestUser, of: TestUser, role: string) =>
    server.api.send(setUserRole, { params: { userId: of.id }, body: { role }, token: by.token })

  test('a role takes the place of those held, and is in force at once on every instance', async () => {
    const { admin, ...there } = await tenant()
    const manager = await server.user('manager', there)
    const other = await server.beside()
    await other.api.call(registerAgent, { body: { name: 'mine' }, token: manager.token })
    expect(JSON.parse((await setRole(admin, manager, 'viewer')).text)).toMatchObject({ roles: ['viewer'] })
    const late = { body: { name: 'late' }, token: manager.token }
    expect(await other.api.refuse(registerAgent, late)).toMatchObject({ code: 'forbidden' })
    await other.api.call(listAgents, { token: manager.token })
    await setRole(admin, manager, 'manager')
    await other.api.call(registerAgent, late)
    await other.close()
  })

  test('members are listed by role, and who has none is no member', async () => {
    const { admin, ...there } = await tenant()
    const viewer = await server.user('viewer', there)
    const nobody = await server.user(undefined, there)
    const { token } = admin
    const ids = async (query = {}) => {
      const { members } = await server.api.call(listMembers, { query, token })
      return members.map(({ userId }) => userId)
    }
    expect(await ids()).toEqual([admin.id, viewer.id])
    expect(await ids({ role: 'viewer' })).toEqual([viewer.id])
    expect(await ids({ role: 'manager' })).toEqual([])
    const { users } = await server.api.call(listUsers, { token })
    expect(users.map(({ userId }) => userId)).toContain(nobody.id)
    const first = await server.api.call(listMembers, { query: { limit: 1 }, token })
    const second = await server.api.call(listMembers, { query: { limit: 1, cursor: first.nextCursor ?? '' }, token })
    expect([...first.members, ...second.members].map(({ userId }) => userId)).toEqual([admin.id, viewer.id])
  })

  test('nobody gives or takes more than they hold', async () => {
    const { admin, ...there } = await tenant()
    const [manager, member] = [await server.user('manager', there), await server.user('member', there)]
    for (const [by, of, role] of [
      [manager, member, 'admin'],
      [manager, admin, 'viewer'],
      [member, member, 'manager'],
    ] as const) {
      const { status } = await setRole(by, of, role)
      // A member does not even see the members.
      expect([role, status]).toEqual([role, by === member ? 404 : 403])
    }
    // May set roles, but holds no more than a manager.
    const entries = ['agent-iam/users*:set-role']
    await inTransaction(server.inTenant(there.id), (tx) => grant(tx, manager.id, entries))
    for (const [of, role] of [
      [member, 'admin'],
      [admin, 'viewer'],
    ] as const) {
      const refused = await setRole(manager, of, role)
      expect(refused).toMatchObject({ status: 403, text: expect.stringContaining('capability-exceeded') })
    }
    const { members } = await server.api.call(listMembers, { token: admin.token })
    expect(members.map(({ roles }) => roles)).toEqual([['admin'], ['manager'], ['member']])
  })

  test('the last active administrator stays one', async () => {
    const { admin, ...there } = await tenant()
    const refused = await setRole(admin, admin, 'viewer')
    expect(refused).toMatchObject({ status: 409, text: expect.stringContaining('last active administrator') })
    const second = await server.user('admin', there)
    expect((await setRole(second, admin, 'viewer')).status).toBe(200)
    expect((await setRole(second, second, 'member')).status).toBe(409)
  })

  test('of two administrators who demote or suspend each other at once, one stays', async () => {
    for (const how of ['demote', 'mixed']) {
      const { admin, ...there } = await tenant()
      const second = await server.user('admin', there)
      const suspend = () =>
        server.api.send(suspendUser, { params: { userId: second.id }, body: {}, token: admin.token })
      const both = await Promise.all([
        setRole(second, admin, 'viewer'),
        how === 'mixed' ? suspend() : setRole(admin, second, 'viewer'),
      ])
      expect(both.filter(({ status }) => status === 200)).toHaveLength(1)
    }
  })

  test('who becomes an administrator logs in anew; who was one keeps no invitation that they sent', async () => {
    const { admin, ...there } = await tenant()
    const user = await server.user('member', there)
    await setRole(admin, user, 'admin')
    expect(await server.api.refuse(listUsers, { token: user.token })).toMatchObject({ code: 'token-revoked' })
    const second = await server.user('admin', there)
    const body = { email: 'late@example.com', name: 'Late', role: 'admin' as const }
    await server.api.call(inviteUser, { body, token: second.token })
    await setRole(admin, second, 'viewer')
    const { invitations } = await server.api.call(listInvitations, { token: admin.token })
    expect(invitations).toMatchObject([{ status: 'revoked' }])
  })

  test('another tenant’s user is not found', async () => {
    const [one, other] = [await tenant(), await tenant()]
    expect((await setRole(one.admin, other.admin, 'viewer')).status).toBe(404)
  })

  test('the dashboard counts what the tenant holds, and nothing of another', async () => {
    const { admin, ...there } = await tenant()
    const { token } = admin
    await server.user('viewer', there)
    await server.api.call(registerAgent, { body: { name: 'one' }, token })
    await server.api.call(createPolicy, { ...createPolicy.example, token })
    await server.api.call(inviteUser, { body: { email: 'x@example.com', name: 'X' }, token })
    expect(await server.api.call(getDashboardStats, { token })).toMatchObject({
      agents: { active: 1, pending: 0, suspended: 0, revoked: 0, deleted: 0 },
      users: { active: 2 },
      services: { active: 0 },
      liveSessions: 2,
      policies: 1,
      pendingRegistrations: 0,
      pendingInvitations: 1,
    })
  })
})
