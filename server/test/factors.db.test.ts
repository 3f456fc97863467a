import { login, validate } from '@agent-iam/contract/auth'
import {
  confirmTotp,
  enrolTotp,
  listFactors,
  removeTotp,
  renewRecoveryCodes,
  type SecondFactor,
} from '@agent-iam/contract/factors'
import { unlockUser } from '@agent-iam/contract/users'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { databases, type TestDatabase } from './databases.ts'
import { enrolApp, proof } from './factors.ts'
import { openServer, password, uuidOf, type TestServer, type TestUser } from './test-server.ts'

type Sent = z.input<typeof SecondFactor>

describe.each(databases)('a second factor on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let other: TestServer

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
    other = await server.beside()
  })
  afterAll(() => server.close())

  const bodyOf = ({ email }: TestUser, secondFactor?: Sent) => ({
    body: { email, password, ...(secondFactor && { secondFactor }) },
  })
  const totp = (code: string): Sent => ({ type: 'totp', code })
  const recovery = (code: string): Sent => ({ type: 'recovery', code })
  const enter = (user: TestUser, sent?: Sent, at = server) => at.api.call(login, bodyOf(user, sent))
  const refused = (user: TestUser, sent?: Sent, at = server) => at.api.refuse(login, bodyOf(user, sent))

  async function methodsOf({ id }: TestUser): Promise<unknown[]> {
    const rows = await database.ask('select method from sessions where identity_id = $1 order by started_at, id', [
      uuidOf(id),
    ])
    return rows.map(({ method }) => method)
  }

  test('is asked for once it is enrolled, by its kinds, and the session says how it was proved', async () => {
    const user = await server.user('viewer')
    const { app, recoveryCodes } = await enrolApp(server, user.token)
    expect(recoveryCodes).toHaveLength(10)
    expect(await refused(user)).toMatchObject({
      status: 401,
      code: 'second-factor-required',
      errors: [
        { field: 'secondFactor.type', message: 'totp' },
        { field: 'secondFactor.type', message: 'recovery' },
      ],
    })
    await enter(user, totp(app.fresh()))
    await enter(user, recovery(recoveryCodes[0] ?? ''))
    expect(await methodsOf(user)).toEqual(['password', 'password+totp', 'password+recovery'])
    const factors = await server.api.call(listFactors, { token: user.token })
    expect(factors).toMatchObject({ passkeys: [], recoveryCodesLeft: 9, isRequired: false })
    expect(factors.totp).not.toBeNull()
  })

  test('is not looked at with a wrong password, and not told of', async () => {
    const user = await server.user()
    const { app } = await enrolApp(server, user.token)
    const code = app.fresh()
    const wrong = { ...bodyOf(user, totp(code)).body, password: 'not the password' }
    const refusal = await server.api.refuse(login, { body: wrong })
    const unknown = await server.api.refuse(login, { body: { ...wrong, email: 'nobody@example.com' } })
    expect({ ...refusal, requestId: '' }).toEqual({ ...unknown, requestId: '' })
    await enter(user, totp(code))
  })

  test('that was never enrolled proves nothing', async () => {
    const user = await server.user()
    for (const sent of [totp('123456'), recovery('0000-0000-0000-0000')])
      expect((await refused(user, sent)).code).toBe('invalid-credentials')
    await enter(user)
  })

  test('a code is good once, and with it every code before', async () => {
    const user = await server.user()
    const { app } = await enrolApp(server, user.token)
    expect((await refused(user, totp(app.code()))).code).toBe('invalid-credentials')
    const [before, now] = [app.fresh(), app.code(1)]
    await enter(user, totp(now))
    expect((await refused(user, totp(now), other)).code).toBe('invalid-credentials')
    expect((await refused(user, totp(before))).code).toBe('invalid-credentials')
    await enter(user, totp((app.fresh(), app.fresh())), other)
  })

  test('a code is taken one step early or late, and no more', async () => {
    const user = await server.user()
    const { app } = await enrolApp(server, user.token)
    // To the beginning of a step, so that none ends between making a code and sending it.
    const intoStep = (server.clock.now().getTime() / 1000) % 30
    server.clock.advance(301 + 30 - intoStep)
    for (const away of [-2, 2]) expect((await refused(user, totp(app.code(away)))).code).toBe('invalid-credentials')
    await enter(user, totp(app.code(-1)))
    await enter(user, totp(app.code(1)))
  })

  test('of ten who send one code at once to two instances, one gets in', async () => {
    const user = await server.user()
    const { app } = await enrolApp(server, user.token)
    const code = app.fresh()
    const sent = Array.from({ length: 10 }, (_, n) =>
      (n % 2 ? server : other).api.send(login, bodyOf(user, totp(code))),
    )
    const statuses = (await Promise.all(sent)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
  })

  test('of ten who send one recovery code at once to two instances, one gets in', async () => {
    const user = await server.user()
    const { recoveryCodes } = await enrolApp(server, user.token)
    const [code = ''] = recoveryCodes
    const sent = Array.from({ length: 10 }, (_, n) =>
      (n % 2 ? server : other).api.send(login, bodyOf(user, recovery(code))),
    )
    const statuses = (await Promise.all(sent)).map(({ status }) => status).toSorted((a, b) => a - b)
    expect(statuses).toEqual([200, ...Array.from({ length: 9 }, () => 401)])
  })

  test('five wrong codes close it to every address and instance for a quarter of an hour, but not to a recovery code', async () => {
    const user = await server.user()
    const { app, recoveryCodes } = await enrolApp(server, user.token)
    server.clock.advance(60)
    const wrong = app.code(10)
    for (let n = 0; n < 5; n++) expect((await refused(user, totp(wrong))).code).toBe('invalid-credentials')
    for (const at of [server, other])
      expect(await refused(user, totp(app.code()), at)).toMatchObject({ status: 429, code: 'too-many-attempts' })
    await enter(user, recovery(recoveryCodes[3] ?? ''))
    server.clock.advance(901)
    await enter(user, totp(app.code()))
    const [locked] = await database.ask(
      `select count(*)::int as count from audit_events where type = 'login.locked' and tenant_id = $1`,
      [uuidOf(user.tenantId)],
    )
    expect(locked?.['count']).toBeGreaterThan(0)
  })

  test('an administrator opens it again', async () => {
    const user = await server.user()
    const { app } = await enrolApp(server, user.token)
    for (let n = 0; n < 5; n++) await refused(user, totp(app.code(10)))
    const code = app.fresh()
    expect((await refused(user, totp(code))).code).toBe('too-many-attempts')
    await server.api.call(unlockUser, { params: { userId: user.id }, token: await server.admin() })
    await enter(user, totp(code))
  })

  test('codes that are right do not add up to a lock', async () => {
    const user = await server.user()
    const { app } = await enrolApp(server, user.token)
    for (let n = 0; n < 7; n++) expect(await enter(user, totp(app.fresh()))).toHaveProperty('accessToken')
  })

  test('recovery codes are good once each, however typed, and new ones end the old', async () => {
    const user = await server.user()
    const { recoveryCodes } = await enrolApp(server, user.token)
    const [first = '', second = ''] = recoveryCodes
    await enter(user, recovery(first.toUpperCase().replaceAll('-', ' ')))
    expect((await refused(user, recovery(first))).code).toBe('invalid-credentials')
    const renewed = await server.api.call(renewRecoveryCodes, { body: { proof }, token: user.token })
    expect(renewed.recoveryCodes).toHaveLength(10)
    expect((await refused(user, recovery(second))).code).toBe('invalid-credentials')
    await enter(user, recovery(renewed.recoveryCodes[9] ?? ''))
  })

  test('another person’s codes are none', async () => {
    const [one, two] = [await server.user(), await server.user()]
    await enrolApp(server, one.token)
    const { app, recoveryCodes } = await enrolApp(server, two.token)
    expect((await refused(one, totp(app.fresh()))).code).toBe('invalid-credentials')
    expect((await refused(one, recovery(recoveryCodes[0] ?? ''))).code).toBe('invalid-credentials')
  })

  test('nothing of it is stored that could be used, and no event tells it', async () => {
    const user = await server.user()
    const { secret, otpauthUri } = await server.api.call(enrolTotp, { body: { proof }, token: user.token })
    expect(otpauthUri).toContain(encodeURIComponent(user.email))
    const rows = await database.ask('select * from totp_factors where identity_id = $1', [uuidOf(user.id)])
    expect(rows).toHaveLength(1)
    const { Secret } = await import('otpauth')
    expect(Buffer.from(String(rows[0]?.['secret'])).includes(Buffer.from(Secret.fromBase32(secret).bytes))).toBe(false)
    const { recoveryCodes } = await enrolApp(server, user.token)
    const leaves = await database.ask(`select convert_from(leaf, 'UTF8') as leaf from audit_events`)
    const log = leaves.map(({ leaf }) => String(leaf)).join('\n')
    expect(log).toContain('factor.enrolled')
    for (const told of [secret, ...recoveryCodes]) expect(log).not.toContain(told)
  })

  describe('its enrolment', () => {
    test('takes a fresh proof, and counts wrong ones', async () => {
      const user = await server.user()
      const from = '10.9.9.9'
      const wrong = { body: { proof: { type: 'password', password: 'a guess' } }, token: user.token, from }
      for (let n = 0; n < 5; n++)
        expect(await server.api.refuse(enrolTotp, wrong)).toMatchObject({ code: 'invalid-credentials' })
      const right = { body: { proof }, token: user.token, from }
      expect((await server.api.refuse(enrolTotp, right)).code).toBe('too-many-attempts')
      server.clock.advance(901)
      const { accessToken: token } = await enter(user)
      await server.api.call(enrolTotp, { ...right, token })
    })

    test('counts only once a first code confirms it, within a quarter of an hour', async () => {
      const user = await server.user()
      expect((await server.api.refuse(confirmTotp, { body: { code: '123456' }, token: user.token })).code).toBe(
        'wrong-state',
      )
      await server.api.call(enrolTotp, { body: { proof }, token: user.token })
      const refusal = await server.api.refuse(confirmTotp, { body: { code: '123456' }, token: user.token })
      expect(refusal.code).toBe('invalid-credentials')
      const { accessToken: token } = await enter(user)
      server.clock.advance(880)
      const late = await server.api.call(login, bodyOf(user))
      server.clock.advance(30)
      expect((await server.api.refuse(confirmTotp, { body: { code: '123456' }, token: late.accessToken })).code).toBe(
        'wrong-state',
      )
      expect(token).not.toBe(late.accessToken)
      await enrolApp(server, late.accessToken)
      const again = { body: { proof }, token: late.accessToken }
      expect((await server.api.refuse(enrolTotp, again)).code).toBe('wrong-state')
    })

    test('ends by a fresh proof, and with the last factor go the recovery codes', async () => {
      const user = await server.user()
      const { app, recoveryCodes } = await enrolApp(server, user.token)
      const body = { proof: { type: 'password', password: 'a guess' } }
      expect((await server.api.refuse(removeTotp, { body, token: user.token })).code).toBe('invalid-credentials')
      const byCode = { proof: { type: 'totp' as const, code: app.fresh() } }
      await server.api.call(removeTotp, { body: byCode, token: user.token })
      await enter(user)
      expect((await refused(user, recovery(recoveryCodes[0] ?? ''))).code).toBe('invalid-credentials')
      const factors = await server.api.call(listFactors, { token: user.token })
      expect(factors).toMatchObject({ totp: null, recoveryCodesLeft: 0 })
      expect((await server.api.refuse(removeTotp, { body: { proof }, token: user.token })).code).toBe('wrong-state')
    })

    test('is for people', async () => {
      const { accessToken } = await enter(await server.user('admin'))
      await server.api.call(validate, { token: accessToken })
      const { makeAgent, loginAgent } = await import('./agents.ts')
      const agent = await loginAgent(server, await makeAgent(server, accessToken))
      expect((await server.api.refuse(listFactors, { token: agent.accessToken })).code).toBe('forbidden')
    })
  })
})
