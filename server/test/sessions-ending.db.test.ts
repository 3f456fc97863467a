import { getAgent } from '@agent-iam/contract/agents'
import { login, logout, logoutAll, refresh, validate } from '@agent-iam/contract/auth'
import { endAgentSessions, getSession } from '@agent-iam/contract/sessions'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endSessionsOf, startSession } from '../src/features/sessions/service.ts'
import { signTokens } from '../src/features/tokens/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { agentWithToken, beginSession } from './agent-sessions.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import { openServer, password, uuidOf, type TestServer } from './test-server.ts'

describe.each(databases)('the end of sessions on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
    admin = await server.admin()
  })
  afterAll(() => server.close())

  test('a session that is begun with another lasts no longer, may do no more, and ends with it', async () => {
    const { agent } = await agentWithToken(server, admin)
    const ctx = server.inTenant(server.app.defaultTenantId)
    const scope = ['agent-iam/sessions*:*', 'file/docs/*:read']
    const start = { method: 'signature', scope, seconds: 300 }
    const grant = await inTransaction(ctx, (tx) => startSession(tx, agent.id, start))
    const { accessToken: token } = await signTokens(ctx, grant)
    const child = await beginSession(server, agent, token)
    expect(child.scope).toEqual(scope)
    const parent = await server.api.call(getSession, { params: { sessionId: grant.sessionId }, token: admin })
    expect(Date.parse(child.expiresAt)).toBeLessThanOrEqual(Date.parse(parent.expiresAt))
    const grandchild = await beginSession(server, agent, child.accessToken)
    expect(
      await server.api.refuse(getAgent, { params: { agentId: agent.id }, token: grandchild.accessToken }),
    ).toMatchObject({ code: 'insufficient-scope' })
    await server.api.call(logout, { token })
    for (const { accessToken, sessionId } of [child, grandchild]) {
      expect(await server.api.refuse(validate, { token: accessToken })).toMatchObject({ code: 'token-revoked' })
      const after = await server.api.call(getSession, { params: { sessionId }, token: admin })
      expect(after).toMatchObject({ status: 'ended', endReason: 'logout' })
    }
  })

  test('a refresh token used twice ends what was begun with its session too', async () => {
    const agent = await makeAgent(server, admin)
    const { accessToken: token, refreshToken } = await loginAgent(server, agent)
    const child = await beginSession(server, agent, token)
    await server.api.call(refresh, { body: { refreshToken } })
    server.clock.advance(11)
    await server.api.refuse(refresh, { body: { refreshToken } })
    expect(await server.api.refuse(validate, { token: child.accessToken })).toMatchObject({ code: 'token-revoked' })
  })

  test('all sessions of an agent end at once, for every token', async () => {
    const { agent, token } = await agentWithToken(server, admin)
    const { accessToken, refreshToken } = await beginSession(server, agent, token)
    const params = { agentId: agent.id }
    expect(await server.api.call(endAgentSessions, { params, token: admin })).toEqual({ agentId: agent.id, ended: 2 })
    for (const each of [token, accessToken])
      expect(await server.api.refuse(validate, { token: each })).toMatchObject({ code: 'token-revoked' })
    expect((await server.api.refuse(refresh, { body: { refreshToken } })).code).toBe('token-revoked')
    expect(await server.api.call(endAgentSessions, { params, token: admin })).toMatchObject({ ended: 0 })
  })

  test('a logout everywhere ends every session of the caller, and no other’s', async () => {
    const user = await server.user()
    const body = { email: user.email, password, tenant: user.tenant }
    const elsewhere = await server.api.call(login, { body })
    expect(await server.api.call(logoutAll, { token: user.token })).toEqual({ ended: 2 })
    for (const token of [user.token, elsewhere.accessToken])
      expect(await server.api.refuse(validate, { token })).toMatchObject({ code: 'token-revoked' })
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
