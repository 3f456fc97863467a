import { getAgent, registerAgent } from '@agent-iam/contract/agents'
import { getAuditHead, listAuditEvents } from '@agent-iam/contract/audit'
import { login, logout, logoutAll, refresh, validate, validateToken } from '@agent-iam/contract/auth'
import {
  createSession,
  endAgentSessions,
  endSession,
  getSession,
  getSessionStatistics,
  listSessions,
  refreshSession,
  updateSessionMetadata,
} from '@agent-iam/contract/sessions'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endSessionsOf, openSession, startSession } from '../src/features/sessions/service.ts'
import { signTokens } from '../src/features/tokens/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { defaultSettings } from '../src/platform/settings.ts'
import { loginAgent, makeAgent, type TestAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import { openServer, password, startServer, uuidOf, type TestServer } from './test-server.ts'

describe.each(databases)('sessions on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
    admin = await server.admin()
  })
  afterAll(() => server.close())

  async function agentWithToken(): Promise<{ agent: TestAgent; token: string }> {
    const agent = await makeAgent(server, admin)
    return { agent, token: (await loginAgent(server, agent)).accessToken }
  }

  async function begin(agent: TestAgent, token: string, metadata: Record<string, string> = {}) {
    return server.api.call(createSession, { body: { agentId: agent.id, metadata }, token })
  }

  async function live(agent: TestAgent): Promise<number> {
    const query = { agentId: agent.id, status: 'active' as const }
    return (await server.api.call(listSessions, { query, token: admin })).total
  }

  /** The embedded database is for one process: there the second is the first. */
  async function secondInstance(): Promise<TestServer> {
    const { masterKey, clock } = server
    if (database.kind === 'PGlite') return server
    return startServer({ ...database, db: database.another() }, { masterKey, clock })
  }

  async function withLimit(sessionsPerAgent: number): Promise<TestServer> {
    const settings = { ...defaultSettings, sessionsPerAgent }
    return openServer(await open(), { replace: (world) => ({ ...world, settings }) })
  }

  async function code(token: string): Promise<string> {
    return (await server.api.refuse(validate, { token })).code
  }

  test('an agent begins another session with tokens of its own, for as long as it asks', async () => {
    const { agent, token } = await agentWithToken()
    const body = { agentId: agent.id, duration: 600, metadata: { purpose: 'data-query' } }
    const made = await server.api.call(createSession, { body, token })
    expect(made).toMatchObject({ agentId: agent.id, status: 'active', metadata: { purpose: 'data-query' } })
    expect(Date.parse(made.expiresAt) - Date.parse(made.startTime)).toBe(600_000)
    const parent = await server.api.call(validate, { token })
    expect(made.parentSessionId).toBe(parent.sessionId)
    const self = await server.api.call(validate, { token: made.accessToken })
    expect(self).toMatchObject({ sessionId: made.sessionId, agentId: agent.id })
    server.clock.advance(601)
    expect((await server.api.refuse(refresh, { body: { refreshToken: made.refreshToken } })).code).toBe('token-revoked')
  })

  test('nobody begins a session of another: not its owner, and not another agent', async () => {
    const { agent } = await agentWithToken()
    const other = await agentWithToken()
    for (const token of [admin, other.token])
      expect(await server.api.refuse(createSession, { body: { agentId: agent.id }, token })).toMatchObject({
        status: 403,
        code: 'forbidden',
      })
    expect(await live(agent)).toBe(1)
  })

  test('a session that is begun with another lasts no longer, may do no more, and ends with it', async () => {
    const { agent } = await agentWithToken()
    const ctx = server.inTenant(server.app.defaultTenantId)
    const scope = ['agent-iam/sessions*:*', 'file/docs/*:read']
    const start = { method: 'signature', scope, seconds: 300 }
    const grant = await inTransaction(ctx, (tx) => startSession(tx, agent.id, start))
    const { accessToken: token } = await signTokens(ctx, grant)
    const child = await begin(agent, token)
    expect(child.scope).toEqual(scope)
    const parent = await server.api.call(getSession, { params: { sessionId: grant.sessionId }, token: admin })
    expect(Date.parse(child.expiresAt)).toBeLessThanOrEqual(Date.parse(parent.expiresAt))
    const grandchild = await begin(agent, child.accessToken)
    expect(
      await server.api.refuse(getAgent, { params: { agentId: agent.id }, token: grandchild.accessToken }),
    ).toMatchObject({ code: 'insufficient-scope' })
    await server.api.call(logout, { token })
    for (const { accessToken, sessionId } of [child, grandchild]) {
      expect(await code(accessToken)).toBe('token-revoked')
      const after = await server.api.call(getSession, { params: { sessionId }, token: admin })
      expect(after).toMatchObject({ status: 'ended', endReason: 'logout' })
    }
  })

  test('a refresh token used twice ends what was begun with its session too', async () => {
    const agent = await makeAgent(server, admin)
    const { accessToken: token, refreshToken } = await loginAgent(server, agent)
    const child = await begin(agent, token)
    await server.api.call(refresh, { body: { refreshToken } })
    server.clock.advance(11)
    await server.api.refuse(refresh, { body: { refreshToken } })
    expect(await code(child.accessToken)).toBe('token-revoked')
  })

  test('an agent has ten live sessions; with one more the oldest ends, and the log says why', async () => {
    const agent = await makeAgent(server, admin)
    const first = await loginAgent(server, agent)
    const second = await loginAgent(server, agent)
    for (let n = 3; n <= 10; n++) await loginAgent(server, agent)
    expect(await live(agent)).toBe(10)
    const { epoch: _, ...before } = await server.api.call(getAuditHead, { token: admin })
    await loginAgent(server, agent)
    expect(await live(agent)).toBe(10)
    expect(await code(first.accessToken)).toBe('token-revoked')
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
    expect(await live(agent)).toBe(10)
    let good = 0
    for (const { accessToken } of tokens)
      if ((await second.api.send(validate, { token: accessToken })).status === 200) good++
    expect(good).toBe(10)
  })

  test('beginning sessions with its token never ends an agent’s own login, but the oldest of those', async () => {
    const { agent, token } = await agentWithToken()
    const made = []
    for (let n = 0; n < 12; n++) made.push(await begin(agent, token))
    expect(await live(agent)).toBe(10)
    await server.api.call(validate, { token })
    const codes = []
    for (const { accessToken } of made) codes.push((await server.api.send(validate, { token: accessToken })).status)
    expect(codes).toEqual([401, 401, 401, ...Array.from({ length: 9 }, () => 200)])
  })

  test('what another login pushes out is the oldest that nothing was begun with', async () => {
    const { agent, token } = await agentWithToken()
    const oldest = await begin(agent, token)
    for (let n = 0; n < 8; n++) await begin(agent, token)
    await loginAgent(server, agent)
    expect(await code(oldest.accessToken)).toBe('token-revoked')
    await server.api.call(validate, { token })
    expect(await live(agent)).toBe(10)
  })

  test('what clients exchange for an agent’s token, and its API keys, do not count', async () => {
    const { agent, token } = await agentWithToken()
    const ctx = server.inTenant(server.app.defaultTenantId)
    for (const method of ['token-exchange', 'api-key'])
      for (let n = 0; n < 10; n++) await inTransaction(ctx, (tx) => openSession(tx, agent.id, { method }))
    expect(await server.api.call(validate, { token })).toMatchObject({ valid: true })
  })

  test('what a holder notes is kept apart from what the server notes, on which rights rest', async () => {
    const { agent, token } = await agentWithToken()
    const claimed = { audience: 'https://elsewhere.example', scope: 'everything', credential: 'none' }
    const { sessionId, metadata } = await begin(agent, token, claimed)
    expect(metadata).toEqual(claimed)
    const change = { params: { sessionId }, body: { metadata: { ...claimed, scope: 'more' } }, token }
    await server.api.call(updateSessionMetadata, change)
    expect(await database.ask('select metadata, notes from sessions where id = $1', [uuidOf(sessionId)])).toEqual([
      { metadata: {}, notes: { ...claimed, scope: 'more' } },
    ])
  })

  test('an Idempotency-Key is none of it: what begins a session tells its tokens once', async () => {
    const { agent, token } = await agentWithToken()
    const ask = { body: { agentId: agent.id }, token, headers: { 'idempotency-key': 'one' } }
    const [one, two] = [await server.api.call(createSession, ask), await server.api.call(createSession, ask)]
    expect(one.sessionId).not.toBe(two.sessionId)
    expect(await live(agent)).toBe(3)
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

  test('lists are filtered, counted, and paged', async () => {
    const { agent, token } = await agentWithToken()
    const made = [await begin(agent, token), await begin(agent, token), await begin(agent, token)]
    await server.api.call(endSession, { params: { sessionId: made[0]?.sessionId ?? 'ses_' }, token })
    const query = { agentId: agent.id, limit: 2 }
    const page = await server.api.call(listSessions, { query, token: admin })
    expect(page.total).toBe(4)
    expect(page.sessions.map(({ sessionId }) => sessionId)).toEqual([made[2]?.sessionId, made[1]?.sessionId])
    const rest = await server.api.call(listSessions, {
      query: { ...query, cursor: page.nextCursor ?? '' },
      token: admin,
    })
    expect(rest).toMatchObject({ total: 4, nextCursor: null })
    expect(rest.sessions.map(({ status }) => status)).toEqual(['ended', 'active'])
    const ended = await server.api.call(listSessions, { query: { agentId: agent.id, status: 'ended' }, token })
    expect(ended).toMatchObject({ total: 1, sessions: [{ endReason: 'terminated' }] })
    const two = { agentId: agent.id, identityId: agent.id }
    expect(await server.api.refuse(listSessions, { query: two, token: admin })).toMatchObject({
      code: 'invalid-request',
    })
  })

  test('everybody sees its own sessions, an owner those of its agents, and nobody else’s', async () => {
    const owner = await server.user('member')
    const { agentId } = await server.api.call(registerAgent, { body: { name: `of ${owner.id}` }, token: admin })
    await database.ask('update identities set owner_id = $1 where id = $2', [uuidOf(owner.id), uuidOf(agentId)])
    const stranger = await server.user('member')
    const ctx = server.inTenant(server.app.defaultTenantId)
    const grant = await inTransaction(ctx, (tx) => startSession(tx, agentId, { method: 'signature' }))
    const params = { sessionId: grant.sessionId }
    const seen = async (token: string) => {
      const { sessions } = await server.api.call(listSessions, { query: { limit: 200 }, token })
      return new Set(sessions.map(({ identityId }) => identityId))
    }
    expect(await seen(stranger.token)).toEqual(new Set([stranger.id]))
    expect(await seen((await signTokens(ctx, grant)).accessToken)).toEqual(new Set([agentId]))
    expect(await seen(owner.token)).toEqual(new Set([owner.id, agentId]))
    for (const operation of [getSession, endSession])
      expect(await server.api.refuse(operation, { params, token: stranger.token })).toMatchObject({ code: 'not-found' })
    expect(await server.api.refuse(endAgentSessions, { params: { agentId }, token: stranger.token })).toMatchObject({
      code: 'not-found',
    })
    expect(await server.api.call(getSession, { params, token: owner.token })).toMatchObject({ status: 'active' })
    const body = { metadata: { note: 'mine' } }
    expect(await server.api.refuse(updateSessionMetadata, { params, body, token: owner.token })).toMatchObject({
      code: 'forbidden',
    })
    expect(await server.api.call(endSession, { params, token: owner.token })).toMatchObject({ status: 'ended' })
  })

  test('metadata is replaced whole, of an active session only', async () => {
    const { agent, token } = await agentWithToken()
    const { sessionId } = await begin(agent, token, { purpose: 'data-query' })
    const change = { params: { sessionId }, body: { metadata: { location: 'cloud-region-1' } }, token }
    expect(await server.api.call(updateSessionMetadata, change)).toMatchObject({
      metadata: { location: 'cloud-region-1' },
    })
    const { metadata } = await server.api.call(getSession, { params: { sessionId }, token })
    expect(metadata).toEqual({ location: 'cloud-region-1' })
    const long = { ...change, body: { metadata: { text: 'x'.repeat(4000) } } }
    expect(await server.api.refuse(updateSessionMetadata, long)).toMatchObject({ code: 'invalid-request' })
    await server.api.call(endSession, { params: { sessionId }, token })
    expect(await server.api.refuse(updateSessionMetadata, change)).toMatchObject({ code: 'wrong-state' })
    expect(await server.api.refuse(endSession, { params: { sessionId }, token })).toMatchObject({ code: 'wrong-state' })
  })

  test('a session is refreshed by its own refresh token, and another’s is not spent on it', async () => {
    const { agent, token } = await agentWithToken()
    const one = await begin(agent, token)
    const two = await begin(agent, token)
    const body = { refreshToken: two.refreshToken }
    const wrong = await server.api.refuse(refreshSession, { params: { sessionId: one.sessionId }, body })
    expect(wrong).toMatchObject({ status: 401, code: 'invalid-token' })
    const next = await server.api.call(refreshSession, { params: { sessionId: two.sessionId }, body })
    expect(next.refreshToken).not.toBe(two.refreshToken)
    expect(await server.api.call(validate, { token: next.accessToken })).toMatchObject({ sessionId: two.sessionId })
    const { lastUsedAt } = await server.api.call(getSession, { params: { sessionId: two.sessionId }, token })
    expect(lastUsedAt).not.toBeNull()
  })

  test('all sessions of an agent end at once, for every token', async () => {
    const { agent, token } = await agentWithToken()
    const { accessToken, refreshToken } = await begin(agent, token)
    const params = { agentId: agent.id }
    expect(await server.api.call(endAgentSessions, { params, token: admin })).toEqual({ agentId: agent.id, ended: 2 })
    for (const each of [token, accessToken]) expect(await code(each)).toBe('token-revoked')
    expect((await server.api.refuse(refresh, { body: { refreshToken } })).code).toBe('token-revoked')
    expect(await server.api.call(endAgentSessions, { params, token: admin })).toMatchObject({ ended: 0 })
  })

  test('a logout everywhere ends every session of the caller, and no other’s', async () => {
    const user = await server.user()
    const body = { email: user.email, password, tenant: user.tenant }
    const elsewhere = await server.api.call(login, { body })
    expect(await server.api.call(logoutAll, { token: user.token })).toEqual({ ended: 2 })
    for (const token of [user.token, elsewhere.accessToken]) expect(await code(token)).toBe('token-revoked')
    await server.api.call(validate, { token: admin })
  })

  test('a session that begins while all are ended does not outlive them', async () => {
    const user = await server.user()
    const ctx = server.inTenant(server.app.defaultTenantId)
    const begun = await Promise.all([
      ...Array.from({ length: 5 }, () => inTransaction(ctx, (tx) => startSession(tx, user.id, { method: 'password' }))),
      inTransaction(ctx, (tx) => endSessionsOf(tx, user.id, { reason: 'test' })),
      ...Array.from({ length: 5 }, () => inTransaction(ctx, (tx) => startSession(tx, user.id, { method: 'password' }))),
    ])
    const [ended] = await database.ask(
      `select e.sequence::int as sequence from audit_events e where type = 'session.ended'
        and convert_from(leaf, 'UTF8')::json->'data'->>'reason' = 'test' order by 1 limit 1`,
    )
    const survivors = await database.ask(
      `select e.sequence::int as sequence from sessions s join audit_events e on e.type = 'session.started'
        and e.resource = 'agent-iam/sessions/ses_' || replace(s.id::text, '-', '')
        where s.identity_id = $1 and s.ended_at is null`,
      [uuidOf(user.id)],
    )
    expect(begun).toHaveLength(11)
    for (const { sequence } of survivors) expect(Number(sequence)).toBeGreaterThan(Number(ended?.['sequence']))
  })

  test('a narrowed session does not log its person out everywhere', async () => {
    const user = await server.user()
    const ctx = server.inTenant(server.app.defaultTenantId)
    const start = { method: 'oauth', scope: ['file/docs/*:read'] }
    const grant = await inTransaction(ctx, (tx) => startSession(tx, user.id, start))
    const { accessToken: token } = await signTokens(ctx, grant)
    expect(await server.api.refuse(logoutAll, { token })).toMatchObject({ code: 'insufficient-scope' })
    await server.api.call(validate, { token: user.token })
  })

  test('a token in the body is judged without a word on why', async () => {
    const user = await server.user()
    const own = await server.api.call(validateToken, { token: admin })
    expect(own).toMatchObject({ valid: true })
    const { tenantId, id: userId } = user
    expect(await server.api.call(validateToken, { body: { token: user.token }, token: admin })).toMatchObject({
      valid: true,
      userId,
      tenantId,
    })
    const foreign = await server.tenant('validating')
    await server.api.call(logout, { token: user.token })
    for (const token of [user.token, foreign.admin.token, 'nonsense', `${admin.slice(0, -4)}AAAA`])
      expect(await server.api.call(validateToken, { body: { token }, token: admin })).toEqual({ valid: false })
    expect(await server.api.refuse(validateToken, { body: { token: admin } })).toMatchObject({
      code: 'unauthenticated',
    })
  })

  test('statistics count what there is', async () => {
    const fresh = await openServer(await open())
    const token = await fresh.admin()
    const agent = await makeAgent(fresh, token)
    for (let n = 0; n < 3; n++) await loginAgent(fresh, agent)
    const viewer = await fresh.user('viewer')
    await fresh.api.call(logout, { token: viewer.token })
    fresh.clock.advance(13 * 3600)
    const later = await fresh.admin()
    expect(await fresh.api.call(getSessionStatistics, { token: later })).toEqual({
      byStatus: { active: 1, ended: 1, expired: 4 },
      byKind: { user: 1, service: 0, agent: 0 },
      byMethod: { password: 1 },
      busiestAgents: [],
      startedInLastDay: 6,
    })
    await loginAgent(fresh, agent)
    expect(await fresh.api.call(getSessionStatistics, { token: later })).toMatchObject({
      byMethod: { password: 1, signature: 1 },
      busiestAgents: [{ agentId: agent.id, active: 1 }],
    })
    const member = await fresh.user('member')
    expect(await fresh.api.refuse(getSessionStatistics, { token: member.token })).toMatchObject({ code: 'forbidden' })
    await fresh.close()
  })

  test('a session is forgotten thirty days after its end, with its tokens, and not before', async () => {
    const fresh = await openServer(await open())
    const other = await fresh.tenant('other')
    const count = async () => {
      const [row] = await fresh.database.ask(
        `select (select count(*)::int from sessions) as sessions, (select count(*)::int from refresh_tokens) as tokens`,
      )
      return row
    }
    expect(other.admin.token).not.toBe('')
    const { accessToken } = await loginAgent(fresh, await makeAgent(fresh, await fresh.admin()))
    await fresh.api.call(logout, { token: accessToken })
    await fresh.app.flush()
    expect(await count()).toEqual({ sessions: 3, tokens: 3 })
    fresh.clock.advance(30 * 86_400 + 60)
    await fresh.app.flush()
    // The others ran out twelve hours after that one was ended.
    expect(await count()).toEqual({ sessions: 2, tokens: 2 })
    fresh.clock.advance(12 * 3600)
    await Promise.all([fresh.app.flush(), fresh.app.flush()])
    expect(await count()).toEqual({ sessions: 0, tokens: 0 })
    await fresh.close()
  })
})
