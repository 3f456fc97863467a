import { validate } from '@agent-iam/contract/auth'
import { endSession, listSessions } from '@agent-iam/contract/sessions'
import { decodeJwt } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { enrolApp } from './factors.ts'
import { TestBrowser } from './oauth-browser.ts'
import { administrator, authorizationUrl, authorize, registerApp, scope } from './oauth-clients.ts'
import { listen, type OauthServer } from './oauth-server.ts'

describe.each(databases)('authorization on the pages of the OAuth provider on %s', (_name, open) => {
  let oauth: OauthServer
  let admin: string

  beforeAll(async () => {
    oauth = await listen(await open())
    admin = await oauth.server.admin()
  })
  afterAll(() => oauth.server.close())

  test('asks for the second factor after the password, and for nothing twice', async () => {
    const user = await oauth.server.user('member')
    const { recoveryCodes } = await enrolApp(oauth.server, user.token)
    const { config } = await registerApp(oauth, admin)
    const { url } = await authorizationUrl(config, { scope })
    const browser = new TestBrowser(oauth.issuer)
    const login = await browser.open(url)
    const second = await browser.send(login, { email: user.email, password: administrator.password })
    expect(second.html).toContain('name="code"')
    expect(second.html).not.toContain(administrator.password)
    const wrong = await browser.send(second, { code: '000000' })
    expect(wrong.html).toContain('The code is not valid.')
    const consent = await browser.send(wrong, { code: recoveryCodes[0] ?? '' })
    expect(consent.html).toContain('act for you?')
    const ticket = await new TestBrowser(oauth.issuer).send(second, { code: recoveryCodes[1] ?? '' })
    expect(ticket.status).toBe(400)
  })

  test('lets a person’s client in by code and PKCE, once', async () => {
    const { config } = await registerApp(oauth, admin)
    const { callback, verifier } = await authorize(oauth, config, { scope: `openid ${scope}`, nonce: 'n' })
    const checks = { pkceCodeVerifier: verifier, expectedNonce: 'n' }
    const tokens = await client.authorizationCodeGrant(config, callback, checks)
    expect(tokens.claims()).toMatchObject({ sub: expect.stringMatching(/^usr_/) })
    expect(decodeJwt(tokens.access_token)).toMatchObject({ scope })
    await oauth.server.api.call(validate, { token: tokens.access_token })

    const again = client.authorizationCodeGrant(config, callback, checks)
    await expect(again).rejects.toMatchObject({ error: 'invalid_grant' })
    expect(await oauth.server.api.refuse(validate, { token: tokens.access_token })).toMatchObject({
      code: 'token-revoked',
    })
  })

  test('takes no code without its verifier, of another client, or for another redirect', async () => {
    const { config } = await registerApp(oauth, admin)
    const { config: thief } = await registerApp(oauth, admin, { redirectUris: ['https://app.example/callback'] })
    const { callback, verifier } = await authorize(oauth, config, { scope })
    const wrong = { pkceCodeVerifier: client.randomPKCECodeVerifier() }
    await expect(client.authorizationCodeGrant(config, callback, wrong)).rejects.toMatchObject({
      error: 'invalid_grant',
    })
    const injected = client.authorizationCodeGrant(thief, callback, { pkceCodeVerifier: verifier })
    await expect(injected).rejects.toMatchObject({ error: 'invalid_grant' })
    const elsewhere = new URL(callback.href.replace('/callback', '/other'))
    const moved = client.authorizationCodeGrant(config, elsewhere, { pkceCodeVerifier: verifier })
    await expect(moved).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test.each([
    ['no PKCE', { code_challenge: '', code_challenge_method: '' }, 'invalid_request'],
    ['PKCE that hides nothing', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['the implicit flow', { response_type: 'token' }, 'unsupported_response_type'],
    ['an id_token at the front', { response_type: 'id_token', nonce: 'n' }, 'unsupported_response_type'],
    ['a resource that is none', { resource: 'https://nowhere.example/' }, 'invalid_target'],
  ])('refuses %s, and tells the client', async (_what, parameters, error) => {
    const { config } = await registerApp(oauth, admin)
    const { url } = await authorizationUrl(config, { scope, ...parameters })
    for (const [name, value] of Object.entries(parameters)) if (value === '') url.searchParams.delete(name)
    const { url: back } = await new TestBrowser(oauth.issuer).open(url)
    const answer = new URLSearchParams(back.search === '' ? back.hash.slice(1) : back.search)
    expect(back.href).toMatch(/^https:\/\/app\.example\/callback/)
    expect([answer.get('error'), answer.get('iss')]).toEqual([error, oauth.issuer])
  })

  test.each([
    ['https://evil.example/callback'],
    ['https://app.example/callback/'],
    ['https://app.example/callback?x=1'],
    ['https://app.example.evil.example/callback'],
    ['https://app.example@evil.example/callback'],
    ['https://app.example/callback/../other'],
    ['javascript:alert(1)'],
    ['//evil.example'],
  ])('sends nobody to %s', async (uri) => {
    const { config } = await registerApp(oauth, admin)
    const { url } = await authorizationUrl(config, { scope, redirect_uri: uri })
    const page = await new TestBrowser(oauth.issuer).open(url)
    expect([page.status, page.url.origin]).toEqual([400, oauth.issuer])
    expect(page.html).toContain('invalid_redirect_uri')
  })

  test('asks each time for a client that any program on the computer could be, and says for what', async () => {
    const back = 'http://127.0.0.1:7777/back'
    for (const applicationType of ['web', 'native']) {
      const { config } = await registerApp(oauth, admin, { authMethod: 'none', redirectUris: [back], applicationType })
      const { url } = await authorizationUrl(config, { scope, redirect_uri: back })
      const browser = new TestBrowser(oauth.issuer)
      const consent = await browser.send(await browser.open(url), { ...administrator })
      expect((await browser.send(consent, { allow: 'yes' })).url.origin).toBe(new URL(back).origin)
      const again = await browser.open((await authorizationUrl(config, { scope, redirect_uri: back })).url)
      expect([again.url.origin, again.html.includes(scope)]).toEqual([oauth.issuer, true])
    }
  })

  test('lets nobody wait where something of ours fails', async () => {
    const { config } = await registerApp(oauth, admin)
    const { url } = await authorizationUrl(config, { scope })
    const browser = new TestBrowser(oauth.issuer)
    const login = await browser.open(url)
    await oauth.server.database.ask('alter table passwords rename to passwords_away')
    const failed = await browser.send(login, { ...administrator })
    await oauth.server.database.ask('alter table passwords_away rename to passwords')
    expect([failed.status, failed.html.includes('server_error')]).toEqual([500, true])
    expect(failed.html).not.toContain('passwords')
  })

  test('takes a request that was pushed before, once', async () => {
    const { config } = await registerApp(oauth, admin)
    const { url: plain, verifier } = await authorizationUrl(config, { scope })
    const url = await client.buildAuthorizationUrlWithPAR(config, plain.searchParams)
    expect([...url.searchParams.keys()].toSorted()).toEqual(['client_id', 'request_uri'])
    const browser = new TestBrowser(oauth.issuer)
    const consent = await browser.send(await browser.open(url), { ...administrator })
    const { url: callback } = await browser.send(consent, { allow: 'yes' })
    await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier })
    const again = await browser.open(url)
    expect(again.url.searchParams.get('error') ?? again.html).toMatch(/invalid_request_uri/)
  })

  test('gives nothing where the person refuses, at the login or after', async () => {
    const { config } = await registerApp(oauth, admin)
    const { url } = await authorizationUrl(config, { scope })
    const browser = new TestBrowser(oauth.issuer)
    const refused = await browser.send(await browser.open(url), { refuse: 'yes' })
    expect(refused.url.searchParams.get('error')).toBe('access_denied')
    const other = new TestBrowser(oauth.issuer)
    const consent = await other.send(await other.open(url), { ...administrator })
    const { url: back } = await other.send(consent, { refuse: 'yes' })
    expect(back.searchParams.get('error')).toBe('access_denied')
  })

  test('says that a password is wrong, and nothing more', async () => {
    const { config } = await registerApp(oauth, admin)
    const { url } = await authorizationUrl(config, { scope })
    const browser = new TestBrowser(oauth.issuer)
    const page = await browser.open(url)
    const texts = []
    for (const email of ['nobody@example.com', administrator.email]) {
      const again = await browser.send(page, { email, password: 'not the password at all' })
      expect(again.status).toBe(401)
      texts.push(/role="alert">([^<]*)/.exec(again.html)?.[1])
    }
    expect(new Set(texts)).toEqual(new Set(['The e-mail address or the password is not right.']))
  })

  test('takes no form that was not shown to this browser', async () => {
    const { config } = await registerApp(oauth, admin)
    const { url } = await authorizationUrl(config, { scope })
    const victim = new TestBrowser(oauth.issuer)
    const login = await victim.open(url)
    const stranger = await new TestBrowser(oauth.issuer).send(login, { ...administrator })
    expect(stranger.status).toBe(400)
    const forged = await victim.send(login, { ...administrator, csrf: 'forged' })
    expect(forged.status).toBe(400)
  })

  test('asks again once the login was ended elsewhere, and ends it when the person logs out', async () => {
    const { config } = await registerApp(oauth, admin)
    const { browser } = await authorize(oauth, config, { scope: `openid ${scope}` })
    const { config: second } = await registerApp(oauth, admin)
    const { url } = await authorizationUrl(second, { scope })
    // Still logged in: only asked to consent.
    expect((await browser.open(url)).html).toContain('act for you?')
    const { sessions } = await oauth.server.api.call(listSessions, { query: { limit: 100 }, token: admin })
    const [latest] = sessions.filter(({ method, status }) => method === 'password' && status === 'active')
    await oauth.server.api.send(endSession, { params: { sessionId: latest?.sessionId }, token: admin })
    const login = await browser.open(url)
    expect(login.html).toContain('name="password"')

    await browser.send(login, { ...administrator })
    const question = await browser.open(`${oauth.issuer}/oauth/logout`)
    expect(question.html).toContain('Log out?')
    const done = await browser.send(question, { logout: 'yes' })
    expect(done.html).toContain('You are logged out')
    expect((await browser.open(url)).html).toContain('name="password"')
  })
})
