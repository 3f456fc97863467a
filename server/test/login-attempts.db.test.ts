import { forgotPassword } from '@agent-iam/contract/accounts'
import { login } from '@agent-iam/contract/auth'
import { platformTenantId } from '@agent-iam/contract/ids'
import { unlockUser } from '@agent-iam/contract/users'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databases, type TestDatabase } from './databases.ts'
import { watchStatements } from './statements.ts'
import { anotherSender } from './senders.ts'
import { openServer, password, uuidOf, type TestServer, type TestUser } from './test-server.ts'

const quarterSeconds = 15 * 60

describe.each(databases)('attempts to log in, on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  /** Somebody new for each test, whose counts are nobody else's. */
  let user: TestUser

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
  })
  beforeEach(async () => {
    user = await server.user('member')
  })
  afterAll(() => server.close())

  /** Addresses of which no two share a network. */

  /** Logs in, and tells how that ended. */
  async function attempt(body: object, from: string, at = server): Promise<string> {
    const { status, text } = await at.api.send(login, { body: { email: user.email, password, ...body }, from })
    return status === 200 ? 'done' : String(JSON.parse(text).code)
  }

  async function attempts(count: number, body: object, from: string, at = server): Promise<string[]> {
    const outcomes = []
    for (let n = 0; n < count; n++) outcomes.push(await attempt(body, from, at))
    return outcomes
  }

  const wrong = { password: 'not the password' }
  const failed = (count: number) => Array<string>(count).fill('invalid-credentials')
  const refused = (count: number) => Array<string>(count).fill('too-many-attempts')
  const done = (count: number) => Array<string>(count).fill('done')

  test('an address has ten a minute, whatever it names, and is told when to come back', async () => {
    const from = anotherSender()
    expect(await attempts(10, {}, from)).toEqual(done(10))
    for (const body of [{}, { tenant: 'nowhere' }, { email: 'nobody@example.com' }])
      expect(await attempt(body, from)).toBe('too-many-attempts')
    const { headers } = await server.api.send(login, { body: { email: user.email, password }, from })
    expect(Number(headers['retry-after'])).toBeGreaterThan(50)
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(60)
    expect(await attempt({}, anotherSender())).toBe('done')
    server.clock.advance(61)
    expect(await attempt({}, from)).toBe('done')
  })

  test('of twenty at once from one address, ten are looked at', async () => {
    const from = anotherSender()
    const users = await Promise.all(Array.from({ length: 20 }, () => server.user()))
    const outcomes = await Promise.all(users.map((each) => attempt({ email: each.email }, from)))
    expect(outcomes.toSorted()).toEqual([...done(10), ...refused(10)].toSorted())
  })

  test('an IPv6 address counts with its whole /64, and an IPv4 one however it is written', async () => {
    for (let n = 1; n <= 10; n++) await attempt({}, `2001:db8:7:7::${n}`)
    expect(await attempt({}, '2001:db8:7:7:ffff::1')).toBe('too-many-attempts')
    expect(await attempt({}, '2001:db8:7:8::1')).toBe('done')
    for (let n = 1; n <= 10; n++) await attempt({}, '192.0.2.9')
    expect(await attempt({}, '::ffff:192.0.2.9')).toBe('too-many-attempts')
  })

  test('an IPv6 site has ten networks’ worth of them, in however many networks', async () => {
    const ask = (from: string) =>
      server.api.send(forgotPassword, { body: { email: 'nobody@example.com' }, from }).then(({ status }) => status)
    const sent = await Promise.all(Array.from({ length: 105 }, (_, n) => ask(`2001:db8:9:${n.toString(16)}::1`)))
    expect(sent.filter((status) => status === 200)).toHaveLength(100)
    expect(sent.filter((status) => status === 429)).toHaveLength(5)
    expect(await ask('2001:db8:a::1')).toBe(200)
  })

  test('five failures close the account to that address for a quarter of an hour, and to no other', async () => {
    const from = anotherSender()
    expect(await attempts(5, wrong, from)).toEqual(failed(5))
    expect(await attempt({}, from)).toBe('too-many-attempts')
    expect(await attempt({}, anotherSender())).toBe('done')
    server.clock.advance(quarterSeconds - 10)
    expect(await attempt({}, from)).toBe('too-many-attempts')
    server.clock.advance(11)
    expect(await attempt({}, from)).toBe('done')
  })

  test('a good login forgets the failures before it, at that address', async () => {
    const from = anotherSender()
    for (let n = 0; n < 3; n++) {
      expect(await attempts(4, wrong, from)).toEqual(failed(4))
      expect(await attempt({}, from)).toBe('done')
      server.clock.advance(61)
    }
  })

  test('of many guesses at once, five are looked at', async () => {
    const from = anotherSender()
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => attempt(wrong, from)))
    expect(outcomes.toSorted()).toEqual([...failed(5), ...refused(5)].toSorted())
  })

  test('an account and a tenant that nobody has are closed alike, in the same words', async () => {
    const bodies = [{}, { email: 'nobody@example.com' }, { tenant: 'nowhere' }]
    const told = []
    for (const body of bodies) {
      const from = anotherSender()
      const outcomes = await attempts(5, { ...wrong, ...body }, from)
      const { requestId: _, ...words } = await server.api.refuse(login, {
        body: { email: user.email, password, ...body },
        from,
      })
      told.push({ outcomes, words: { ...words, detail: words.detail?.replace(/\d+/, 'n') } })
    }
    expect(told[1]).toEqual(told[0])
    expect(told[2]).toEqual(told[0])
  })

  test('takes the same statements, whether or not the account, the tenant or the lock exists', async () => {
    const statementsOf = async (body: object, from: string) => {
      const seen = watchStatements()
      await attempt({ ...wrong, ...body }, from)
      return seen.stop().map(({ text }) => text.replace(/app.tenant = '[^']+'/, 'app.tenant = …'))
    }
    const round = async (body: object) => {
      const from = anotherSender()
      const statements = []
      for (let n = 0; n < 6; n++) statements.push(await statementsOf(body, from))
      return statements
    }
    const bodies = [{}, { email: 'nobody@example.com' }, { tenant: 'nowhere' }]
    // The first time reads the keys that seal events; from then on they are at hand.
    for (const body of bodies) await round(body)
    const [known, unknown, nowhere] = [
      await round({}),
      await round({ email: 'who@example.com' }),
      await round({ tenant: 'no' }),
    ]
    expect(known.flat().length).toBeGreaterThan(60)
    expect(unknown).toEqual(known)
    expect(nowhere).toEqual(known)
  })

  test('the count holds across instances and a restart', async () => {
    const other = await server.beside()
    const from = anotherSender()
    expect(await attempts(3, wrong, from)).toEqual(failed(3))
    expect(await attempts(2, wrong, from, other)).toEqual(failed(2))
    expect([await attempt({}, from), await attempt({}, from, other)]).toEqual(refused(2))
    await other.close()
    const restarted = await server.beside()
    expect(await attempt({}, from, restarted)).toBe('too-many-attempts')
  })

  test('fifty failures from everywhere slow an account down, but not for a device that it knows', async () => {
    const body = { email: user.email, password }
    const { deviceToken } = await server.api.call(login, { body, from: anotherSender() })
    for (let n = 0; n < 10; n++) expect(await attempts(5, wrong, anotherSender())).toEqual(failed(5))
    expect(await attempt(wrong, anotherSender())).toBe('invalid-credentials')
    expect(await attempts(2, {}, anotherSender())).toEqual(refused(2))
    expect(await attempt({ deviceToken }, anotherSender())).toBe('done')
    server.clock.advance(61)
    expect(await attempt({}, anotherSender())).toBe('done')
    // Others are not slowed.
    const { email: other } = await server.user()
    expect(await attempt({ email: other }, anotherSender())).toBe('done')
  })

  test('a known device is kept out by no stranger at its own address, and guesses no more often than one', async () => {
    const from = anotherSender()
    const { deviceToken } = await server.api.call(login, { body: { email: user.email, password }, from })
    expect(await attempts(9, wrong, from)).toEqual([...failed(5), ...refused(4)])
    expect(await attempt({}, from)).toBe('too-many-attempts')
    expect(await attempt({ deviceToken }, from)).toBe('done')
    expect(await attempts(6, { ...wrong, deviceToken }, anotherSender())).toEqual([...failed(5), ...refused(1)])
    expect(await attempt({ deviceToken }, anotherSender())).toBe('too-many-attempts')
  })

  test('a device is known for the account that it logged in to, for 90 days, by a token that we made', async () => {
    const from = anotherSender()
    const { deviceToken = '' } = await server.api.call(login, { body: { email: user.email, password }, from })
    const { email: other } = await server.user()
    const forged = `${deviceToken.slice(0, -4)}AAAA`
    const later = deviceToken.replace(/^dev_[^.]+/, 'dev_zzzzzz')
    await attempts(5, wrong, from)
    await attempts(4, { ...wrong, email: other }, from)
    for (const token of [forged, later, 'dev_', 'dev_..', 'nonsense', ''])
      expect(await attempt({ deviceToken: token }, from), token).toBe('too-many-attempts')
    expect(await attempt({ deviceToken, email: other }, from)).toBe('too-many-attempts')
    expect(await attempt({ deviceToken }, from)).toBe('done')
    server.clock.advance(90 * 86_400 + 1)
    await attempts(5, wrong, from)
    expect(await attempt({ deviceToken }, from)).toBe('too-many-attempts')
  })

  test('an administrator releases an account; who is not one does not', async () => {
    const from = anotherSender()
    await attempts(5, wrong, from)
    const params = { userId: user.id }
    const refusal = await server.api.refuse(unlockUser, { params, token: user.token })
    expect(['forbidden', 'not-found']).toContain(refusal.code)
    expect(await attempt({}, from)).toBe('too-many-attempts')
    const token = await server.admin()
    expect(await server.api.call(unlockUser, { params, token })).toEqual({ userId: user.id, wasLocked: true })
    expect(await attempt({}, from)).toBe('done')
    expect(await server.api.call(unlockUser, { params, token })).toEqual({ userId: user.id, wasLocked: false })
    expect(await eventsOf('user.unlocked', user)).toHaveLength(2)
  })

  test('another tenant’s administrator releases nobody', async () => {
    const { admin } = await server.tenant('other')
    const refusal = await server.api.refuse(unlockUser, { params: { userId: user.id }, token: admin.token })
    expect(refusal.code).toBe('not-found')
  })

  test('the log tells when an account was closed, with the address sealed', async () => {
    const from = anotherSender()
    const closed = () =>
      database.ask(`select convert_from(leaf, 'UTF8') as leaf from audit_events where type = 'login.locked'`)
    const before = (await closed()).length
    await attempts(7, wrong, from)
    const rows = await closed()
    expect(rows).toHaveLength(before + 1)
    for (const { leaf } of rows) for (const told of [user.email, from]) expect(String(leaf)).not.toContain(told)
  })

  test('that a user is suspended is told only to who has the password', async () => {
    await database.ask(`update identities set status = 'suspended' where id = $1`, [uuidOf(user.id)])
    expect(await attempt(wrong, anotherSender())).toBe('invalid-credentials')
    expect(await attempt({}, anotherSender())).toBe('identity-inactive')
  })

  test('the counts name neither account nor address, and what has ended is swept', async () => {
    for (let n = 0; n < 30; n++) await attempt({ ...wrong, email: `nobody${n}@example.com` }, anotherSender())
    const before = await counts()
    expect(before).toBeGreaterThan(60)
    const rows = await database.ask('select account, place from attempts')
    for (const { account, place } of rows) for (const digest of [account, place]) expect(digest).toHaveLength(32)
    server.clock.advance(3601)
    for (let n = 0; n < 10; n++) await attempt({}, anotherSender())
    expect(await counts()).toBeLessThan(25)
  })

  async function counts(): Promise<number> {
    const [row] = await database.ask('select count(*)::int as count from attempts')
    return Number(row?.['count'])
  }

  function eventsOf(type: string, { id }: TestUser) {
    return database.ask('select sequence from audit_events where type = $1 and resource = $2', [
      type,
      `agent-iam/users/${id}`,
    ])
  }

  test('a refused attempt is on record in the platform’s log', async () => {
    const from = anotherSender()
    await attempts(10, {}, from)
    const { requestId } = await server.api.refuse(login, { body: { email: user.email, password }, from })
    expect(await server.refusals(platformTenantId, requestId)).toMatchObject([{ reasons: ['too-many-attempts'] }])
  })
})
