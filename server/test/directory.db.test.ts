import { getAgent, listAgents, registerAgent, suspendAgent } from '@agent-iam/contract/agents'
import { bulkIdentities, createIdentity, getIdentity, listIdentities } from '@agent-iam/contract/identities'
import type { Json } from '@agent-iam/contract/json'
import { createService } from '@agent-iam/contract/services'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { openServer, uuidOf, type TestServer, type TestUser } from './test-server.ts'

describe.each(databases)('the directory on %s', (_name, open) => {
  let server: TestServer
  let token: string
  let owner: TestUser

  const inDays = (days: number) => new Date(server.clock.now().getTime() + days * 86_400_000).toISOString()

  beforeAll(async () => {
    server = await openServer(await open())
    token = await server.admin()
    owner = await server.user('manager')
    const register = (name: string, rest: object = {}) =>
      server.api.call(registerAgent, { body: { name, ...rest }, token: owner.token })
    await register('sorted b', { tags: ['blue', 'red'], expiresAt: inDays(3) })
    await register('sorted a', { tags: ['red'], expiresAt: inDays(9) })
    const { agentId } = await register('sorted c 100%', { type: 'analytics' })
    await register('sorted d', { expiresAt: inDays(1) })
    await server.api.call(suspendAgent, { params: { agentId }, token })
    await server.api.call(createService, { body: { name: 'sorted service' }, token })
  })
  afterAll(() => server.close())

  /** The names of all pages, of two rows each. */
  const walk = async (query: object): Promise<string[]> => {
    const names: string[] = []
    let cursor: string | undefined
    do {
      const page = await server.api.call(listAgents, {
        query: { owner: owner.id, limit: 2, ...query, ...(cursor && { cursor }) },
        token,
      })
      names.push(...page.agents.map(({ name }) => name))
      cursor = page.nextCursor ?? undefined
    } while (cursor)
    return names
  }

  test.each([
    ['name', ['a', 'b', 'c 100%', 'd']],
    ['-name', ['d', 'c 100%', 'b', 'a']],
    ['createdAt', ['b', 'a', 'c 100%', 'd']],
    ['-createdAt', ['d', 'c 100%', 'a', 'b']],
    ['expiresAt', ['d', 'b', 'a', 'c 100%']],
    ['-expiresAt', ['a', 'b', 'd', 'c 100%']],
  ] as const)('a list sorted by %s goes through all pages in that order, what never ends last', async (sort, order) => {
    const names = await walk({ sort })
    expect(names).toEqual(order.map((name) => `sorted ${name}`))
  })

  test('who never acted comes last in either direction of lastActivity', async () => {
    const quiet = await makeAgent(server, owner.token)
    const busy = await makeAgent(server, owner.token)
    await loginAgent(server, busy)
    for (const sort of ['lastActivity', '-lastActivity']) {
      const names = await walk({ sort, text: 'agent number' })
      expect(names, sort).toEqual([busy.name, quiet.name])
    }
  })

  test.each([
    [{ tag: 'red' }, ['sorted a', 'sorted b']],
    [{ tag: 'blue' }, ['sorted b']],
    [{ text: 'ORTED C' }, ['sorted c 100%']],
    [{ text: '%' }, ['sorted c 100%']],
    [{ name: 'sorted d' }, ['sorted d']],
    [{ type: 'analytics' }, ['sorted c 100%']],
    [{ status: 'suspended' }, ['sorted c 100%']],
  ])('%o narrows a list', async (filter, names) => {
    expect(await walk(filter)).toEqual(names)
  })

  test('expiringBefore leaves out what never ends', async () => {
    expect(await walk({ expiringBefore: inDays(5), sort: 'expiresAt' })).toEqual(['sorted d', 'sorted b'])
  })

  test('a cursor of another order, or of no list, is refused', async () => {
    const { nextCursor } = await server.api.call(listAgents, { query: { limit: 1 }, token })
    const forged = (parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url')
    const id = '00000000-0000-7000-8000-000000000000'
    for (const [sort, cursor] of [
      ['createdAt', nextCursor],
      ['createdAt', forged(['createdAt', 'yesterday', id])],
      ['createdAt', forged(['createdAt', '9999-99-99T99:99:99.999Z', id])],
      ['createdAt', forged(['createdAt', '2024-02-31T00:00:00.000Z', id])],
      ['createdAt', forged(['createdAt', '0000-01-01T00:00:00.000Z', id])],
      ['name', forged(['name', 'a', "' or 1=1"])],
      ['name', forged(['name', 'a'])],
    ] as const) {
      const problem = await server.api.refuse(listAgents, { query: { sort, cursor }, token })
      expect(problem, String(cursor)).toMatchObject({ status: 400, code: 'invalid-request' })
    }
    const query = { sort: 'expiresAt' as const, cursor: forged(['expiresAt', 'infinity', id]) }
    expect((await server.api.send(listAgents, { query, token })).status).toBe(200)
  })

  test('all kinds are in one list, of which one kind may be asked for, and some fields', async () => {
    const query = { text: 'sorted', limit: 200 }
    const { identities } = await server.api.call(listIdentities, { query, token })
    expect(identities.map(({ kind }) => kind).toSorted()).toEqual(['agent', 'agent', 'agent', 'agent', 'service'])
    const sparse = await server.api.call(listIdentities, {
      query: { ...query, kind: 'service', fields: 'name' },
      token,
    })
    expect(sparse.identities.map((each) => Object.keys(each).toSorted())).toEqual([
      ['identityId', 'kind', 'name', 'revision'],
    ])
    const people = await server.api.call(listIdentities, { query: { text: owner.email.toUpperCase() }, token })
    expect(people.identities).toMatchObject([{ identityId: owner.id, kind: 'user', email: owner.email, owner: null }])
    const problem = await server.api.refuse(listIdentities, { query: { fields: 'name,password' }, token })
    expect(problem.errors).toMatchObject([{ field: 'fields.1' }])
  })

  test('only kinds that the caller may read are shown, and who may read none is refused', async () => {
    const { token: member } = await server.user('member')
    const { identities } = await server.api.call(listIdentities, { query: { limit: 200 }, token: member })
    expect(new Set(identities.map(({ kind }) => kind))).toEqual(new Set(['agent']))
    const query = { kind: 'user' as const }
    expect((await server.api.refuse(listIdentities, { query, token: member })).code).toBe('forbidden')
    const nobody = await server.user()
    expect((await server.api.refuse(listIdentities, { token: nobody.token })).code).toBe('forbidden')
    // Oneself one may always read.
    const itself = await server.api.call(getIdentity, { params: { identityId: nobody.id }, token: nobody.token })
    expect(itself.email).toBe(nobody.email)
    const other = await server.api.refuse(getIdentity, { params: { identityId: owner.id }, token: nobody.token })
    expect(other.code).toBe('not-found')
  })

  test('each kind is made as by its own operation', async () => {
    const agent = await server.api.call(createIdentity, { body: { kind: 'agent', name: 'made here' }, token })
    expect(agent).toMatchObject({ kind: 'agent', status: 'active', trustScore: 0.5, revision: 1 })
    expect(agent.privateKey).toContain('BEGIN PRIVATE KEY')
    const service = await server.api.call(createIdentity, { body: { kind: 'service', name: 'made there' }, token })
    expect(service).toMatchObject({ kind: 'service', trustScore: null, riskLevel: null })
    const body = {
      kind: 'user' as const,
      name: 'Grace',
      email: 'Grace@example.com',
      passwordHash: '$2b$10$J8HZZjYGwXSqJ7dTz3zVTO4o3iNpOHPzRO4XFJYPUtUXbLtFUWJfS',
    }
    const user = await server.api.call(createIdentity, { body, token })
    expect(user).toMatchObject({ kind: 'user', status: 'active', email: 'grace@example.com' })
    expect((await server.api.refuse(createIdentity, { body, token })).code).toBe('already-exists')
    const { token: manager } = await server.user('manager')
    const other = { ...body, email: 'other@example.com' }
    expect((await server.api.refuse(createIdentity, { body: other, token: manager })).code).toBe('forbidden')
  })

  describe('a bulk', () => {
    const bulk = (items: Array<Record<string, Json>>, as = token) =>
      server.api.call(bulkIdentities, { body: { items }, token: as })

    test('does each item by itself: what is wrong with one harms no other, and each refusal is on record', async () => {
      const { id } = await makeAgent(server, token)
      const absent = `agt_${'0'.repeat(32)}`
      const answer = await bulk([
        { op: 'create', identity: { kind: 'agent', name: 'bulk one', capabilities: ['file/docs/*:read'] } },
        { op: 'create', identity: { kind: 'agent', name: 'bulk one' } },
        { op: 'suspend', identityId: absent },
        { op: 'explode' },
        { op: 'create', identity: { kind: 'agent', name: 'bulk two', misspelt: 1 } },
        { op: 'update', identityId: id, change: { tags: ['bulk'] } },
        { op: 'update', identityId: id, revision: 1, change: { tags: ['too late'] } },
        { op: 'update', identityId: id, change: { successor: null } },
        { op: 'suspend', identityId: id, reason: 'enough' },
        { op: 'suspend', identityId: id },
      ])
      expect(answer.results.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      expect(answer.results.map(({ status }) => status)).toEqual([201, 409, 404, 400, 400, 200, 412, 400, 200, 409])
      expect(answer).toMatchObject({ succeeded: 3, failed: 7 })
      expect(answer.results[0]?.identity?.privateKey).toContain('PRIVATE KEY')
      expect(answer.results[4]?.problem?.errors).toMatchObject([{ message: expect.stringContaining('misspelt') }])
      expect(await server.api.call(getAgent, { params: { agentId: id }, token })).toMatchObject({
        status: 'suspended',
        tags: ['bulk'],
      })
      const [row] = await server.database.ask(
        `select count(*)::int as count from audit_events
          where tenant_id = $1 and type = 'request.refused' and convert_from(leaf, 'UTF8')::json->>'action' = 'bulkIdentities'`,
        [uuidOf(server.app.defaultTenantId)],
      )
      expect(row?.['count']).toBe(7)
    })

    test('gives nobody what they may not have item by item, and is refused whole to who may do none of it', async () => {
      const { token: manager } = await server.user('manager')
      const answer = await bulk(
        [
          { op: 'create', identity: { kind: 'agent', name: 'of a manager' } },
          { op: 'create', identity: { kind: 'agent', name: 'too mighty', capabilities: ['agent-iam:*'] } },
          { op: 'suspend', identityId: owner.id },
        ],
        manager,
      )
      expect(answer.results.map(({ problem }) => problem?.code)).toEqual([
        undefined,
        'capability-exceeded',
        'forbidden',
      ])
      const { token: viewer } = await server.user('viewer')
      const body = { items: [{ op: 'create', identity: { kind: 'agent', name: 'none' } }] }
      expect((await server.api.refuse(bulkIdentities, { body, token: viewer })).code).toBe('forbidden')
    })

    test('takes a thousand items, and no more', { timeout: 120_000 }, async () => {
      const items = Array.from({ length: 1000 }, (_, n) => ({
        op: 'create',
        identity: { kind: 'agent', name: `of a thousand ${n}`, tags: ['thousand'], metadata: { version: `1.0.${n}` } },
      }))
      const answer = await bulk(items)
      expect(answer).toMatchObject({ succeeded: 1000, failed: 0 })
      expect((await server.api.refuse(bulkIdentities, { body: { items: [...items, {}] }, token })).status).toBe(400)
    })

    test('keeps to itself what it did when its key for repeating is sent: it takes none', async () => {
      const headers = { 'idempotency-key': 'once' }
      const body = { items: [{ op: 'create', identity: { kind: 'agent', name: 'with a key' } }] }
      const first = await server.api.call(bulkIdentities, { body, token, headers })
      const second = await server.api.call(bulkIdentities, { body, token, headers })
      expect([first.results[0]?.status, second.results[0]?.status]).toEqual([201, 409])
    })
  })
})
