import { registerAgent } from '@agent-iam/contract/agents'
import { logout, refresh, validate, validateToken } from '@agent-iam/contract/auth'
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
import { startSession } from '../src/features/sessions/service.ts'
import { signTokens } from '../src/features/tokens/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { agentWithToken, beginSession, countLive } from './agent-sessions.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

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

  test('an agent begins another session with tokens of its own, for as long as it asks', async () => {
    const { agent, token } = await agentWithToken(server, admin)
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
    const { agent } = await agentWithToken(server, admin)
    const other = await agentWithToken(server, admin)
    for (const token of [admin, other.token])
      expect(await server.api.refuse(createSession, { body: { agentId: agent.id }, token })).toMatchObject({
        status: 403,
        code: 'forbidden',
      })
    expect(await countLive(server, admin, agent)).toBe(1)
  })

  test('what a holder notes is kept apart from what the server notes, on which rights rest', async () => {
    const { agent, token } = await agentWithToken(server, admin)
    const claimed = { audience: 'https://elsewhere.example', scope: 'everything', credential: 'none' }
    const { sessionId, metadata } = await beginSession(server, agent, token, claimed)
    expect(metadata).toEqual(claimed)
    const change = { params: { sessionId }, body: { metadata: { ...claimed, scope: 'more' } }, token }
    await server.api.call(updateSessionMetadata, change)
    expect(await database.ask('select metadata, notes from sessions where id = $1', [uuidOf(sessionId)])).toEqual([
      // The key by which the agent had logged in.
      { metadata: { credential: expect.any(String) }, notes: { ...claimed, scope: 'more' } },
    ])
  })

  test('an Idempotency-Key is none of it: what begins a session tells its tokens once', async () => {
    const { agent, token } = await agentWithToken(server, admin)
    const ask = { body: { agentId: agent.id }, token, headers: { 'idempotency-key': 'one' } }
    const [one, two] = [await server.api.call(createSession, ask), await server.api.call(createSession, ask)]
    expect(one.sessionId).not.toBe(two.sessionId)
    expect(await countLive(server, admin, agent)).toBe(3)
  })

  test('lists are filtered, counted, and paged', async () => {
    const { agent, token } = await agentWithToken(server, admin)
    const made = [
      await beginSession(server, agent, token),
      await beginSession(server, agent, token),
      await beginSession(server, agent, token),
    ]
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
    const { agent, token } = await agentWithToken(server, admin)
    const { sessionId } = await beginSession(server, agent, token, { purpose: 'data-query' })
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
    const { agent, token } = await agentWithToken(server, admin)
    const one = await beginSession(server, agent, token)
    const two = await beginSession(server, agent, token)
    const body = { refreshToken: two.refreshToken }
    const wrong = await server.api.refuse(refreshSession, { params: { sessionId: one.sessionId }, body })
    expect(wrong).toMatchObject({ status: 401, code: 'invalid-token' })
    const next = await server.api.call(refreshSession, { params: { sessionId: two.sessionId }, body })
    expect(next.refreshToken).not.toBe(two.refreshToken)
    expect(await server.api.call(validate, { token: next.accessToken })).toMatchObject({ sessionId: two.sessionId })
    const { lastUsedAt } = await server.api.call(getSession, { params: { sessionId: two.sessionId }, token })
    expect(lastUsedAt).not.toBeNull()
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
})
