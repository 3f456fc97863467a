import { hash as argon2 } from '@node-rs/argon2'
import { hash as bcrypt } from '@node-rs/bcrypt'
import { login, validate } from '@agent-iam/contract/auth'
import { completeSetup } from '@agent-iam/contract/setup'
import type { UserId } from '@agent-iam/contract/ids'
import { importUsers } from '@agent-iam/contract/users'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashPassword, preparePassword, setPassword } from '../src/features/credentials/service.ts'
import { openSetup } from '../src/features/setup/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { passwordOwnerOfTests } from './password-owner.ts'
import { databases, type TestDatabase } from './databases.ts'
import { openServer, password, startServer, uuidOf, type TestServer } from './test-server.ts'
import { TestClock } from './test-clock.ts'

const better = 'seven oranges under a violin'

describe.each(databases)('passwords on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let token: string

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
    token = await server.admin()
  })
  afterAll(() => server.close())

  const inDefault = () => server.inTenant(server.app.defaultTenantId)
  const set = (id: UserId, hash: string, options = {}) =>
    inTransaction(inDefault(), (tx) => setPassword(tx, id, hash, options))

  async function hashOf(id: UserId): Promise<string> {
    const [row] = await database.ask('select hash from passwords where identity_id = $1', [uuidOf(id)])
    return String(row?.['hash'])
  }

  async function outcome(body: object): Promise<string> {
    const { status, text } = await server.api.send(login, { body })
    return status === 200 ? 'done' : String(JSON.parse(text).code)
  }

  test('a password that must be changed is good for nothing but choosing another', async () => {
    const user = await server.user('member')
    await set(user.id, await hashPassword(passwordOwnerOfTests, password), { mustChange: true })
    const body = { email: user.email, password }
    expect(await outcome({ ...body, password: 'not the password' })).toBe('invalid-credentials')
    expect(await outcome(body)).toBe('password-change-required')
    for (const newPassword of [password, 'password1234', user.email])
      expect((await server.api.refuse(login, { body: { ...body, newPassword } })).code).toBe('invalid-request')
    const { accessToken } = await server.api.call(login, { body: { ...body, newPassword: better } })
    await server.api.call(validate, { token: accessToken })
    expect(await outcome(body)).toBe('invalid-credentials')
    expect(await outcome({ ...body, password: better })).toBe('done')
    // What was begun with the old password has ended.
    expect((await server.api.refuse(validate, { token: user.token })).code).toBe('token-revoked')
    const events = await database.ask(`select actor from audit_events where type = 'user.password-changed'`)
    expect(events).toMatchObject([{ actor: user.id }])
  })

  test('a new password is taken at a login only where one is due', async () => {
    const { email } = await server.user()
    const problem = await server.api.refuse(login, { body: { email, password, newPassword: better } })
    expect(problem).toMatchObject({ code: 'invalid-request', errors: [{ field: 'newPassword' }] })
    expect(await outcome({ email, password: better })).toBe('invalid-credentials')
  })

  test('a hash by other parameters is made anew at the next good login, and at no other', async () => {
    const user = await server.user()
    const old = await argon2(password, { memoryCost: 8192, timeCost: 1, parallelism: 1 })
    await set(user.id, old)
    expect(await outcome({ email: user.email, password: 'not the password' })).toBe('invalid-credentials')
    expect(await hashOf(user.id)).toBe(old)
    expect(await outcome({ email: user.email, password })).toBe('done')
    const made = await hashOf(user.id)
    expect(made).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(await outcome({ email: user.email, password })).toBe('done')
    expect(await hashOf(user.id)).toBe(made)
  })

  test.each(['2a', '2b', '2y'] as const)(
    'a user is imported with a $%s$ hash, which the first login replaces',
    async (version) => {
      const email = `imported-${version}@example.com`
      const passwordHash = await bcrypt(password, { cost: 5, version })
      const body = {
        users: [{ email: email.toUpperCase(), name: 'Imported', passwordHash, roles: ['viewer' as const] }],
      }
      const { users } = await server.api.call(importUsers, { body, token })
      const userId = users[0]?.userId ?? 'usr_'
      expect(users).toEqual([{ userId, email }])
      expect(await outcome({ email, password: 'not the password' })).toBe('invalid-credentials')
      expect(await hashOf(userId)).toBe(passwordHash)
      expect(await outcome({ email, password })).toBe('done')
      expect(await hashOf(userId)).toMatch(/^\$argon2id\$/)
      expect(await outcome({ email, password })).toBe('done')
    },
  )

  test('an imported hash of a password longer than bcrypt reads stays as it is', async () => {
    const long = 'x'.repeat(72)
    const passwordHash = await bcrypt(long, { cost: 5 })
    const body = { users: [{ email: 'long@example.com', name: 'Long', passwordHash }] }
    const { users } = await server.api.call(importUsers, { body, token })
    expect(await outcome({ email: 'long@example.com', password: `${long}yz` })).toBe('done')
    expect(await hashOf(users[0]?.userId ?? 'usr_')).toBe(passwordHash)
  })

  test.each([
    ['no hash', 'secret'],
    ['a label that bcrypt never had', '$2x$05$abcdefghijklmnopqrstuuTAQXJ2jpO9t3bDnW3kWzN1p8YB9nYFe'],
    ['a cost that would hold up everyone', '$2b$13$abcdefghijklmnopqrstuuTAQXJ2jpO9t3bDnW3kWzN1p8YB9nYFe'],
    ['an Argon2 hash of any size', '$argon2id$v=19$m=4000000,t=9,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA'],
  ])('%s is not imported', async (_what, passwordHash) => {
    const body = { users: [{ email: 'bad@example.com', name: 'Bad', passwordHash }] }
    const problem = await server.api.refuse(importUsers, { body, token })
    expect(problem).toMatchObject({ code: 'invalid-request', errors: [{ field: 'users.0.passwordHash' }] })
    expect(problem.detail).toContain('cost 12 or less')
  })

  test('an imported password that must be changed is, at the first login', async () => {
    const user = { email: 'new.hand@example.com', name: 'Hand', passwordHash: await bcrypt(password, { cost: 4 }) }
    const body = { users: [{ ...user, mustChangePassword: true }] }
    await server.api.call(importUsers, { body, token })
    const proved = { email: user.email, password }
    expect(await outcome(proved)).toBe('password-change-required')
    expect(await outcome({ ...proved, newPassword: better })).toBe('done')
    expect(await outcome({ email: user.email, password: better })).toBe('done')
  })

  test('an import is whole or not at all, and gives no role that the importer may not', async () => {
    const passwordHash = await bcrypt(password, { cost: 5 })
    const one = { email: 'one@example.com', name: 'One', passwordHash }
    const twice = await server.api.refuse(importUsers, { body: { users: [one, one] }, token })
    expect(twice.code).toBe('already-exists')
    expect(await outcome({ email: one.email, password })).toBe('invalid-credentials')
    const manager = await server.user('manager')
    expect((await server.api.refuse(importUsers, { body: { users: [one] }, token: manager.token })).code).toBe(
      'forbidden',
    )
  })

  test('a login costs the same statements with an imported hash in the tenant, whosever it is', async () => {
    const passwordHash = await bcrypt(password, { cost: 5 })
    await server.api.call(importUsers, {
      body: { users: [{ email: 'kept@example.com', name: 'K', passwordHash }] },
      token,
    })
    const { email } = await server.user()
    for (const each of [email, 'kept@example.com', 'nobody@example.com'])
      expect(await outcome({ email: each, password: 'not the password' })).toBe('invalid-credentials')
    expect(await outcome({ email, password })).toBe('done')
    expect(await outcome({ email: 'nobody@example.com', password })).toBe('invalid-credentials')
  })

  const owner = {
    field: 'newPassword' as const,
    email: 'marie.curie@example.com',
    name: 'Marie Curie',
    tenant: 'institut',
  }

  test('none of the last five is taken again; the sixth is', async () => {
    const { id, email } = await server.user()
    const chosen = ['violin', 'marmalade', 'submarine', 'cathedral', 'hurricane', 'saxophone'].map(
      (word) => `nineteen ${word} and a broken kettle`,
    )
    for (const each of chosen) await set(id, await hashPassword(passwordOwnerOfTests, each))
    const take = (each: string) => preparePassword(inDefault(), each, { ...owner, email, userId: id })
    for (const each of chosen.slice(1))
      await expect(take(each)).rejects.toMatchObject({ errors: [{ message: expect.stringMatching(/last 5/) }] })
    expect(await take(chosen[0] ?? '')).toMatch(/^\$argon2id\$/)
    const kept = await database.ask('select hash from former_passwords where identity_id = $1', [uuidOf(id)])
    expect(kept).toHaveLength(4)
  })

  test('letters that look alike and are composed otherwise are the same password', async () => {
    const user = await server.user()
    await set(user.id, await hashPassword(passwordOwnerOfTests, 'fünf Äpfel im Kühlschrank'.normalize('NFC')))
    expect(await outcome({ email: user.email, password: 'fünf Äpfel im Kühlschrank'.normalize('NFD') })).toBe('done')
  })

  test('a password is measured in characters', async () => {
    const fresh = await startServer(await open(), { masterKey: Buffer.alloc(32, 5), clock: new TestClock() })
    const link = (await openSetup(fresh.app.system, { onlyOne: false })) ?? ''
    const setup = (chosen: string) =>
      fresh.api.send(completeSetup, { body: { token: link, email: 'a@example.com', password: chosen } })
    for (const chosen of ['🍊🎻🚢🌋🐙🦉', 'short', 'x'.repeat(129), '\ud800 twelve and more'])
      expect((await setup(chosen)).status, chosen).toBe(400)
    const emoji = '🍊🎻🚢🌋🐙🦉🧲🪐🥁🧵🪁🧊'
    expect((await setup(emoji)).status).toBe(200)
    await fresh.api.call(login, { body: { email: 'a@example.com', password: emoji } })
    await fresh.close()
  })
})
