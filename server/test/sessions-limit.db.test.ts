import { getAuditHead, listAuditEvents } from '@agent-iam/contract/audit'
import { login, validate } from '@agent-iam/contract/auth'
import { createSession, listSessions } from '@agent-iam/contract/sessions'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSession } from '../src/features/sessions/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { defaultSettings } from '../src/platform/settings.ts'
import { agentWithToken, beginSession, countLive } from './agent-sessions.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import { openServer, password, type TestServer } from './test-server.ts'

describe.each(databases)('how many sessions there may be on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
    admin = await server.admin()
  })
  afterAll(() => server.close())

  /** The embedded database is for one process: there the second is the first. */
  async function secondInstance(): Promise<TestServer> {
    return database.kind === 'PGlite' ? server : server.beside()
  }

  async function withLimit(sessionsPerAgent: number): Promise<TestServer> {
    const settings = { ...defaultSettings, sessionsPerAgent }
    return openServer(await open(), { replace: (world) => ({ ...world, settings }) })
  }

  test('an agent has ten live sessions; with one more the oldest ends, and the log says why', async () => {
    const agent = await makeAgent(server, admin)
    const first = await loginAgent(server, agent)
    const second = await loginAgent(server, agent)
    for (let n = 3; n <= 10; n++) await loginAgent(server, agent)
    expect(await countLive(server, admin, agent)).toBe(10)
    const { epoch: _, ...before } = await server.api.call(getAuditHead, { token: admin })
    await loginAgent(server, agent)
    expect(await countLive(server, admin, agent)).toBe(10)
    expect(await server.api.refuse(validate, { token: first.accessToken })).toMatchObject({ code: 'token-revoked' })
    await server.api.call(validate, { token: second.accessToken })
    const { events } = await server.api.call(listAuditEvents, { query: { type: 'session.ended' }, token: admin })
    expect(events.filter(({ sequence }) => sequence >= before.size)).toMatchObject([
      { data: { identityId: agent.id, reason: 'limit' } },
    ])
  })

  test('of twenty logins at once on two instances, exactly ten sessions live', async () => {
    const second = await secondInstance()
    const agent = await makeAgent(server, admin)
    const logins = Array.from({ length: 20 }, (_, n) => loginAgent(n % 2 === 0 ? server : second, agent))
    const tokens = await Promise.all(logins)
    expect(await countLive(server, admin, agent)).toBe(10)
    let good = 0
    for (const { accessToken } of tokens)
      if ((await second.api.send(validate, { token: accessToken })).status === 200) good++
    expect(good).toBe(10)
  })

  test('beginning sessions with its token never ends an agent’s own login, but the oldest of those', async () => {
    const { agent, token } = await agentWithToken(server, admin)
    const made = []
    for (let n = 0; n < 12; n++) made.push(await beginSession(server, agent, token))
    expect(await countLive(server, admin, agent)).toBe(10)
    await server.api.call(validate, { token })
    const codes = []
    for (const { accessToken } of made) codes.push((await server.api.send(validate, { token: accessToken })).status)
    expect(codes).toEqual([401, 401, 401, ...Array.from({ length: 9 }, () => 200)])
  })

  test('what another login pushes out is the oldest that nothing was begun with', async () => {
    const { agent, token } = await agentWithToken(server, admin)
    const oldest = await beginSession(server, agent, token)
    for (let n = 0; n < 8; n++) await beginSession(server, agent, token)
    await loginAgent(server, agent)
    expect(await server.api.refuse(validate, { token: oldest.accessToken })).toMatchObject({ code: 'token-revoked' })
    await server.api.call(validate, { token })
    expect(await countLive(server, admin, agent)).toBe(10)
  })

  test('what clients exchange for an agent’s token, and its API keys, do not count', async () => {
    const { agent, token } = await agentWithToken(server, admin)
    const ctx = server.inTenant(server.app.defaultTenantId)
    for (const method of ['token-exchange', 'api-key'])
      for (let n = 0; n < 10; n++) await inTransaction(ctx, (tx) => openSession(tx, agent.id, { method }))
    expect(await server.api.call(validate, { token })).toMatchObject({ valid: true })
  })

  test('how many an agent may have is the operator’s to say', async () => {
    const small = await withLimit(2)
    const agent = await makeAgent(small, await small.admin())
    for (let n = 0; n < 4; n++) await loginAgent(small, agent)
    const query = { agentId: agent.id, status: 'active' as const }
    expect(await small.api.call(listSessions, { query, token: await small.admin() })).toMatchObject({ total: 2 })
    await small.close()
  })

  test('where an agent may have one session, that one begins no other', async () => {
    const single = await withLimit(1)
    const alone = await makeAgent(single, await single.admin())
    const { accessToken: token } = await loginAgent(single, alone)
    const body = { agentId: alone.id }
    expect(await single.api.refuse(createSession, { body, token })).toMatchObject({ code: 'quota-spent' })
    await single.api.call(validate, { token })
    await single.close()
  })

  test('people have as many sessions as they want', async () => {
    const user = await server.user('viewer')
    const body = { email: user.email, password, tenant: user.tenant }
    for (let n = 0; n < 11; n++) await server.api.call(login, { body })
    const { total } = await server.api.call(listSessions, { query: { userId: user.id, limit: 1 }, token: admin })
    expect(total).toBe(12)
  })
})
