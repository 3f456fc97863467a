import { createApiKey } from '@agent-iam/contract/api-keys'
import { check } from '@agent-iam/contract/authorization'
import { delegateAgent } from '@agent-iam/contract/delegation'
import { listIdentityRoles, listRoleAssignments, rolesOfIdentityMax } from '@agent-iam/contract/roles'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endExpiredRoles } from '../src/features/roles/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { fromUuid } from '../src/platform/ids.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { narrowedTo } from './narrowed.ts'
import { Stored } from './stored.ts'
import { hour, RoleDesk } from './roles.ts'
import { openServer, uuidOf, type TestServer, type TestUser } from './test-server.ts'

describe.each(databases)('assignments of roles on %s', (_kind, open) => {
  let server: TestServer
  let admin: string
  let desk: RoleDesk

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
    desk = new RoleDesk(server, () => admin)
  })
  afterAll(() => server.close())

  test('users, services and agents get roles, and everybody sees their own', async () => {
    const role = await desk.makeKey(['file:read'])
    const user = await server.user()
    const agent = await makeAgent(server, admin)
    const { accessToken } = await loginAgent(server, agent)
    for (const id of [user.id, agent.id]) await desk.give(role, id)
    expect([await desk.may(user.token), await desk.may(accessToken)]).toEqual([true, true])
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
    const role = await desk.makeKey(['file:read'])
    const user = await server.user()
    await desk.give(role, user.id)
    expect(await desk.may(user.token, 'file/a', other)).toBe(true)
    expect((await desk.take(role, user.id)).status).toBe(200)
    expect(await desk.may(user.token, 'file/a', other)).toBe(false)
    expect((await desk.take(role, user.id)).status).toBe(404)
    await other.close()
  })

  test('a role counts from its beginning until the instant of its end, on every instance', async () => {
    const other = await server.beside()
    const role = await desk.makeKey(['file:read'])
    const user = await server.user()
    const assigned = await desk.give(role, user.id, { validFrom: desk.later(hour), validUntil: desk.later(2 * hour) })
    expect(assigned).toMatchObject({ inForce: false })
    const both = async () => [await desk.may(user.token), await desk.may(user.token, 'file/a', other)]
    expect(await both()).toEqual([false, false])
    server.clock.advance(hour + 1)
    const token = (
      await server.api.call(listIdentityRoles, { params: { identityId: user.id }, token: await server.admin() })
    ).roles
    expect(token).toMatchObject([{ inForce: true }])
    admin = await server.admin()
    const again = await relogin(user)
    const bothAgain = async () => [await desk.may(again), await desk.may(again, 'file/a', other)]
    expect(await bothAgain()).toEqual([true, true])
    server.clock.advance(hour)
    admin = await server.admin()
    const last = await relogin(user)
    expect([await desk.may(last), await desk.may(last, 'file/a', other)]).toEqual([false, false])
    await other.close()
  })

  test('a clock that steps back over the edge opens what has not been forgotten, and nothing that has', async () => {
    const other = await server.beside()
    const role = await desk.makeKey(['file:read'])
    const user = await server.user()
    await desk.give(role, user.id, { validUntil: desk.later(60) })
    const both = async () => [await desk.may(user.token), await desk.may(user.token, 'file/a', other)]
    expect(await both()).toEqual([true, true])
    server.clock.advance(61)
    expect(await both()).toEqual([false, false])
    server.clock.advance(-30)
    expect(await both()).toEqual([true, true])
    server.clock.advance(30)
    expect(await both()).toEqual([false, false])
    // Nor does a beginning that lies ahead again.
    const ahead = await desk.makeKey(['db:read'])
    await desk.give(ahead, user.id, { validFrom: desk.later(60) })
    const bothAhead = async () => [await desk.may(user.token, 'db/a'), await desk.may(user.token, 'db/a', other)]
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
    const [short, long] = [await desk.makeKey(['file:read']), await desk.makeKey(['file:read'])]
    const user = await server.user()
    await desk.give(short, user.id, { validUntil: desk.later(10) })
    await desk.give(long, user.id, { validUntil: desk.later(hour) })
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
    const role = await desk.makeKey(['file:read'])
    const user = await server.user()
    await desk.give(role, user.id, { validUntil: desk.later(10) })
    await desk.give(role, user.id)
    server.clock.advance(11)
    expect(await desk.may(user.token)).toBe(true)
    await desk.give(role, user.id, { validFrom: desk.later(hour) })
    expect(await desk.may(user.token)).toBe(false)
    // What began already begins at once.
    expect(await desk.give(role, user.id, { validFrom: desk.later(-hour) })).toMatchObject({
      validFrom: null,
      inForce: true,
    })
  })

  test.each([
    ['an end that is past', (): object => ({ validUntil: desk.later(-1) })],
    [
      'an end no later than the beginning',
      (): object => {
        // Read once: the next millisecond would be a later end.
        const at = desk.later(hour)
        return { validFrom: at, validUntil: at }
      },
    ],
    ['no instant', (): object => ({ validUntil: 'tomorrow' })],
    ['a year that is none', (): object => ({ validUntil: '0000-01-01T00:00:00Z' })],
  ])('%s is refused', async (_name, body) => {
    expect(await desk.refuseGiving(await desk.makeKey([]), (await server.user()).id, body())).toBe('invalid-request')
  })

  test('an identity has so many roles, and who has ended gets none', async () => {
    const user = await server.user()
    for (let n = 0; n < rolesOfIdentityMax; n++) await desk.give(await desk.makeKey([]), user.id)
    expect(await desk.refuseGiving(await desk.makeKey([]), user.id)).toBe('quota-spent')
    const agent = await makeAgent(server, admin)
    await server.database.ask(`update identities set status = 'revoked' where name = $1`, [agent.name])
    expect(await desk.refuseGiving('member', agent.id)).toBe('wrong-state')
  })

  test('a child agent’s role reaches no further than its parent does', async () => {
    const role = await desk.makeKey(['file:read', 'db:read'])
    const parent = await makeAgent(server, admin, ['agent-iam/agents*:delegate', 'file:read'])
    const { accessToken } = await loginAgent(server, parent)
    const child = await server.api.call(delegateAgent, {
      body: { name: 'child of who has a role' },
      token: accessToken,
    })
    await desk.give(role, child.agentId)
    const ask = async (resource: string) =>
      server.api.call(check, { body: { resource, action: 'read' }, token: child.token.accessToken })
    expect(await ask('file/a')).toMatchObject({ allowed: true })
    expect(await ask('db/a')).toMatchObject({ allowed: false, deniedBy: { identityId: parent.id, hop: 1 } })
    // A role of the parent is lent like a grant.
    await desk.give(role, parent.id)
    expect(await ask('db/a')).toMatchObject({ allowed: true })
    await desk.take(role, parent.id)
    expect(await ask('db/a')).toMatchObject({ allowed: false })
  })

  test('a narrowed session reaches of a role what lies within its scope, and gives no more', async () => {
    const role = await desk.makeKey(['file:read', 'db:read'])
    const user = await server.user()
    await desk.give(role, user.id)
    const narrow = await narrowedTo(server, user.id, ['file/docs/*:read', 'agent-iam/roles*:*'])
    expect([
      await desk.may(narrow, 'file/docs/a'),
      await desk.may(narrow, 'file/a'),
      await desk.may(narrow, 'db/a'),
    ]).toEqual([true, false, false])
    const boss = await server.user('admin')
    const bossNarrow = await narrowedTo(server, boss.id, ['file:read', 'agent-iam/roles*:*', 'agent-iam/identities*:*'])
    expect(await desk.refuseGiving(role, user.id, {}, bossNarrow)).toBe('capability-exceeded')
    await desk.give(await desk.makeKey(['file/a:read']), (await makeAgent(server, admin)).id, {}, bossNarrow)
  })

  test('an API key reaches what its holder’s role gives, and nothing once it is taken', async () => {
    const role = await desk.makeKey(['file:read', 'agent-iam/api-keys*:*'])
    const user = await server.user()
    await desk.give(role, user.id)
    const scopes = ['file/docs/*:read']
    const { key } = await server.api.call(createApiKey, { body: { name: 'a key', scopes }, token: user.token })
    expect([await desk.may(key, 'file/docs/a'), await desk.may(key, 'file/a')]).toEqual([true, false])
    await desk.take(role, user.id)
    expect(await desk.may(key, 'file/docs/a')).toBe(false)
  })

  /** A new token of somebody: the one before may have run out. */
  async function relogin({ id }: TestUser): Promise<string> {
    const [row] = await server.database.ask('select tenant_id from identities where id = $1', [uuidOf(id)])
    return narrowedTo(server, id, ['*:*', 'agent-iam:*'], fromUuid('tenant', String(row?.['tenant_id'])))
  }

  /** What the expiry job does. */
  async function forget(): Promise<void> {
    await inTransaction(server.inTenant(server.app.defaultTenantId), (tx) => endExpiredRoles(tx, 100))
  }
})
