import { registerAgent } from '@agent-iam/contract/agents'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { login, logout, logoutAll, refresh, validate } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import {
  countSdkTokens,
  createSdkToken,
  getSdkToken,
  listSdkTokens,
  recoverSdkToken,
  revokeAllSdkTokens,
  revokeSdkToken,
  sdkTokensMax,
} from '@agent-iam/contract/sdk-tokens'
import { createSession, endSession, listSessions } from '@agent-iam/contract/sessions'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { callerOfAccessToken, startSession } from '../src/features/sessions/service.ts'
import { signTokens } from '../src/features/tokens/service.ts'
import { createSdkToken as makeSdkToken, recoverSdkToken as recover } from '../src/features/sessions/sdk-tokens.ts'
import { asCaller, inTransaction, type Transaction } from '../src/platform/context.ts'
import { aKey, loginAgent, makeAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import { openServer, password, type TestServer, type TestUser } from './test-server.ts'

const daySeconds = 86_400

describe.each(databases)('SDK tokens on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let user: TestUser

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
  })
  beforeEach(async () => {
    user = await server.user('viewer')
  })
  afterAll(() => server.close())

  const make = (device = 'laptop', token = user.token) => server.api.call(createSdkToken, { body: { device }, token })
  const show = (sdkTokenId: `sdk_${string}`) =>
    server.api.call(getSdkToken, { params: { sdkTokenId }, token: user.token })
  const relogin = async () =>
    (await server.api.call(login, { body: { email: user.email, password, tenant: user.tenant } })).accessToken

  test('a device has tokens of its own, which outlast the login by ninety days and no longer', async () => {
    const made = await make()
    expect(made).toMatchObject({ userId: user.id, device: 'laptop', status: 'active', scopes: null, uses: 0 })
    await server.api.call(logout, { token: user.token })
    expect(await server.api.call(validate, { token: made.accessToken })).toMatchObject({ userId: user.id })
    let { refreshToken } = made
    server.clock.advance(80 * daySeconds)
    ;({ refreshToken } = await server.api.call(refresh, { body: { refreshToken } }))
    server.clock.advance(10 * daySeconds + 1)
    expect(await server.api.refuse(refresh, { body: { refreshToken } })).toMatchObject({ code: 'token-revoked' })
  })

  test('its secrets are in one answer only, and nowhere in the log', async () => {
    const { sdkTokenId, accessToken, refreshToken } = await make('my private laptop')
    const shown = JSON.stringify([await show(sdkTokenId), await server.api.call(listSdkTokens, { token: user.token })])
    for (const secret of [accessToken, refreshToken]) expect(shown).not.toContain(secret)
    const leaves = await database.ask(`select convert_from(leaf, 'UTF8') as leaf from audit_events`)
    const log = JSON.stringify(leaves)
    for (const secret of [accessToken, refreshToken, 'my private laptop']) expect(log).not.toContain(secret)
  })

  test('its uses and its last use are told, the last to the minute', async () => {
    const { sdkTokenId, accessToken, refreshToken } = await make()
    expect(await show(sdkTokenId)).toMatchObject({ uses: 0, lastUsedAt: null })
    await server.api.call(validate, { token: accessToken })
    const first = (await show(sdkTokenId)).lastUsedAt
    expect(first).not.toBeNull()
    server.clock.advance(30)
    await server.api.call(validate, { token: accessToken })
    expect((await show(sdkTokenId)).lastUsedAt).toBe(first)
    server.clock.advance(31)
    await server.api.call(validate, { token: accessToken })
    expect(Date.parse((await show(sdkTokenId)).lastUsedAt ?? '')).toBeGreaterThan(Date.parse(first ?? ''))
    const again = await server.api.call(refresh, { body: { refreshToken } })
    // A repetition within the grace is the same use.
    await server.api.call(refresh, { body: { refreshToken } })
    await server.api.call(refresh, { body: { refreshToken: again.refreshToken } })
    expect(await show(sdkTokenId)).toMatchObject({ uses: 2 })
  })

  test('one narrowed to scopes may do those and no more, and scopes beyond the person’s are refused', async () => {
    const admin = await server.user('admin')
    const body = { device: 'indexer', scopes: ['file/docs/*:read'] }
    const { accessToken: token, scopes } = await server.api.call(createSdkToken, { body, token: admin.token })
    expect(scopes).toEqual(['file/docs/*:read'])
    const asked = async (resource: string) =>
      (await server.api.call(check, { body: { resource, action: 'read' }, token })).allowed
    expect([await asked('file/docs/a'), await asked('file/secrets')]).toEqual([true, false])
    const agent = { name: 'no', publicKey: aKey().publicKey }
    expect(await server.api.refuse(registerAgent, { body: agent, token })).toMatchObject({
      code: 'insufficient-scope',
    })
    expect(await server.api.refuse(createSdkToken, { body, token: user.token })).toMatchObject({
      code: 'capability-exceeded',
    })
    const label = { device: 'labelled', scopes: ['just a label'] }
    expect(await server.api.refuse(createSdkToken, { body: label, token: admin.token })).toMatchObject({
      code: 'invalid-request',
    })
  })

  test('a narrowed session makes only narrower ones', async () => {
    const admin = await server.user('admin')
    const ctx = server.inTenant(server.app.defaultTenantId)
    const scope = ['agent-iam/own-sdk-tokens:*', 'file/docs/*:read']
    const grant = await inTransaction(ctx, (tx) => startSession(tx, admin.id, { method: 'oauth', scope }))
    const { accessToken: token } = await signTokens(ctx, grant)
    expect(await server.api.call(createSdkToken, { body: { device: 'same' }, token })).toMatchObject({ scopes: scope })
    const wide = { device: 'wide', scopes: ['file:read'] }
    expect(await server.api.refuse(createSdkToken, { body: wide, token })).toMatchObject({
      code: 'capability-exceeded',
    })
    const whole = await server.api.call(createSdkToken, { body: { device: 'whole' }, token: admin.token })
    const recovered = await server.api.call(recoverSdkToken, { params: { sdkTokenId: whole.sdkTokenId }, token })
    expect(recovered.scopes).toEqual(scope)
    const bare = await inTransaction(ctx, (tx) => startSession(tx, admin.id, { method: 'oauth', scope: ['file:read'] }))
    const { accessToken } = await signTokens(ctx, bare)
    for (const operation of [listSdkTokens, countSdkTokens, revokeAllSdkTokens])
      expect(await server.api.refuse(operation, { token: accessToken })).toMatchObject({ code: 'insufficient-scope' })
  })

  test('they are counted and listed, newest first, a page at a time, and only to their person', async () => {
    const [one, two, three] = [await make('one'), await make('two'), await make('three')]
    await server.api.call(revokeSdkToken, { params: { sdkTokenId: two.sdkTokenId }, token: user.token })
    expect(await server.api.call(countSdkTokens, { token: user.token })).toEqual({
      active: 2,
      revoked: 1,
      expired: 0,
      total: 3,
    })
    const page = await server.api.call(listSdkTokens, { query: { limit: 2 }, token: user.token })
    expect(page.sdkTokens.map(({ device, status }) => [device, status])).toEqual([
      ['three', 'active'],
      ['two', 'revoked'],
    ])
    const query = { limit: 2, cursor: page.nextCursor ?? '' }
    const rest = await server.api.call(listSdkTokens, { query, token: user.token })
    expect(rest).toMatchObject({ sdkTokens: [{ sdkTokenId: one.sdkTokenId }], nextCursor: null })
    const admin = await server.user('admin')
    const params = { sdkTokenId: three.sdkTokenId }
    for (const operation of [getSdkToken, revokeSdkToken, recoverSdkToken])
      expect(await server.api.refuse(operation, { params, token: admin.token })).toMatchObject({ code: 'not-found' })
    expect(await server.api.call(countSdkTokens, { token: admin.token })).toMatchObject({ total: 0 })
    // An administrator stops one all the same: as the session that it is.
    const filter = { userId: user.id, status: 'active' as const }
    const { sessions } = await server.api.call(listSessions, { query: filter, token: admin.token })
    const session = sessions.find(({ device }) => device === 'three')
    await server.api.call(endSession, { params: { sessionId: session?.sessionId ?? 'ses_' }, token: admin.token })
    expect(await show(three.sdkTokenId)).toMatchObject({ status: 'revoked' })
  })

  test('revoking one ends its tokens at once, also on another instance, and no others', async () => {
    const second = await server.beside()
    const [lost, kept] = [await make('lost'), await make('kept')]
    await second.api.call(validate, { token: lost.accessToken })
    const params = { sdkTokenId: lost.sdkTokenId }
    expect(await server.api.call(revokeSdkToken, { params, token: user.token })).toMatchObject({ status: 'revoked' })
    expect(await second.api.refuse(validate, { token: lost.accessToken })).toMatchObject({ code: 'token-revoked' })
    const body = { refreshToken: lost.refreshToken }
    expect(await second.api.refuse(refresh, { body })).toMatchObject({ code: 'token-revoked' })
    await second.api.call(validate, { token: kept.accessToken })
    expect(await server.api.refuse(revokeSdkToken, { params, token: user.token })).toMatchObject({
      code: 'wrong-state',
    })
  })

  test('all are revoked at once, but not the login that does it', async () => {
    const made = [await make('one'), await make('two')]
    expect(await server.api.call(revokeAllSdkTokens, { token: user.token })).toEqual({ revoked: 2 })
    for (const { accessToken: token } of made)
      expect(await server.api.refuse(validate, { token })).toMatchObject({ code: 'token-revoked' })
    await server.api.call(validate, { token: user.token })
    const admin = await server.admin()
    const { events } = await server.api.call(listAuditEvents, { query: { type: 'sdk-token.revoked' }, token: admin })
    expect(events.filter(({ actor }) => actor === user.id)).toHaveLength(2)
  })

  test('a logout everywhere ends them too', async () => {
    const { accessToken } = await make()
    expect(await server.api.call(logoutAll, { token: user.token })).toEqual({ ended: 2 })
    expect(await server.api.refuse(validate, { token: accessToken })).toMatchObject({ code: 'token-revoked' })
  })

  test('a revoked one is recovered for the same device, and what was stolen stays worthless', async () => {
    const lost = await make()
    const params = { sdkTokenId: lost.sdkTokenId }
    await server.api.call(revokeSdkToken, { params, token: user.token })
    const recovered = await server.api.call(recoverSdkToken, { params, token: user.token })
    expect(recovered).toMatchObject({
      sdkTokenId: lost.sdkTokenId,
      device: 'laptop',
      status: 'active',
      revokedAt: null,
    })
    expect(recovered.recoveredAt).not.toBeNull()
    await server.api.call(validate, { token: recovered.accessToken })
    expect(await server.api.refuse(validate, { token: lost.accessToken })).toMatchObject({ code: 'token-revoked' })
    const stolen = { body: { refreshToken: lost.refreshToken } }
    expect(await server.api.refuse(refresh, stolen)).toMatchObject({ code: 'token-revoked' })
    await server.api.call(refresh, { body: { refreshToken: recovered.refreshToken } })
    expect(await server.api.call(countSdkTokens, { token: user.token })).toMatchObject({ active: 1, total: 1 })
  })

  test('one that is merely lost is recovered too, and its old tokens end', async () => {
    const lost = await make()
    const recovered = await server.api.call(recoverSdkToken, {
      params: { sdkTokenId: lost.sdkTokenId },
      token: user.token,
    })
    expect(await server.api.refuse(validate, { token: lost.accessToken })).toMatchObject({ code: 'token-revoked' })
    await server.api.call(validate, { token: recovered.accessToken })
  })

  test('one that is made in a session bound to a key is bound to it as well', async () => {
    const ctx = server.inTenant(server.app.defaultTenantId)
    const confirmation = { jkt: 'k'.repeat(43) }
    const asPerson = (tx: Transaction) => startSession(tx, user.id, { method: 'password', confirmation })
    const { sessionId } = await inTransaction(ctx, asPerson)
    const expiresAt = server.clock.now()
    const caller = { kind: 'identity', identityId: user.id, sessionId, expiresAt, method: 'password' } as const
    const plain = {
      address: '',
      scope: undefined,
      actors: [],
      attenuation: undefined,
      clientId: undefined,
      credential: undefined,
    }
    const bound = asCaller(ctx, { ...caller, ...plain, tenantId: user.tenantId, confirmation })
    const { token, tokens } = await makeSdkToken(bound, { device: 'bound' })
    expect(tokens.tokenType).toBe('DPoP')
    expect(await server.api.refuse(validate, { token: tokens.accessToken })).toMatchObject({ code: 'invalid-token' })
    expect(token.device).toBe('bound')
  })

  test('an SDK token makes, and recovers, none', async () => {
    const { sdkTokenId, accessToken: token } = await make()
    const body = { device: 'another' }
    expect(await server.api.refuse(createSdkToken, { body, token })).toMatchObject({ code: 'forbidden' })
    const params = { sdkTokenId }
    expect(await server.api.refuse(recoverSdkToken, { params, token })).toMatchObject({ code: 'forbidden' })
    // It may show and end itself.
    expect(await server.api.call(getSdkToken, { params, token })).toMatchObject({ status: 'active' })
    expect(await server.api.call(revokeSdkToken, { params, token })).toMatchObject({ status: 'revoked' })
  })

  test('none is begun with a login that has ended since it was let in', async () => {
    const { sdkTokenId } = await make()
    const nobody = { kind: 'anonymous', tenantId: user.tenantId, address: '127.0.0.1' } as const
    const caller = await callerOfAccessToken(asCaller(server.app.system, nobody), user.token)
    const late = asCaller(server.app.system, caller)
    await server.api.call(logoutAll, { token: user.token })
    const ended = expect.stringContaining('has ended')
    await expect(makeSdkToken(late, { device: 'another' })).rejects.toMatchObject({ detail: ended })
    await expect(recover(late, sdkTokenId)).rejects.toMatchObject({ detail: ended })
  })

  test('none is made by a client that was let in: it would outlive that', async () => {
    const grant = await inTransaction(server.inTenant(user.tenantId), (tx) =>
      startSession(tx, user.id, { method: 'oauth', clientId: 'cli_0198c5a1f3e07b2c8d4e6f708192a3b4' }),
    )
    const { accessToken: token } = await signTokens(server.app.system, grant)
    const body = { device: 'another' }
    expect(await server.api.refuse(createSdkToken, { body, token })).toMatchObject({ code: 'forbidden' })
  })

  test('agents have none, and their limit of sessions is no matter of people’s devices', async () => {
    const agent = await makeAgent(server, await server.admin())
    const { accessToken: token } = await loginAgent(server, agent)
    const body = { device: 'robot' }
    expect(await server.api.refuse(createSdkToken, { body, token })).toMatchObject({ code: 'forbidden' })
    expect(await server.api.refuse(createSession, { body: { agentId: agent.id }, token: user.token })).toMatchObject({
      code: 'forbidden',
    })
  })

  test('a person has so many devices and no more, however many ask at once', async () => {
    const room = 3
    await database.ask(
      `with made as (insert into sessions (tenant_id, id, identity_id, started_at, expires_at, method)
         select i.tenant_id, gen_random_uuid(), i.id, now(), now() + interval '1 year', 'sdk-token'
         from identities i, generate_series(1, $1) where i.email = $2 returning tenant_id, id, identity_id)
       insert into sdk_tokens (tenant_id, id, identity_id, session_id, device, created_at)
         select tenant_id, gen_random_uuid(), identity_id, id, 'one of many', now() from made`,
      [sdkTokensMax - room, user.email],
    )
    const token = await relogin()
    const answers = await Promise.all(
      Array.from({ length: room + 3 }, (_, n) => server.api.send(createSdkToken, { body: { device: `${n}` }, token })),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(room)
    expect(answers.filter(({ text }) => text.includes('quota-spent'))).toHaveLength(3)
  })
})
