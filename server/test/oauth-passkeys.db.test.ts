import { passkeyCreationOptions, registerPasskey } from '@agent-iam/contract/factors'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { enrolApp, loginOptions, proof } from './factors.ts'
import { TestBrowser, type TestPage } from './oauth-browser.ts'
import { authorizationUrl, insecure, redirectUri, registerApp } from './oauth-clients.ts'
import { listen, type OauthServer } from './oauth-server.ts'
import { SoftwarePasskey, type Changes } from './software-passkey.ts'
import { password, uuidOf, type TestUser } from './test-server.ts'

const scope = 'agent-iam/agents*:read'
const unknown = 'The passkey is not valid here.'

describe.each(databases)('passkeys on the login page of the OAuth provider on %s', (_name, open) => {
  let oauth: OauthServer
  let authorizeAt: URL

  beforeAll(async () => {
    oauth = await listen(await open())
    const { config } = await registerApp(oauth, await oauth.server.admin())
    authorizeAt = (await authorizationUrl(config, { scope })).url
  })
  afterAll(() => oauth.server.close())

  const origin = () => ({ origin: oauth.issuer })

  async function enrol({ token }: TestUser): Promise<SoftwarePasskey> {
    const key = new SoftwarePasskey()
    const { options } = await oauth.server.api.call(passkeyCreationOptions, { body: { proof }, token })
    const body = { name: 'laptop', response: key.create(options, origin()) }
    await oauth.server.api.call(registerPasskey, { body, token })
    return key
  }

  /** What the page's script puts into the form. */
  async function answerOf(key: SoftwarePasskey, changes: Changes = {}): Promise<{ passkey: string }> {
    return { passkey: JSON.stringify(key.get(await loginOptions(oauth.server), { ...origin(), ...changes })) }
  }

  async function begin(url = authorizeAt): Promise<{ browser: TestBrowser; login: TestPage }> {
    const browser = new TestBrowser(oauth.issuer)
    return { browser, login: await browser.open(url) }
  }

  async function pastPassword({ email }: TestUser) {
    const { browser, login } = await begin()
    return { browser, second: await browser.send(login, { email, password }) }
  }

  const methodsOf = ({ id }: TestUser) =>
    oauth.server.database.ask(`select method from sessions where identity_id = $1 and metadata->>'use' is not null`, [
      uuidOf(id),
    ])

  test('one logs its person in alone, whatever else was typed, and the session says so', async () => {
    const user = await oauth.server.user('member')
    const key = await enrol(user)
    const { browser, login } = await begin()
    const typed = { email: 'somebody@example.com', password: 'half a pass' }
    const consent = await browser.send(login, { ...typed, ...(await answerOf(key)) })
    expect(consent.html).toContain('act for you?')
    expect(consent.html).toContain(user.email)
    expect(await methodsOf(user)).toEqual([{ method: 'passkey' }])
  })

  test('one of another tenant does not get in, and is refused in the words for one that nobody has', async () => {
    const { admin } = await oauth.server.tenant('neighbours')
    const key = await enrol(admin)
    const refusals = []
    for (const each of [key, new SoftwarePasskey()]) {
      const { browser, login } = await begin()
      const { status, html } = await browser.send(login, await answerOf(each))
      refusals.push({ status, html: html.replaceAll(/name="csrf" value="[^"]*"/g, '') })
    }
    expect(refusals[0]).toEqual(refusals[1])
    expect(refusals[0]).toMatchObject({ status: 401, html: expect.stringContaining(unknown) })
    expect(await methodsOf(admin)).toEqual([])
  })

  test('one gets in at the issuer of its own tenant', async () => {
    const { id, admin } = await oauth.server.tenant('townhouse')
    const key = await enrol(admin)
    const issuer = `${oauth.issuer}/t/${id}`
    const { clientId } = await registerApp({ ...oauth, issuer }, admin.token)
    const config = await client.discovery(new URL(issuer), clientId, undefined, client.None(), insecure)
    const { browser, login } = await begin((await authorizationUrl(config, { scope })).url)
    expect((await browser.send(login, await answerOf(key))).html).toContain('act for you?')
  })

  test.each<[what: string, changes: Changes]>([
    ['from another origin', { origin: 'https://evil.example' }],
    ['without its person verified', { flags: 0x01 }],
    ['to a challenge of its own', { challenge: Buffer.alloc(56, 7).toString('base64url') }],
  ])('an answer %s does not get in', async (_what, changes) => {
    const key = await enrol(await oauth.server.user('member'))
    const { browser, login } = await begin()
    const { status, html } = await browser.send(login, await answerOf(key, changes))
    expect([status, html.includes(unknown)]).toEqual([401, true])
  })

  test.each(['nonsense', '{}', '7'])('%s is no passkey', async (passkey) => {
    const { browser, login } = await begin()
    const { status, html } = await browser.send(login, { passkey })
    expect([status, html.includes(unknown)]).toEqual([401, true])
  })

  test('an answer is good once', async () => {
    const answer = await answerOf(await enrol(await oauth.server.user('member')))
    const pages = []
    for (let n = 0; n < 2; n++) {
      const { browser, login } = await begin()
      pages.push((await browser.send(login, answer)).status)
    }
    expect(pages).toEqual([200, 401])
  })

  test('one of a suspended person is told so', async () => {
    const user = await oauth.server.user('member')
    const key = await enrol(user)
    await oauth.server.database.ask(`update identities set status = 'suspended' where id = $1`, [uuidOf(user.id)])
    const { browser, login } = await begin()
    const { status, html } = await browser.send(login, await answerOf(key))
    expect([status, html.includes(unknown), html.includes('suspended')]).toEqual([401, false, true])
  })

  test('one is the second factor after the password, also after a wrong code', async () => {
    const user = await oauth.server.user('member')
    const key = await enrol(user)
    const { browser, second } = await pastPassword(user)
    expect(second.html).toContain('Use a passkey')
    const wrong = await browser.send(second, { code: 'no such code' })
    expect(wrong.html).toContain('The code is not valid.')
    expect(wrong.html).toContain('Use a passkey')
    const consent = await browser.send(wrong, { code: '', ...(await answerOf(key)) })
    expect(consent.html).toContain('act for you?')
    expect(await methodsOf(user)).toEqual([{ method: 'password+passkey' }])
  })

  test('another person’s is no second factor', async () => {
    const [user, other] = [await oauth.server.user('member'), await oauth.server.user('member')]
    await enrol(user)
    const { browser, second } = await pastPassword(user)
    const refused = await browser.send(second, { code: '', ...(await answerOf(await enrol(other))) })
    expect([refused.status, refused.html.includes(unknown)]).toEqual([401, true])
    expect(await methodsOf(other)).toEqual([])
  })

  test('one is asked for once where a new password is due as well', async () => {
    const user = await oauth.server.user('member')
    const key = await enrol(user)
    await oauth.server.database.ask('update passwords set must_change = true where identity_id = $1', [uuidOf(user.id)])
    const { browser, second } = await pastPassword(user)
    const third = await browser.send(second, { code: '', ...(await answerOf(key)) })
    expect(third.html).toContain('Choose a new password')
    expect(third.headers.get('content-security-policy')).not.toContain('script-src')
    const weak = await browser.send(third, { newPassword: 'passwordpassword' })
    expect(weak.html).toContain('Choose a new password')
    const consent = await browser.send(weak, { newPassword: 'eleven tall poplars in a row' })
    expect(consent.html).toContain('act for you?')
    expect(await methodsOf(user)).toEqual([{ method: 'password+passkey' }])
  })

  test('one logs in before a client’s URL is read', async () => {
    const user = await oauth.server.user('member')
    const key = await enrol(user)
    const url = new URL(authorizeAt)
    url.searchParams.set('client_id', 'https://127.0.0.1/app')
    const { browser, login } = await begin(url)
    const goneOn = await browser.send(login, await answerOf(key))
    expect(goneOn.url.pathname).toBe('/oauth/authorize')
    expect(await methodsOf(user)).toEqual([{ method: 'passkey' }])
  })

  test('after too long, the password is asked for again, and the passkey logs nobody in beside it', async () => {
    const user = await oauth.server.user('member')
    const key = await enrol(user)
    const { browser, second } = await pastPassword(user)
    oauth.server.clock.advance(301)
    const late = await browser.send(second, { code: '', ...(await answerOf(key)) })
    expect([late.status, late.html.includes('It took too long.')]).toEqual([401, true])
    expect(late.html).toContain('name="password"')
    expect(await methodsOf(user)).toEqual([])
  })

  test('none is asked for where there is none, and no script runs there', async () => {
    const user = await oauth.server.user('member')
    await enrolApp(oauth.server, user.token)
    const { second } = await pastPassword(user)
    expect(second.html).not.toContain('passkey')
    expect(second.headers.get('content-security-policy')).not.toContain('script-src')
    expect(second.headers.get('content-security-policy')).toContain(`default-src 'none'`)
  })

  test('what is asked first runs one script, which may talk to us alone', async () => {
    const { login } = await begin()
    const policy = login.headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/script-src 'sha256-[^' ]+'; connect-src 'self';/)
    expect(policy).toContain(`form-action 'self' ${new URL(redirectUri).origin};`)
    expect(login.html).toMatch(/<button type="button" id="use-passkey" class="plain" hidden>/)
  })
})
