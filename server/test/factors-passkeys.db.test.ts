import { generateKeyPairSync } from 'node:crypto'
import { login } from '@agent-iam/contract/auth'
import {
  listFactors,
  passkeyCreationOptions,
  registerPasskey,
  removePasskey,
  renamePasskey,
} from '@agent-iam/contract/factors'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { selfSigned } from './certificates.ts'
import { databases, type TestDatabase } from './databases.ts'
import { enrolApp, enrolPasskey, loginOptions, proof } from './factors.ts'
import { SoftwarePasskey, type Changes } from './software-passkey.ts'
import { openServer, password, uuidOf, type TestServer, type TestUser } from './test-server.ts'

describe.each(databases)('passkeys on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let other: TestServer

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
    other = await server.beside()
  })
  afterAll(() => server.close())

  const enter = (body: object, at = server) => at.api.send(login, { body })
  const refused = async (body: object, at = server) => (await at.api.refuse(login, { body })).code
  const begin = async ({ token }: TestUser) =>
    (await server.api.call(passkeyCreationOptions, { body: { proof }, token })).options

  test('one logs its person in alone, and the session says so', async () => {
    const user = await server.user()
    const { key, recoveryCodes } = await enrolPasskey(server, user.token)
    expect(recoveryCodes).toHaveLength(10)
    const tokens = await server.api.call(login, { body: { passkey: key.get(await loginOptions(server)) } })
    const { passkeys } = await server.api.call(listFactors, { token: tokens.accessToken })
    expect(passkeys).toMatchObject([{ name: 'laptop', isSynced: false, lastUsedAt: expect.any(String) }])
    const methods = await database.ask('select method from sessions where identity_id = $1 order by id', [
      uuidOf(user.id),
    ])
    expect(methods).toEqual([{ method: 'password' }, { method: 'passkey' }])
  })

  test('one logs in on the instance that did not ask', async () => {
    const user = await server.user()
    const { key } = await enrolPasskey(server, user.token)
    expect((await enter({ passkey: key.get(await loginOptions(server)) }, other)).status).toBe(200)
  })

  test('one passes the lock that wrong passwords made', async () => {
    const user = await server.user()
    const { key } = await enrolPasskey(server, user.token)
    for (let n = 0; n < 5; n++)
      await server.api.send(login, { body: { email: user.email, password: 'a guess' }, from: '10.8.8.8' })
    const right = { email: user.email, password }
    expect((await server.api.refuse(login, { body: right, from: '10.8.8.8' })).code).toBe('too-many-attempts')
    const passkey = key.get(await loginOptions(server))
    expect((await server.api.send(login, { body: { passkey }, from: '10.8.8.8' })).status).toBe(200)
  })

  test('one is asked for beside the password once it is registered', async () => {
    const user = await server.user()
    const { key } = await enrolPasskey(server, user.token)
    const body = { email: user.email, password }
    expect(await server.api.refuse(login, { body })).toMatchObject({
      code: 'second-factor-required',
      errors: [{ message: 'passkey' }, { message: 'recovery' }],
    })
    const secondFactor = { type: 'passkey', response: key.get(await loginOptions(server)) }
    expect((await enter({ ...body, secondFactor })).status).toBe(200)
  })

  const strangersKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const dishonest: ReadonlyArray<readonly [what: string, changes: Changes]> = [
    ['from another origin', { origin: 'http://localhost:9001' }],
    ['from a page that looks alike', { origin: 'http://localhost.example.com:9000' }],
    ['for another relying party', { rpId: 'example.com' }],
    ['that was to register', { type: 'webauthn.create' }],
    ['without its person verified', { flags: 0x01 }],
    ['without its person there', { flags: 0x04 }],
    ['with the counter that was', { counter: 4 }],
    ['with a counter below', { counter: 3 }],
    ['with no counter, after one', { counter: 0 }],
    ['signed by another key', { key: strangersKey }],
    ['to a challenge of its own', { challenge: Buffer.alloc(56, 7).toString('base64url') }],
    ['to no challenge', { challenge: '' }],
    ['of a credential nobody has', { credentialId: Buffer.alloc(16, 9).toString('base64url') }],
    ['of nobody', { userHandle: Buffer.alloc(16, 9).toString('base64url') }],
    ['of whoever', { userHandle: 'e30' }],
  ]
  test.each(dishonest)(
    'an answer %s is refused, in the words for a passkey that nobody has',
    async (_what, changes) => {
      const user = await server.user()
      const { key } = await enrolPasskey(server, user.token)
      key.counter = 3
      expect((await enter({ passkey: key.get(await loginOptions(server)) })).status).toBe(200)
      const sent = { passkey: key.get(await loginOptions(server), changes) }
      const stranger = { passkey: new SoftwarePasskey().get(await loginOptions(server)) }
      const [wrong, unknown] = [
        await server.api.refuse(login, { body: sent }),
        await server.api.refuse(login, { body: stranger }),
      ]
      expect({ ...wrong, requestId: '' }).toEqual({ ...unknown, requestId: '' })
      expect(wrong.code).toBe('invalid-credentials')
      expect((await enter({ passkey: key.get(await loginOptions(server)) })).status).toBe(200)
    },
  )

  test('a challenge is answered once, for five minutes, and on whichever instance', async () => {
    const user = await server.user()
    const { key } = await enrolPasskey(server, user.token)
    const options = await loginOptions(server)
    const answers = Array.from({ length: 6 }, () => key.get(options))
    const sent = answers.map((passkey, n) => enter({ passkey }, n % 2 ? server : other))
    const statuses = (await Promise.all(sent)).map(({ status }) => status).toSorted((a, b) => a - b)
    expect(statuses).toEqual([200, 401, 401, 401, 401, 401])
    const late = await loginOptions(server)
    server.clock.advance(301)
    expect(await refused({ passkey: key.get(late) })).toBe('invalid-credentials')
  })

  test('of two answers with one counter to two challenges, one gets in: the key was copied', async () => {
    const user = await server.user()
    const { key } = await enrolPasskey(server, user.token)
    const sent = [1, 2, 3, 4].map(async (n) => {
      const passkey = key.get(await loginOptions(server), { counter: 50 })
      return enter({ passkey }, n % 2 ? server : other)
    })
    const statuses = (await Promise.all(sent)).map(({ status }) => status).toSorted((a, b) => a - b)
    expect(statuses).toEqual([200, 401, 401, 401])
  })

  test('a passkey that does not count logs in again and again', async () => {
    const user = await server.user()
    const key = new SoftwarePasskey()
    const response = key.create(await begin(user), { counter: 0 })
    await server.api.call(registerPasskey, { body: { name: 'synced', response }, token: user.token })
    for (let n = 0; n < 2; n++)
      expect((await enter({ passkey: key.get(await loginOptions(server), { counter: 0 }) })).status).toBe(200)
  })

  test('another person’s passkey is no second factor', async () => {
    const [one, two] = [await server.user(), await server.user()]
    await enrolPasskey(server, one.token)
    const { key } = await enrolPasskey(server, two.token)
    for (const changes of [{}, { userHandle: Buffer.from(one.id.slice(4), 'hex').toString('base64url') }]) {
      const secondFactor = { type: 'passkey', response: key.get(await loginOptions(server), changes) }
      expect(await refused({ email: one.email, password, secondFactor })).toBe('invalid-credentials')
    }
  })

  test('one of another tenant is refused where the tenant is named', async () => {
    const { admin } = await server.tenant('elsewhere')
    const { key } = await enrolPasskey(server, admin.token)
    const passkey = async () => key.get(await loginOptions(server))
    for (const tenant of ['default', 'nowhere'])
      expect(await refused({ passkey: await passkey(), tenant })).toBe('invalid-credentials')
    expect((await enter({ passkey: await passkey(), tenant: 'elsewhere' })).status).toBe(200)
    expect((await enter({ passkey: await passkey() })).status).toBe(200)
  })

  test('one of a suspended person is told so only after it was proved', async () => {
    const user = await server.user()
    const { key } = await enrolPasskey(server, user.token)
    await database.ask(`update identities set status = 'suspended' where id = $1`, [uuidOf(user.id)])
    expect(await refused({ passkey: key.get(await loginOptions(server)) })).toBe('identity-inactive')
    expect(await refused({ passkey: key.get(await loginOptions(server), { key: strangersKey }) })).toBe(
      'invalid-credentials',
    )
  })

  describe('registering one', () => {
    const unacceptable: ReadonlyArray<readonly [what: string, changes: Changes]> = [
      ['at another origin', { origin: 'https://example.com' }],
      ['for another relying party', { rpId: 'example.com' }],
      ['by a login', { type: 'webauthn.get' }],
      ['whose person was not verified', { flags: 0x01 }],
      ['that is no CBOR', { attestation: Buffer.from('nonsense') }],
    ]
    test.each(unacceptable)('made %s is refused', async (_what, changes) => {
      const user = await server.user()
      const response = new SoftwarePasskey().create(await begin(user), changes)
      const refusal = await server.api.refuse(registerPasskey, { body: { name: 'x', response }, token: user.token })
      expect(refusal.code).toBe('invalid-credentials')
      expect(await server.api.call(listFactors, { token: user.token })).toMatchObject({ passkeys: [] })
    })

    test('takes options of the same session, not used before, and not of a login', async () => {
      const [one, two] = [await server.user(), await server.user()]
      const attempt = async (challenge: string, token: string) => {
        const response = new SoftwarePasskey().create({ challenge, user: { id: 'AAAA' } })
        const { status, text } = await server.api.send(registerPasskey, { body: { name: 'x', response }, token })
        return status === 200 ? 'registered' : String(JSON.parse(text).code)
      }
      const options = await begin(one)
      expect(await attempt(options.challenge, two.token)).toBe('invalid-credentials')
      const again = await server.api.call(login, { body: { email: one.email, password } })
      expect(await attempt(options.challenge, again.accessToken)).toBe('invalid-credentials')
      expect(await attempt((await loginOptions(server)).challenge, one.token)).toBe('invalid-credentials')
      expect(await attempt(options.challenge, one.token)).toBe('registered')
      expect(await attempt(options.challenge, one.token)).toBe('replayed')
    })

    test('with a certificate of its maker is refused, since it could lead us to addresses of anybody’s', async () => {
      const user = await server.user()
      const maker = await selfSigned('Key,OU=Authenticator Attestation,O=Maker,C=SE')
      const response = new SoftwarePasskey().create(await begin(user), { maker })
      const refusal = await server.api.refuse(registerPasskey, { body: { name: 'x', response }, token: user.token })
      expect(refusal.code).toBe('invalid-credentials')
    })

    test('takes a fresh proof', async () => {
      const user = await server.user()
      const body = { proof: { type: 'password', password: 'a guess' } }
      const refusal = await server.api.refuse(passkeyCreationOptions, { body, token: user.token })
      expect(refusal.code).toBe('invalid-credentials')
    })

    test('tells the browser which there are, and refuses one of them', async () => {
      const user = await server.user()
      const { key } = await enrolPasskey(server, user.token)
      const options = await begin(user)
      expect(options.excludeCredentials).toEqual([{ type: 'public-key', id: key.id }])
      const body = { name: 'again', response: key.create(options) }
      expect((await server.api.refuse(registerPasskey, { body, token: user.token })).code).toBe('already-exists')
    })
  })

  test('one is renamed and removed by its own person alone', async () => {
    const [one, two] = [await server.user(), await server.user('admin')]
    const { passkeyId, key } = await enrolPasskey(server, one.token)
    const params = { passkeyId }
    for (const [operation, body] of [
      [renamePasskey, { name: 'mine' }],
      [removePasskey, { proof }],
    ] as const)
      expect((await server.api.refuse(operation, { params, body, token: two.token })).code).toBe('not-found')
    const renamed = await server.api.call(renamePasskey, { params, body: { name: 'mine' }, token: one.token })
    expect(renamed.name).toBe('mine')
    const wrong = { proof: { type: 'password', password: 'a guess' } }
    const refusal = await server.api.refuse(removePasskey, { params, body: wrong, token: one.token })
    expect(refusal.code).toBe('invalid-credentials')
    await server.api.call(removePasskey, { params, body: { proof }, token: one.token })
    expect(await refused({ passkey: key.get(await loginOptions(server)) })).toBe('invalid-credentials')
    await server.api.call(login, { body: { email: one.email, password } })
  })

  test('recovery codes come with the first factor, whichever, and go with the last', async () => {
    const user = await server.user()
    const first = await enrolPasskey(server, user.token)
    const second = await enrolPasskey(server, user.token, 'ring')
    const { recoveryCodes } = await enrolApp(server, user.token)
    expect([first, second].map((each) => each.recoveryCodes.length)).toEqual([10, 0])
    expect(recoveryCodes).toEqual([])
    for (const { passkeyId } of [first, second])
      await server.api.call(removePasskey, { params: { passkeyId }, body: { proof }, token: user.token })
    expect(await server.api.call(listFactors, { token: user.token })).toMatchObject({ recoveryCodesLeft: 10 })
  })
})
