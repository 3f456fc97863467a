import { changePassword } from '@agent-iam/contract/accounts'
import { listAgents } from '@agent-iam/contract/agents'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { login, refresh } from '@agent-iam/contract/auth'
import { listAuditEvents } from '@agent-iam/contract/audit'
import {
  getLoginSettings,
  listFactors,
  removePasskey,
  removeTotp,
  resetFactors,
  setLoginSettings,
} from '@agent-iam/contract/factors'
import { createSdkToken } from '@agent-iam/contract/sdk-tokens'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { grant } from '../src/features/capabilities/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { databases } from './databases.ts'
import { enrolApp, enrolPasskey, loginOptions, proof } from './factors.ts'
import { openServer, password, type TestServer, type TestUser } from './test-server.ts'

describe.each(databases)('a tenant’s wish for second factors on %s', (_name, open) => {
  let server: TestServer
  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterEach(() => server.database.ask('delete from tenant_settings'))
  afterAll(() => server.close())

  const enter = ({ email }: TestUser, more: object = {}) =>
    server.api.call(login, { body: { email, password, ...more } })
  const enforce = (token: string) =>
    server.api.call(setLoginSettings, { body: { secondFactorForAdministrators: true }, token })

  test('is refused to who has none, and off until somebody sets it', async () => {
    const token = await server.admin()
    expect(await server.api.call(getLoginSettings, { token })).toEqual({ secondFactorForAdministrators: false })
    const on = { body: { secondFactorForAdministrators: true }, token }
    expect((await server.api.refuse(setLoginSettings, on)).code).toBe('wrong-state')
    await enrolPasskey(server, token)
    await server.api.call(setLoginSettings, on)
    expect(await server.api.call(getLoginSettings, { token })).toEqual({ secondFactorForAdministrators: true })
    const { events } = await server.api.call(listAuditEvents, { query: { type: 'login-settings.changed' }, token })
    expect(events).toHaveLength(1)
  })

  test('lets an administrator without one do nothing but enrol it, for a quarter of an hour', async () => {
    const [boss, admin] = [await server.user('admin'), await server.user('admin')]
    await enrolPasskey(server, boss.token)
    await enforce(boss.token)
    const narrow = await enter(admin)
    expect(narrow.scope).toEqual(['agent-iam/own-factors:*'])
    const { accessToken: token, refreshToken } = narrow
    const off = { body: { secondFactorForAdministrators: false }, token }
    for (const [operation, input] of [
      [listAgents, { token }],
      [setLoginSettings, off],
      [resetFactors, { params: { userId: boss.id }, token }],
      [createSdkToken, { ...createSdkToken.example, token }],
      [createApiKey, { ...createApiKey.example, token }],
      [changePassword, { ...changePassword.example, token }],
    ] as const)
      expect((await server.api.refuse(operation, input)).code).toBe('insufficient-scope')
    expect(await server.api.call(listFactors, { token })).toMatchObject({ isRequired: true, totp: null })
    const renewed = await server.api.call(refresh, { body: { refreshToken } })
    expect((await server.api.refuse(listAgents, { token: renewed.accessToken })).code).toBe('insufficient-scope')

    const { app } = await enrolApp(server, token)
    expect((await server.api.refuse(listAgents, { token })).code).toBe('insufficient-scope')
    const whole = await enter(admin, { secondFactor: { type: 'totp', code: app.fresh() } })
    expect(whole.scope).toBeUndefined()
    await server.api.call(listAgents, { token: whole.accessToken })
  })

  test('ends the session for enrolling after a quarter of an hour', async () => {
    const [boss, admin] = [await server.user('admin'), await server.user('admin')]
    await enrolPasskey(server, boss.token)
    await enforce(boss.token)
    const { refreshToken } = await enter(admin)
    server.clock.advance(901)
    expect((await server.api.refuse(refresh, { body: { refreshToken } })).code).toBe('token-revoked')
  })

  test('asks nobody else, and no other tenant', async () => {
    const boss = await server.user('admin')
    const elsewhere = await server.tenant('elsewhere')
    await enrolPasskey(server, boss.token)
    await enforce(boss.token)
    for (const user of [await server.user('manager'), await server.user('viewer')])
      expect((await enter(user)).scope).toBeUndefined()
    expect((await enter(elsewhere.admin, { tenant: 'elsewhere' })).scope).toBeUndefined()
  })

  test('keeps an administrator from removing the last one', async () => {
    const boss = await server.user('admin')
    const { passkeyId } = await enrolPasskey(server, boss.token)
    await enforce(boss.token)
    const { token } = boss
    const remove = { params: { passkeyId }, body: { proof }, token }
    expect((await server.api.refuse(removePasskey, remove)).code).toBe('wrong-state')
    await enrolApp(server, token)
    await server.api.call(removePasskey, remove)
    expect((await server.api.refuse(removeTotp, { body: { proof }, token })).code).toBe('wrong-state')
  })
})

describe.each(databases)('the reset of factors on %s', (_name, open) => {
  let server: TestServer
  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  test('ends every factor of a person who lost them, on record', async () => {
    const token = await server.admin()
    const user = await server.user('viewer')
    const { key } = await enrolPasskey(server, user.token)
    await enrolApp(server, user.token)
    const reset = await server.api.call(resetFactors, { params: { userId: user.id }, token })
    expect(reset).toEqual({ userId: user.id, totp: true, passkeys: 1 })
    await server.api.call(login, { body: { email: user.email, password } })
    const passkey = key.get(await loginOptions(server))
    expect((await server.api.refuse(login, { body: { passkey } })).code).toBe('invalid-credentials')
    const { events } = await server.api.call(listAuditEvents, { query: { type: 'factors.reset' }, token })
    expect(events).toMatchObject([{ resource: `agent-iam/users/${user.id}`, data: { totp: true, passkeys: 1 } }])
  })

  test('is done to nobody who holds more, and by nobody to themselves', async () => {
    const [helper, manager] = [await server.user('viewer'), await server.user('manager')]
    const entries = ['agent-iam/users*:reset-factors', 'agent-iam/users*:read']
    await inTransaction(server.inTenant(helper.tenantId), (tx) => grant(tx, helper.id, entries))
    const attempt = (userId: string) => server.api.send(resetFactors, { params: { userId }, token: helper.token })
    expect(JSON.parse((await attempt(manager.id)).text)).toMatchObject({ code: 'capability-exceeded' })
    expect(JSON.parse((await attempt(helper.id)).text)).toMatchObject({ code: 'forbidden' })
    expect((await attempt((await server.user('viewer')).id)).status).toBe(200)
  })
})
