import { registerAgent, updateAgent } from '@agent-iam/contract/agents'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { login, logout, refresh, validate } from '@agent-iam/contract/auth'
import { check, reportResult } from '@agent-iam/contract/authorization'
import { createEnrolmentToken, listEnrolmentTokens } from '@agent-iam/contract/enrolment-tokens'
import type { Operation } from '@agent-iam/contract/operation'
import { createPolicy } from '@agent-iam/contract/policies'
import { completeSetup } from '@agent-iam/contract/setup'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openSetup } from '../src/features/setup/service.ts'
import { aKey, assertion, loginAgent, makeAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import type { Input } from './test-api.ts'
import { email, openServer, password, startServer, type TestServer } from './test-server.ts'
import { TestClock } from './test-clock.ts'

/** How many of those sent at once succeeded, and how many were refused by which code. */
async function send(count: number, operation: Operation, make: (n: number) => Input, { api }: TestServer) {
  const answers = await Promise.all(Array.from({ length: count }, (_, n) => api.send(operation, make(n))))
  const outcomes = answers.map(({ status, text }) => (status < 300 ? 'done' : String(JSON.parse(text).code)))
  const counted = [...Map.groupBy(outcomes, (outcome) => outcome)].map(([outcome, all]) => [outcome, all.length])
  return Object.fromEntries(counted)
}

describe.each(databases)('at once, on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let token: string

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
  })
  beforeEach(async () => {
    token = await server.admin()
  })
  afterAll(() => server.close())

  const atOnce = (count: number, operation: Operation, make: (n: number) => Input, at = server) =>
    send(count, operation, make, at)

  test('a setup link is good for one of two, for an hour, and for nobody who guesses', async () => {
    const fresh = await startServer(await open(), { masterKey: Buffer.alloc(32, 3), clock: new TestClock() })
    const body = { email, password }
    const late = await openSetup(fresh.app.system, { onlyOne: false })
    fresh.clock.advance(3601)
    for (const guess of [late, 'setup_guess'])
      expect(await fresh.api.refuse(completeSetup, { body: { ...body, token: guess } })).toMatchObject({
        code: 'invalid-token',
      })

    const replaced = await openSetup(fresh.app.system, { onlyOne: true })
    expect(await openSetup(fresh.app.system, { onlyOne: true })).toBeUndefined()
    const link = await openSetup(fresh.app.system, { onlyOne: false })
    expect((await fresh.api.refuse(completeSetup, { body: { ...body, token: replaced } })).code).toBe('invalid-token')
    const outcome = await atOnce(2, completeSetup, () => ({ body: { ...body, token: link } }), fresh)
    expect(outcome).toEqual({ done: 1, 'invalid-token': 1 })
    expect((await fresh.api.refuse(completeSetup, { body: { ...body, token: link } })).code).toBe('invalid-token')
    expect(await openSetup(fresh.app.system, { onlyOne: false })).toBeUndefined()
    await fresh.close()
  })

  test('twenty who enrol on a quota of five are five', async () => {
    const enrolment = await server.api.call(createEnrolmentToken, { body: { name: 'five', quota: 5 }, token })
    const outcome = await atOnce(20, registerAgent, (n) => ({
      body: { name: `enrolled ${n}` },
      token: enrolment.token,
    }))
    expect(outcome).toEqual({ done: 5, 'quota-spent': 15 })
    const { enrolmentTokens } = await server.api.call(listEnrolmentTokens, { token })
    expect(enrolmentTokens[0]).toMatchObject({ name: 'five', used: 5 })
    expect(await database.ask(`select count(*)::int as agents from identities where name like 'enrolled %'`)).toEqual([
      { agents: 5 },
    ])
  })

  test('an enrolment that fails leaves the quota as it was', async () => {
    const enrolment = await server.api.call(createEnrolmentToken, { body: { name: 'failing', quota: 2 }, token })
    const taken = { body: { name: (await makeAgent(server, token)).name }, token: enrolment.token }
    expect(await server.api.refuse(registerAgent, taken)).toMatchObject({ code: 'already-exists' })
    const { enrolmentTokens } = await server.api.call(listEnrolmentTokens, { token })
    expect(enrolmentTokens[0]).toMatchObject({ name: 'failing', used: 0 })
  })

  test('of ten who register one name, or names that look like one, one succeeds', async () => {
    const names = ['one name', 'One Name', 'оne name']
    const outcome = await atOnce(10, registerAgent, (n) => ({ body: { name: names[n % 3] }, token }))
    expect(outcome).toEqual({ done: 1, 'already-exists': 9 })
  })

  test('of ten who register one key, one succeeds', async () => {
    const { publicKey } = aKey()
    const outcome = await atOnce(10, registerAgent, (n) => ({ body: { name: `key ${n}`, publicKey }, token }))
    expect(outcome).toEqual({ done: 1, 'already-exists': 9 })
  })

  test('of five who are renamed alike, one is', async () => {
    const agents = await Promise.all(Array.from({ length: 5 }, () => makeAgent(server, token)))
    const outcome = await atOnce(5, updateAgent, (n) => ({
      params: { agentId: agents[n]?.id },
      body: { name: 'renamed' },
      token,
    }))
    expect(outcome).toEqual({ done: 1, 'already-exists': 4 })
  })

  test('of five who make a policy of one name, one does', async () => {
    const outcome = await atOnce(5, createPolicy, () => ({ ...createPolicy.example, token }))
    expect(outcome).toEqual({ done: 1, 'already-exists': 4 })
  })

  test('of ten logins with one proof, one succeeds', async () => {
    const body = await assertion(await makeAgent(server, token), server)
    expect(await atOnce(10, login, () => ({ body }))).toEqual({ done: 1, replayed: 9 })
  })

  test('of five reports of one decision, one is taken', async () => {
    const { accessToken } = await loginAgent(server, await makeAgent(server, token, ['file/*:read']))
    const { decisionId } = await server.api.call(check, { ...check.example, token: accessToken })
    const report = { params: { decisionId }, body: { outcome: 'success', durationMs: 1 }, token: accessToken }
    expect(await atOnce(5, reportResult, () => report)).toEqual({ done: 1, 'wrong-state': 4 })
  })

  test('of five logouts of one session, one ends it', async () => {
    const user = await server.user()
    expect(await atOnce(5, logout, () => ({ token: user.token }))).toEqual({ done: 1, 'token-revoked': 4 })
  })

  test('refreshes of one token within the grace give one and the same successor', async () => {
    const { refreshToken } = await server.api.call(login, { body: { email, password } })
    const both = await Promise.all([1, 2, 3].map(() => server.api.call(refresh, { body: { refreshToken } })))
    expect(new Set(both.map((tokens) => tokens.refreshToken)).size).toBe(1)
    expect(both[0]?.refreshToken).toEqual(expect.stringMatching(/^rft_[\w-]{43}$/))
    expect(both[0]?.refreshToken).not.toBe(refreshToken)
    for (const { accessToken } of both) await server.api.call(validate, { token: accessToken })
  })

  test('a refresh token used again after the grace ends the session and all its tokens', async () => {
    const { refreshToken } = await server.api.call(login, { body: { email, password } })
    const next = await server.api.call(refresh, { body: { refreshToken } })
    server.clock.advance(11)
    const reused = await server.api.refuse(refresh, { body: { refreshToken } })
    expect(reused.code).toBe('token-revoked')
    expect(await server.api.refuse(refresh, { body: next })).toMatchObject({ status: 400 })
    const after = await server.api.refuse(refresh, { body: { refreshToken: next.refreshToken } })
    expect(after.code).toBe('token-revoked')
    expect((await server.api.refuse(validate, { token: next.accessToken })).code).toBe('token-revoked')
    const { events } = await server.api.call(listAuditEvents, { query: { type: 'session.reuse-detected' }, token })
    expect(events).toHaveLength(1)
  })

  test('a session is refreshed for twelve hours and no longer', async () => {
    let { refreshToken } = await server.api.call(login, { body: { email, password } })
    server.clock.advance(11 * 3600)
    ;({ refreshToken } = await server.api.call(refresh, { body: { refreshToken } }))
    server.clock.advance(3601)
    expect((await server.api.refuse(refresh, { body: { refreshToken } })).code).toBe('token-revoked')
  })
})
