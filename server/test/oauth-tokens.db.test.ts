import { logoutAll, validate } from '@agent-iam/contract/auth'
import { createResource, deleteClient } from '@agent-iam/contract/clients'
import { endSession } from '@agent-iam/contract/sessions'
import { decodeJwt } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { administrator, asAgent, authorize, redirectUri, registerApp, scope, tokensOf } from './oauth-clients.ts'
import { listen, type OauthServer } from './oauth-server.ts'
import { password } from './test-server.ts'

describe.each(databases)('the tokens of the OAuth provider on %s', (_name, open) => {
  let oauth: OauthServer
  let admin: string
  let agent: TestAgent

  beforeAll(async () => {
    oauth = await listen(await open())
    admin = await oauth.server.admin()
    agent = await makeAgent(oauth.server, admin, ['file/docs/*:read'])
  })
  afterAll(() => oauth.server.close())

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

  test('lists no resource server to who has not logged in', async () => {
    const { clientId } = await registerApp(oauth, admin)
    const query = new URLSearchParams({
      client_id: clientId,
      redirect_uri: redirectUri,
      response_type: 'code',
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'S256',
      resource: 'https://mcp.example/other',
    })
    const answer = await fetch(`${oauth.issuer}/oauth/authorize?${query.toString()}`, { redirect: 'manual' })
    const told = decodeURIComponent(answer.headers.get('location') ?? '') + (await answer.text())
    expect(told).toContain('invalid_target')
    expect(told).not.toMatch(/mcp\.example\/wrong-target|\/api/)
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
    expect(await oauth.server.api.refuse(validate, { token: tokens.access_token })).toMatchObject({
      code: 'invalid-token',
    })

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
    await oauth.server.api.call(validate, { token: second.access_token })

    oauth.server.clock.advance(11)
    const reused = client.refreshTokenGrant(config, first.refresh_token ?? '')
    await expect(reused).rejects.toMatchObject({ error: 'invalid_grant' })
    for (const { access_token: token } of [first, second, twin])
      expect(await oauth.server.api.refuse(validate, { token })).toMatchObject({ code: 'token-revoked' })
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
    expect(await oauth.server.api.refuse(validate, { token: others.access_token })).toMatchObject({
      code: 'token-revoked',
    })
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

  test('binds tokens to the key of a DPoP proof', async () => {
    const { config } = await registerApp(oauth, admin, { requireDpop: true })
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
    const tokens = await tokensOf(oauth, config, { scope }, { DPoP })
    expect(tokens.token_type).toBe('dpop')
    expect(decodeJwt(tokens.access_token)).toMatchObject({ cnf: { jkt: expect.any(String) } })
    expect(await oauth.server.api.refuse(validate, { token: tokens.access_token })).toMatchObject({ status: 401 })
    const url = new URL(`${oauth.issuer}/api/v1/auth/validate`)
    const answer = await client.fetchProtectedResource(config, tokens.access_token, url, 'GET', null, undefined, {
      DPoP,
    })
    expect(answer.status).toBe(200)
    const without = client.refreshTokenGrant(config, tokens.refresh_token ?? '')
    await expect(without).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test('gives the default scopes to a client that asks for none', async () => {
    const { config } = await registerApp(oauth, admin, { defaultScopes: [scope] })
    const tokens = await tokensOf(oauth, config, {})
    expect(decodeJwt(tokens.access_token)).toMatchObject({ scope })
    expect(tokens.scope).toBe(scope)
  })

  test('tells about the person what was consented to, and to nobody once the session has ended', async () => {
    const { config } = await registerApp(oauth, admin)
    const tokens = await tokensOf(oauth, config, { scope: 'openid email' })
    const { sub } = tokens.claims() ?? { sub: '' }
    expect(await client.fetchUserInfo(config, tokens.access_token, sub)).toEqual({ sub, email: administrator.email })
    await client.tokenRevocation(config, tokens.refresh_token ?? '')
    await expect(client.fetchUserInfo(config, tokens.access_token, sub)).rejects.toMatchObject({ status: 401 })
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
})
