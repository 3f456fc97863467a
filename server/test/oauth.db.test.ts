import { randomUUID } from 'node:crypto'
import { logoutAll, validate } from '@agent-iam/contract/auth'
import { createResource, deleteClient, listClients } from '@agent-iam/contract/clients'
import { endSession, listSessions } from '@agent-iam/contract/sessions'
import { suspendAgent } from '@agent-iam/contract/agents'
import { createService, createServiceSecret, deleteServiceSecret } from '@agent-iam/contract/services'
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { enrolApp } from './factors.ts'
import {
  administrator,
  asAgent,
  authorizationUrl,
  authorize,
  insecure,
  registerApp,
  tokensOf,
} from './oauth-clients.ts'
import { TestBrowser } from './oauth-browser.ts'
import { listen, type OauthServer } from './oauth-server.ts'
import { password } from './test-server.ts'

const scope = 'agent-iam/agents*:read'

describe.each(databases)('the OAuth provider on %s', (_name, open) => {
  let oauth: OauthServer
  let admin: string
  let agent: TestAgent

  beforeAll(async () => {
    oauth = await listen(await open())
    admin = await oauth.server.admin()
    agent = await makeAgent(oauth.server, admin, ['file/docs/*:read'])
  })
  afterAll(() => oauth.server.close())

  const call = (token: string) => oauth.server.api.call(validate, { token })
  const refuse = (token: string) => oauth.server.api.refuse(validate, { token })

  test('tells at each well-known place what the issuer can do', async () => {
    for (const path of ['openid-configuration', 'oauth-authorization-server']) {
      const response = await fetch(`${oauth.issuer}/.well-known/${path}`)
      const metadata: unknown = await response.json()
      expect(metadata).toMatchObject({
        issuer: oauth.issuer,
        authorization_endpoint: `${oauth.issuer}/oauth/authorize`,
        token_endpoint: `${oauth.issuer}/oauth/token`,
        jwks_uri: `${oauth.issuer}/.well-known/jwks.json`,
        response_types_supported: ['code'],
        code_challenge_methods_supported: ['S256'],
        authorization_response_iss_parameter_supported: true,
      })
    }
  })

  test('gives an agent that signs an assertion a token that our API takes', async () => {
    const tokens = await client.clientCredentialsGrant(await asAgent(oauth.issuer, agent), {
      scope: 'file/docs/*:read',
    })
    expect(decodeProtectedHeader(tokens.access_token)).toMatchObject({ typ: 'at+jwt' })
    expect(decodeJwt(tokens.access_token)).toMatchObject({
      iss: oauth.issuer,
      sub: agent.id,
      aud: `${oauth.issuer}/api`,
      client_id: agent.id,
      tenant: oauth.server.app.defaultTenantId,
      scope: 'file/docs/*:read',
    })
    expect(await call(tokens.access_token)).toMatchObject({ valid: true, agentId: agent.id })
  })

  test('gives no machine a scope that it does not hold', async () => {
    const config = await asAgent(oauth.issuer, agent)
    const grant = client.clientCredentialsGrant(config, { scope: 'file/docs/*:write' })
    await expect(grant).rejects.toMatchObject({ error: 'invalid_scope' })
  })

  test('knows no agent that is suspended', async () => {
    const other = await makeAgent(oauth.server, admin)
    const config = await asAgent(oauth.issuer, other)
    const { access_token: token } = await client.clientCredentialsGrant(config)
    await oauth.server.api.call(suspendAgent, { params: { agentId: other.id }, body: {}, token: admin })
    await expect(client.clientCredentialsGrant(config)).rejects.toMatchObject({ error: 'invalid_client' })
    expect(await refuse(token)).toMatchObject({ code: expect.stringMatching(/token-revoked|identity-inactive/) })
  })

  test('takes a service’s secret, and ends what was begun with it when it is deleted', async () => {
    const service = { name: 'a service of the OAuth tests', capabilities: ['file/docs/*:read'] }
    const { serviceId } = await oauth.server.api.call(createService, { body: service, token: admin })
    const params = { serviceId }
    const { secret, secretId } = await oauth.server.api.call(createServiceSecret, { params, token: admin })
    const as = (shown: string) =>
      client.discovery(new URL(oauth.issuer), serviceId, undefined, client.ClientSecretBasic(shown), insecure)
    const tokens = await client.clientCredentialsGrant(await as(secret), { scope: 'file/docs/*:read' })
    expect(await call(tokens.access_token)).toMatchObject({ identityId: serviceId })
    const wrong = client.clientCredentialsGrant(await as(`${secret}x`))
    await expect(wrong).rejects.toMatchObject({ status: 401 })
    const own = await as(secret)
    expect(await client.tokenIntrospection(own, tokens.access_token)).toMatchObject({ active: true, sub: serviceId })
    await oauth.server.api.call(deleteServiceSecret, { params: { ...params, secretId }, token: admin })
    expect(await refuse(tokens.access_token)).toMatchObject({ code: 'token-revoked' })
    await expect(client.clientCredentialsGrant(own)).rejects.toMatchObject({ status: 401 })
  })

  test('takes an assertion once, and none that is for anybody else', async () => {
    const { config } = await registerApp(oauth, admin)
    const endpoint = config.serverMetadata().token_endpoint ?? ''
    const send = async (claims: Record<string, unknown>, header: Record<string, unknown> = {}) => {
      const now = Math.floor(oauth.server.clock.now().getTime() / 1000)
      const base = { iss: agent.id, sub: agent.id, aud: oauth.issuer, iat: now, exp: now + 60, jti: randomUUID() }
      const token = await new SignJWT({ ...base, ...claims })
        .setProtectedHeader({ alg: 'EdDSA', ...header })
        .sign(agent.privateKey)
      const body = new URLSearchParams({
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: token,
      })
      const post = async () => (await fetch(endpoint, { method: 'POST', body })).status
      return { first: await post(), second: await post() }
    }
    expect(await send({})).toEqual({ first: 200, second: 401 })
    const now = Math.floor(Date.now() / 1000)
    const wrong: Array<[Record<string, unknown>, Record<string, unknown>?]> = [
      [{ aud: endpoint }],
      [{ aud: [oauth.issuer, 'https://other.example'] }],
      [{ exp: now + 3600 }],
      [{ sub: 'agt_nobody' }],
      [{}, { typ: 'dpop+jwt' }],
      [{}, { jku: 'https://evil.example/keys' }],
      [{}, { kid: 'another' }],
    ]
    for (const [claims, header] of wrong) {
      const { first } = await send(claims, header)
      expect([first, claims, header]).toEqual([401, claims, header])
    }
  })

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
    await call(tokens.access_token)

    const again = client.authorizationCodeGrant(config, callback, checks)
    await expect(again).rejects.toMatchObject({ error: 'invalid_grant' })
    expect(await refuse(tokens.access_token)).toMatchObject({ code: 'token-revoked' })
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

  test('tells the resources that there are to who names another', async () => {
    const resource = 'https://mcp.example/wrong-target'
    const body = { resource, name: 'A resource', scopes: ['tools:call'] }
    await oauth.server.api.call(createResource, { body, token: admin })
    const config = await asAgent(oauth.issuer, agent)
    const wrong = client.clientCredentialsGrant(config, { resource: 'https://mcp.example/other' })
    await expect(wrong).rejects.toMatchObject({
      error: 'invalid_target',
      error_description: expect.stringContaining(resource),
    })
  })

  test('knows no resource server by a name that none could have', async () => {
    const asked = client.clientCredentialsGrant(await asAgent(oauth.issuer, agent), {
      resource: 'https://a.example/\0',
    })
    await expect(asked).rejects.toMatchObject({ error: 'invalid_target' })
  })

  test('makes tokens for a resource server that ours does not take, and introspects them for whom it names', async () => {
    const { config: server, clientId } = await registerApp(oauth, admin)
    const resource = 'https://mcp.example/files'
    const body = { resource, name: 'Files', scopes: ['files:read'], introspectedBy: [clientId] }
    await oauth.server.api.call(createResource, { body, token: admin })
    const { config } = await registerApp(oauth, admin)
    const tokens = await tokensOf(oauth, config, { scope: 'files:read', resource })
    expect(decodeJwt(tokens.access_token)).toMatchObject({ aud: resource, scope: 'files:read' })
    expect(await refuse(tokens.access_token)).toMatchObject({ code: 'invalid-token' })

    const told = await client.tokenIntrospection(server, tokens.access_token)
    expect(told).toMatchObject({ active: true, aud: resource, scope: 'files:read', token_type: 'Bearer' })
    const { config: stranger } = await registerApp(oauth, admin)
    expect(await client.tokenIntrospection(stranger, tokens.access_token)).toEqual({ active: false })
    await client.tokenRevocation(stranger, tokens.access_token)
    expect(await client.tokenIntrospection(server, tokens.access_token)).toMatchObject({ active: true })
    await client.tokenRevocation(config, tokens.access_token)
    expect(await client.tokenIntrospection(server, tokens.access_token)).toEqual({ active: false })
    const refreshed = client.refreshTokenGrant(config, tokens.refresh_token ?? '')
    await expect(refreshed).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test('gives a refresh token one successor, and ends all when it is used again later', async () => {
    const { config } = await registerApp(oauth, admin)
    const first = await tokensOf(oauth, config, { scope })
    const second = await client.refreshTokenGrant(config, first.refresh_token ?? '')
    const twin = await client.refreshTokenGrant(config, first.refresh_token ?? '')
    expect(twin.refresh_token).toBe(second.refresh_token)
    expect(second.refresh_token).not.toBe(first.refresh_token)
    await call(second.access_token)

    oauth.server.clock.advance(11)
    const reused = client.refreshTokenGrant(config, first.refresh_token ?? '')
    await expect(reused).rejects.toMatchObject({ error: 'invalid_grant' })
    for (const { access_token: token } of [first, second, twin])
      expect(await refuse(token)).toMatchObject({ code: 'token-revoked' })
    const successor = client.refreshTokenGrant(config, second.refresh_token ?? '')
    await expect(successor).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test('narrows a token that is refreshed for less', async () => {
    const { config } = await registerApp(oauth, admin)
    const wide = await tokensOf(oauth, config, { scope: `${scope} agent-iam/policies*:read` })
    const narrow = await client.refreshTokenGrant(config, wide.refresh_token ?? '', { scope })
    expect(decodeJwt(narrow.access_token)).toMatchObject({ scope })
    const [one, other] = [wide, narrow].map(({ access_token: token }) => decodeJwt(token)['sid'])
    expect(one).not.toBe(other)
    const more = client.refreshTokenGrant(config, narrow.refresh_token ?? '', { scope: 'agent-iam/keys*:read' })
    await expect(more).rejects.toMatchObject({ error: 'invalid_scope' })
  })

  test('refreshes nothing once the session was ended through our API, or the client removed', async () => {
    const { config, clientId } = await registerApp(oauth, admin)
    const tokens = await tokensOf(oauth, config, { scope })
    const sessionId = String(decodeJwt(tokens.access_token)['sid'])
    await oauth.server.api.send(endSession, { params: { sessionId }, token: admin })
    const refreshed = client.refreshTokenGrant(config, tokens.refresh_token ?? '')
    await expect(refreshed).rejects.toMatchObject({ error: 'invalid_grant' })

    const others = await tokensOf(oauth, config, { scope })
    await oauth.server.api.call(deleteClient, { params: { clientId }, token: admin })
    expect(await refuse(others.access_token)).toMatchObject({ code: 'token-revoked' })
    const gone = client.refreshTokenGrant(config, others.refresh_token ?? '')
    await expect(gone).rejects.toMatchObject({ status: 401 })
  })

  test('gives nothing for a code once the login by which it was given has ended', async () => {
    const person = await oauth.server.user('viewer')
    const who = { email: person.email, password }
    const { config } = await registerApp(oauth, admin)
    const asked = { scope: `${scope} offline_access`, prompt: 'consent' }
    const { callback, verifier } = await authorize(oauth, config, asked, who)
    await oauth.server.api.call(logoutAll, { token: person.token })
    const redeemed = client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier })
    await expect(redeemed).rejects.toMatchObject({ error: 'invalid_grant' })
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

  test('binds tokens to the key of a DPoP proof', async () => {
    const { config } = await registerApp(oauth, admin, { requireDpop: true })
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
    const tokens = await tokensOf(oauth, config, { scope }, { DPoP })
    expect(tokens.token_type).toBe('dpop')
    expect(decodeJwt(tokens.access_token)).toMatchObject({ cnf: { jkt: expect.any(String) } })
    expect(await refuse(tokens.access_token)).toMatchObject({ status: 401 })
    const url = new URL(`${oauth.issuer}/api/v1/auth/validate`)
    const answer = await client.fetchProtectedResource(config, tokens.access_token, url, 'GET', null, undefined, {
      DPoP,
    })
    expect(answer.status).toBe(200)
    const without = client.refreshTokenGrant(config, tokens.refresh_token ?? '')
    await expect(without).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test('lets a device in that a person confirms, and not before', async () => {
    const grantTypes = ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token']
    const settings = { grantTypes, redirectUris: [], authMethod: 'none', applicationType: 'native' }
    const { config } = await registerApp(oauth, admin, settings)
    const started = await client.initiateDeviceAuthorization(config, { scope })
    const browser = new TestBrowser(oauth.issuer)
    const input = await browser.open(started.verification_uri)
    const wrong = await browser.send(input, { user_code: 'ABCD-EFGH' })
    expect(wrong.html).toContain('not a code that is waiting')
    const confirm = await browser.send(wrong, { user_code: started.user_code })
    expect(confirm.html).toContain(started.user_code)
    const login = await browser.send(confirm, { confirm: 'yes' })
    const consent = await browser.send(login, { ...administrator })
    const done = await browser.send(consent, { allow: 'yes' })
    expect(done.html).toContain('Device connected')
    const tokens = await client.pollDeviceAuthorizationGrant(config, { ...started, interval: 1 })
    expect(await call(tokens.access_token)).toMatchObject({ userId: expect.any(String) })
  })

  test('lets nobody try one code of a device after another', async () => {
    const browser = new TestBrowser(oauth.issuer)
    let page = await browser.open('/oauth/device')
    const statuses = []
    for (let tries = 1; tries <= 11; tries++) {
      page = await browser.send(page, { user_code: `ABCD-EFG${'BCDFGHJKLMN'.charAt(tries - 1)}` })
      statuses.push(page.status)
    }
    expect(statuses.slice(-2)).toEqual([200, 400])
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

  test('gives the default scopes to a client that asks for none', async () => {
    const { config } = await registerApp(oauth, admin, { defaultScopes: [scope] })
    const tokens = await tokensOf(oauth, config, {})
    expect(decodeJwt(tokens.access_token)).toMatchObject({ scope })
    expect(tokens.scope).toBe(scope)
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

  test('tells about the person what was consented to, and to nobody once the session has ended', async () => {
    const { config } = await registerApp(oauth, admin)
    const tokens = await tokensOf(oauth, config, { scope: 'openid email' })
    const { sub } = tokens.claims() ?? { sub: '' }
    expect(await client.fetchUserInfo(config, tokens.access_token, sub)).toEqual({ sub, email: administrator.email })
    await client.tokenRevocation(config, tokens.refresh_token ?? '')
    await expect(client.fetchUserInfo(config, tokens.access_token, sub)).rejects.toMatchObject({ status: 401 })
  })

  test('says with each refusal where a token is to be had', async () => {
    const { headers } = await oauth.server.api.send(validate)
    const url = /resource_metadata="([^"]*)"/.exec(String(headers['www-authenticate']))?.[1] ?? ''
    expect(await (await fetch(url)).json()).toMatchObject({
      resource: `${oauth.issuer}/api`,
      authorization_servers: [oauth.issuer],
    })
    const { config } = await registerApp(oauth, admin)
    const { access_token: token } = await tokensOf(oauth, config, { scope })
    const refused = await oauth.server.api.send(listClients, { token })
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([
      403,
      [expect.stringMatching(/error="insufficient_scope", scope="agent-iam\/clients\*:read"/)],
    ])
  })

  test('puts what it refuses on record', async () => {
    const { config } = await registerApp(oauth, admin)
    const { callback } = await authorize(oauth, config, { scope })
    const wrong = { pkceCodeVerifier: client.randomPKCECodeVerifier() }
    const redeemed = client.authorizationCodeGrant(config, callback, wrong)
    await expect(redeemed).rejects.toMatchObject({ error: 'invalid_grant' })
    const rows = await oauth.server.database.ask(
      `select convert_from(leaf, 'UTF8')::json as leaf from audit_events where type = 'request.refused'`,
    )
    expect(rows.map(({ leaf }) => leaf)).toContainEqual(
      expect.objectContaining({ action: 'oauth.token', decision: 'deny', actor: 'anonymous' }),
    )
  })

  test('keeps the issuers of two tenants apart', async () => {
    const tenant = await oauth.server.tenant('second')
    const issuer = `${oauth.issuer}/t/${tenant.id}`
    const metadata = await fetch(`${oauth.issuer}/.well-known/oauth-authorization-server/t/${tenant.id}`)
    expect(await metadata.json()).toMatchObject({ issuer, token_endpoint: `${issuer}/oauth/token` })
    await expect(asAgent(issuer, agent).then((config) => client.clientCredentialsGrant(config))).rejects.toMatchObject({
      error: 'invalid_client',
    })
    const { config } = await registerApp({ ...oauth, issuer }, tenant.admin.token)
    const authorized = await authorize(
      oauth,
      config,
      { scope },
      { email: tenant.admin.email, password: administrator.password },
    )
    const checks = { pkceCodeVerifier: authorized.verifier }
    const tokens = await client.authorizationCodeGrant(config, authorized.callback, checks)
    expect(decodeJwt(tokens.access_token)).toMatchObject({ iss: issuer, tenant: tenant.id })
    await call(tokens.access_token)
    // A code of the one issuer at the other, whose client has the same name: a mix-up.
    const mixed = await client.discovery(
      new URL(oauth.issuer),
      config.clientMetadata().client_id,
      'x',
      undefined,
      insecure,
    )
    const redeemed = client.authorizationCodeGrant(mixed, authorized.callback, checks)
    await expect(redeemed).rejects.toMatchObject({ cause: { message: expect.stringContaining('"iss"') } })
  })
})
