import { login } from '@agent-iam/contract/auth'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { tally } from './tally.ts'
import { databases } from './databases.ts'
import { enrolPasskey, loginOptions } from './factors.ts'
import { anotherSender } from './senders.ts'
import { generousSettings, openServer, password, type TestServer, type TestUser } from './test-server.ts'

/** Few, since each is hashed. */
const loginsMax = 12
const limited = {
  replace: (world: TestServer['world']) => ({
    ...world,
    settings: { ...generousSettings, loginsPerAccount: loginsMax },
  }),
}

describe.each(databases)('logins of one account, on %s', (_name, open) => {
  let server: TestServer
  let user: TestUser

  beforeAll(async () => {
    server = await openServer(await open(), limited)
  })
  beforeEach(async () => {
    user = await server.user('member')
  })
  afterAll(() => server.close())

  interface Attempt {
    readonly from?: string
    readonly deviceToken?: string | undefined
    readonly password?: string
    readonly email?: string
  }

  async function attempt({ from = anotherSender(), ...body }: Attempt = {}, at = server) {
    const { status, text } = await at.api.send(login, { body: { email: user.email, password, ...body }, from })
    const { deviceToken, code } = JSON.parse(text)
    return { status, code: String(code), deviceToken: deviceToken === undefined ? undefined : String(deviceToken) }
  }

  /** Logs in with the token that the login before was answered with. */
  async function logInByEachToken(count: number) {
    const answers = []
    for (let deviceToken, n = 0; n < count; n++) {
      const answer = await attempt({ deviceToken, from: '10.250.0.1' })
      answers.push(answer)
      deviceToken = answer.deviceToken ?? deviceToken
    }
    return answers
  }

  /** Logs in as often as may be, from elsewhere. */
  const useUp = () => Promise.all(Array.from({ length: loginsMax }, () => attempt()))

  // `user` logged in once already, from elsewhere.
  test('are bounded from elsewhere, from however many addresses, one after the other or at once', async () => {
    const first = await Promise.all(Array.from({ length: 20 }, () => attempt()))
    expect(tally(first)).toEqual({ 200: loginsMax - 1, 429: 21 - loginsMax })
    const { code, status } = await attempt()
    expect([code, status]).toEqual(['too-many-attempts', 429])
  })

  test('are bounded from known devices together, whichever tokens they show', async () => {
    const made = await Promise.all(Array.from({ length: 6 }, () => attempt()))
    const tokens = made.map(({ deviceToken }) => deviceToken)
    const answers = []
    for (let n = 0; n < loginsMax + 6; n++) answers.push(await attempt({ deviceToken: tokens[n % tokens.length] }))
    expect(tally(answers)).toEqual({ 200: loginsMax, 429: 6 })
  })

  test('are bounded where each shows the token that the one before was answered with', async () => {
    const answers = await logInByEachToken(3 * loginsMax)
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(2 * loginsMax)
  })

  test('that fail use up nothing, so a stranger keeps nobody out; nor does who has the password, of a known device', async () => {
    const administrator = await server.user('admin')
    user = administrator
    const { deviceToken } = await attempt()
    const wrong = await Promise.all(Array.from({ length: 2 * loginsMax }, () => attempt({ password: 'a wrong guess' })))
    expect(tally(wrong)).toEqual({ 401: 2 * loginsMax })
    expect((await attempt()).status).toBe(200)
    await useUp()
    expect((await attempt({ deviceToken })).status).toBe(200)
  })

  test('hold across instances, for an hour, and for no other account', async () => {
    const other = await server.beside(limited)
    await useUp()
    expect((await attempt({}, other)).status).toBe(429)
    expect((await attempt({ email: (await server.user()).email })).status).toBe(200)
    server.clock.advance(3601)
    expect((await attempt()).status).toBe(200)
  })

  test('by passkey are bounded as well', async () => {
    const { key } = await enrolPasskey(server, user.token)
    const answers = []
    for (let n = 0; n < loginsMax + 3; n++) {
      const passkey = key.get(await loginOptions(server))
      answers.push(await server.api.send(login, { body: { passkey }, from: anotherSender() }))
    }
    expect(tally(answers)).toEqual({ 200: loginsMax, 429: 3 })
  })

  test('leave a device the same one: what failed before is counted on with the token that a login renewed', async () => {
    const first = await attempt()
    const second = await attempt({ deviceToken: first.deviceToken })
    const guess = (deviceToken: string | undefined) => attempt({ deviceToken, password: 'a wrong guess' })
    for (let n = 0; n < 3; n++) expect((await guess(first.deviceToken)).status).toBe(401)
    for (let n = 0; n < 2; n++) expect((await guess(second.deviceToken)).status).toBe(401)
    expect((await guess(first.deviceToken)).status).toBe(429)
    expect((await guess(second.deviceToken)).status).toBe(429)
  })
})
