import { forgotPassword, resetPassword } from '@agent-iam/contract/accounts'
import { login } from '@agent-iam/contract/auth'
import { listFactors } from '@agent-iam/contract/factors'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashPassword, setPassword } from '../src/features/credentials/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { passwordOwnerOfTests } from './password-owner.ts'
import { databases } from './databases.ts'
import { enrolApp, enrolPasskey, loginOptions } from './factors.ts'
import { mailedToken, messagesTo } from './mailbox.ts'
import { TestBrowser } from './oauth-browser.ts'
import { authorizationUrl, registerApp } from './oauth-clients.ts'
import { listen, type OauthServer } from './oauth-server.ts'
import { anotherSender } from './senders.ts'
import { openServer, password, type TestServer, type TestUser } from './test-server.ts'

const better = 'seven oranges under a violin'
const easy = 'password1234'

describe.each(databases)('a change of password that is due at a login, on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
  })
  afterAll(() => server.close())

  async function due({ id, tenantId }: TestUser): Promise<void> {
    const hash = await hashPassword(passwordOwnerOfTests, password)
    await inTransaction(server.inTenant(tenantId), (tx) => setPassword(tx, id, hash, { mustChange: true }))
  }

  async function outcome({ email }: TestUser, more: object): Promise<string> {
    const { status, text } = await server.api.send(login, { body: { email, password, ...more }, from: anotherSender() })
    return status === 200 ? 'done' : String(JSON.parse(text).code)
  }

  test('leaves a code of an app good until it is made', async () => {
    const user = await server.user('member')
    const { app } = await enrolApp(server, user.token)
    await due(user)
    const secondFactor = { type: 'totp', code: app.fresh() }
    expect(await outcome(user, { secondFactor })).toBe('password-change-required')
    expect(await outcome(user, { secondFactor, newPassword: easy })).toBe('invalid-request')
    expect(await outcome(user, { secondFactor, newPassword: better })).toBe('done')
    expect(await outcome(user, { secondFactor, password: better })).toBe('invalid-credentials')
  })

  test('leaves a recovery code good until it is made, and spends it then', async () => {
    const user = await server.user('member')
    const { app, recoveryCodes } = await enrolApp(server, user.token)
    await due(user)
    const secondFactor = { type: 'recovery', code: recoveryCodes[0] }
    expect(await outcome(user, { secondFactor })).toBe('password-change-required')
    expect(await outcome(user, { secondFactor, newPassword: easy })).toBe('invalid-request')
    expect(await outcome(user, { secondFactor, newPassword: better })).toBe('done')
    const again = { password: better, secondFactor: { type: 'totp' as const, code: app.fresh() } }
    const { accessToken } = await server.api.call(login, { body: { email: user.email, ...again } })
    const { recoveryCodesLeft } = await server.api.call(listFactors, { token: accessToken })
    expect(recoveryCodesLeft).toBe(recoveryCodes.length - 1)
  })

  test('leaves the answer of a passkey good until it is made', async () => {
    const user = await server.user('member')
    const { key } = await enrolPasskey(server, user.token)
    await due(user)
    const secondFactor = { type: 'passkey', response: key.get(await loginOptions(server)) }
    expect(await outcome(user, { secondFactor })).toBe('password-change-required')
    expect(await outcome(user, { secondFactor, newPassword: better })).toBe('done')
    expect(await outcome(user, { secondFactor, password: better })).toBe('invalid-credentials')
  })

  test('is told to nobody without the second factor, nor what passwords there were', async () => {
    const user = await server.user('member')
    const { app } = await enrolApp(server, user.token)
    await due(user)
    expect(await outcome(user, {})).toBe('second-factor-required')
    const wrong = { secondFactor: { type: 'totp', code: app.code(5) } }
    for (const more of [wrong, { ...wrong, newPassword: easy }, { ...wrong, newPassword: password }])
      expect(await outcome(user, more)).toBe('invalid-credentials')
    for (let count = 1; count <= 2; count++) await outcome(user, wrong)
    expect(await outcome(user, { secondFactor: { type: 'totp', code: app.fresh() } })).toBe('too-many-attempts')
  })

  test('that is sent and not due costs no code', async () => {
    const user = await server.user('member')
    const { app } = await enrolApp(server, user.token)
    const secondFactor = { type: 'totp', code: app.fresh() }
    expect(await outcome(user, { secondFactor, newPassword: better })).toBe('invalid-request')
    expect(await outcome(user, { secondFactor })).toBe('done')
  })

  test('is told to the person by mail, and ends links that would set another', async () => {
    const user = await server.user('member')
    await server.api.call(forgotPassword, { body: { email: user.email }, from: anotherSender() })
    const token = await mailedToken(server, user.email, admin)
    await due(user)
    expect(await outcome(user, { newPassword: better })).toBe('done')
    const purposes = (await messagesTo(server, user.email, admin)).map(({ purpose }) => purpose)
    expect(purposes).toEqual(['password-changed', 'password-reset'])
    const body = { token, newPassword: 'eleven tall poplars in a row' }
    expect((await server.api.refuse(resetPassword, { body, from: anotherSender() })).code).toBe('invalid-token')
    expect(await outcome(user, { password: better })).toBe('done')
  })
})

describe.each(databases)('a change of password that is due on the page of the OAuth provider, on %s', (_name, open) => {
  let oauth: OauthServer
  beforeAll(async () => {
    oauth = await listen(await open())
  })
  afterAll(() => oauth.server.close())

  test('costs one recovery code, also when the first new password is too easy', async () => {
    const { server, issuer } = oauth
    const user = await server.user('member')
    const { recoveryCodes } = await enrolApp(server, user.token)
    const hash = await hashPassword(passwordOwnerOfTests, password)
    await inTransaction(server.inTenant(user.tenantId), (tx) => setPassword(tx, user.id, hash, { mustChange: true }))
    const { config } = await registerApp(oauth, await server.admin())
    const { url } = await authorizationUrl(config, { scope: 'agent-iam/agents*:read' })
    const browser = new TestBrowser(issuer)
    const second = await browser.send(await browser.open(url), { email: user.email, password })
    const third = await browser.send(second, { code: recoveryCodes[0] ?? '' })
    expect(third.html).toContain('name="newPassword"')
    const again = await browser.send(third, { newPassword: easy })
    expect(again.html).toContain('name="newPassword"')
    expect((await browser.send(again, { newPassword: better })).html).toContain('act for you?')
    const rows = await server.database.ask('select count(*)::int as left from recovery_codes')
    expect(rows).toEqual([{ left: recoveryCodes.length - 1 }])
  })
})
