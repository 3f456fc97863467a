import { registerAgent } from '@agent-iam/contract/agents'
import { check } from '@agent-iam/contract/authorization'
import { delegateAgent } from '@agent-iam/contract/delegation'
import type { IdentityId } from '@agent-iam/contract/ids'
import { listUnused } from '@agent-iam/contract/simulation'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { covers, isWithin } from '../src/features/capabilities/model.ts'
import { absorbAllUses } from '../src/features/simulation/service.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

const daySeconds = 86_400

describe.each(databases)('unused rights on %s', (_name, open) => {
  let server: TestServer
  let token: string
  beforeAll(async () => {
    server = await openServer(await open())
    token = await server.admin()
  })
  afterAll(() => server.close())

  const register = async (name: string, capabilities: string[]) =>
    (await server.api.call(registerAgent, { body: { name, capabilities }, token })).agentId
  const ask = async (agentId: IdentityId, resource: string, action = 'read') =>
    server.api.call(check, { body: { agentId, resource, action }, token })
  const look = async (identityId: IdentityId, days = 90) => {
    const { identities } = await server.api.call(listUnused, { query: { identityId, days }, token })
    expect(identities).toHaveLength(identities[0] ? 1 : 0)
    return identities[0]
  }
  const later = async (days: number) => {
    server.clock.advance(days * daySeconds)
    token = await server.admin()
  }

  test('what covered no allowed decision in so many days is unused; what did, could have been narrower', async () => {
    const id = await register('of ninety days', ['file:*', 'mail:send', 'cal:read', 'a label'])
    await ask(id, 'mail/x', 'read')
    await later(91)
    const before = server.clock.now().toISOString()
    await ask(id, 'file/docs/2030/a')
    await ask(id, 'file/docs/2030/b')
    await ask(id, 'file/docs/2031', 'write')
    await ask(id, 'other/x')
    const found = await look(id)
    expect(found).toMatchObject({ identityId: id, name: 'of ninety days' })
    expect(found?.rights).toMatchObject([
      { from: 'grant', right: 'cal:read', use: 'unused', usedFor: 0, lastUsedAt: null, enough: [] },
      {
        from: 'grant',
        right: 'file:*',
        use: 'used',
        usedFor: 3,
        lastUsedAt: expect.stringMatching(/^20/),
        enough: ['file/docs/2030/*:read', 'file/docs/2031:write'],
      },
      { from: 'grant', right: 'mail:send', use: 'unused', enough: [] },
    ])
    expect((found?.rights[1]?.lastUsedAt ?? '') > before).toBe(true)
    expect(found?.enough).toEqual(['file/docs/2030/*:read', 'file/docs/2031:write'])
    await later(91)
    expect((await look(id))?.rights.map(({ use }) => use)).toEqual(['unused', 'unused', 'unused'])
    expect((await look(id, 180))?.rights.map(({ use }) => use)).toEqual(['unused', 'used', 'unused'])
    expect((await look(id, 200))?.rights.map(({ use }) => use)).toEqual(['too-young', 'used', 'too-young'])
  })

  test('what was held for fewer days is told apart, and stays as it is', async () => {
    const id = await register('young', ['file:read', 'cal:*'])
    await ask(id, 'cal/a')
    expect(await look(id)).toMatchObject({
      rights: [
        { right: 'cal:*', use: 'used', usedFor: 1, enough: ['cal:*'] },
        { right: 'file:read', use: 'too-young', enough: ['file:read'] },
      ],
      enough: ['cal:*', 'file:read'],
    })
  })

  test('of roles too, but what is about the platform itself is not known', async () => {
    const { id: viewer } = await server.user('viewer')
    const { id: manager } = await server.user('manager')
    await later(100)
    await ask(manager, 'db/rows/7')
    expect((await look(viewer))?.rights).toMatchObject([
      { from: 'role', right: 'viewer', use: 'unknown', enough: ['agent-iam:read'] },
    ])
    const found = await look(manager)
    expect(found?.rights).toMatchObject([{ from: 'role', right: 'manager', use: 'used', usedFor: 1 }])
    expect(found?.enough).toContain('db/rows/7:read')
    expect(found?.enough).not.toContain('*:*')
    expect(found?.enough).toContain('agent-iam:read')
  })

  test('a parent uses what its child does', async () => {
    const parent = await makeAgent(server, token, ['agent-iam/agents:delegate', 'road:read', 'rail:read'])
    await later(91)
    const { accessToken } = await loginAgent(server, parent)
    const body = { ...delegateAgent.example.body, name: 'a user of roads', capabilities: ['road:read'] }
    const child = await server.api.call(delegateAgent, { body, token: accessToken })
    await ask(child.agentId, 'road/1')
    const rights = (await look(parent.id))?.rights.map(({ right, use, enough }) => [right, use, enough])
    expect(rights).toContainEqual(['road:read', 'used', ['road/1:read']])
    expect(rights).toContainEqual(['rail:read', 'unused', []])
  })

  test('what is enough lies within what is held and covers all that was allowed, whatever was used', async () => {
    const letters = ['x', 'y/', '*', ':', 'ä', '𝒜', '𝒝', ' ', '%', '_', '\\', "'", 'z'.repeat(150)]
    const ids = fc.array(fc.constantFrom(...letters), { minLength: 1, maxLength: 4 }).map((some) => some.join(''))
    const names = fc.sample(ids, { seed: 7, numRuns: 60 })
    const held = ['a:*', 'b/x*:read', 'b/y/:read', 'c/*:read', '*:two words', 'a/𝒜*:read', 'd/x:read']
    const id = await register(
      'of all kinds',
      held.filter((entry) => !entry.includes(' ')),
    )
    await later(91)
    const asked = names.flatMap((name, n) => ({
      resource: { type: ['a', 'b', 'c', 'd'][n % 4] ?? 'a', id: name },
      action: ['read', 'write', 'two words'][n % 3] ?? 'read',
    }))
    const allowed: typeof asked = []
    for (const each of asked) {
      const body = { agentId: id, ...each }
      if ((await server.api.call(check, { body, token })).allowed) allowed.push(each)
    }
    expect(allowed.length).toBeGreaterThan(10)
    const found = await look(id)
    for (const { right, enough, usedFor } of found?.rights ?? []) {
      const covered = allowed.filter(({ action, resource }) => covers(right, action, resource))
      const different = new Set(covered.map((each) => JSON.stringify(each)))
      expect([right, usedFor]).toEqual([right, different.size])
      for (const entry of enough) expect([entry, isWithin(entry, right)]).toEqual([entry, true])
      for (const { action, resource } of covered)
        expect([resource, enough.some((entry) => covers(entry, action, resource))]).toEqual([resource, true])
    }
    for (const { action, resource } of allowed)
      expect([resource, found?.enough.some((entry) => covers(entry, action, resource))]).toEqual([resource, true])
  })

  test('the job reads the log of every tenant, each event once, whoever runs it', async () => {
    const tenant = await server.tenant('readers')
    const mine = tenant.admin.token
    const body = { name: 'elsewhere', capabilities: ['tea:drink'] }
    const { agentId } = await server.api.call(registerAgent, { body, token: mine })
    await server.api.call(check, { body: { agentId, resource: 'tea/1', action: 'drink' }, token: mine })
    await Promise.all([absorbAllUses(server.app.system), absorbAllUses(server.app.system)])
    const uses = await server.database.ask(
      'select action, resource_type, resource_id from decision_uses where identity_id = $1',
      [uuidOf(agentId)],
    )
    expect(uses).toEqual([{ action: 'drink', resource_type: 'tea', resource_id: '1' }])
    const behind = await server.database.ask(
      `select h.size - c.sequence as left from audit_heads h left join decision_use_cursors c using (tenant_id)`,
    )
    expect(behind.map(({ left }) => Number(left))).toEqual(behind.map(() => 0))
  })

  test('what was used too long ago is forgotten', async () => {
    const id = await register('long ago', ['ice:read'])
    await ask(id, 'ice/1')
    await absorbAllUses(server.app.system)
    const count = async () =>
      (await server.database.ask('select 1 from decision_uses where identity_id = $1', [uuidOf(id)])).length
    expect(await count()).toBe(1)
    await later(401)
    await absorbAllUses(server.app.system)
    expect(await count()).toBe(0)
  })

  test('the pages together tell of everyone who holds a right, once', async () => {
    const seen: string[] = []
    let cursor: string | null | undefined
    do {
      const query = { limit: 3, ...(cursor && { cursor }) }
      const page = await server.api.call(listUnused, { query, token })
      expect(page.isComplete).toBe(true)
      seen.push(...page.identities.map(({ identityId }) => identityId))
      cursor = page.nextCursor
    } while (cursor !== null)
    expect(new Set(seen).size).toBe(seen.length)
    const { identities } = await server.api.call(listUnused, { query: { limit: 200 }, token })
    expect(seen).toEqual(identities.map(({ identityId }) => identityId))
    expect(seen.length).toBeGreaterThan(6)
  })

  test('a cursor of another list is refused, and who may not read capabilities is', async () => {
    const refusal = await server.api.refuse(listUnused, { query: { cursor: 'WzFd' }, token })
    expect(refusal).toMatchObject({ code: 'invalid-request' })
    const { token: nobody } = await server.user()
    expect(await server.api.refuse(listUnused, { token: nobody })).toMatchObject({ code: 'forbidden' })
  })
})
