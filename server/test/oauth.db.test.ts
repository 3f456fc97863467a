import { createClient } from '@agent-iam/contract/clients'
import { validate } from '@agent-iam/contract/auth'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { TestBrowser } from './oauth-browser.ts'
import { listen, type OauthServer } from './oauth-server.ts'
import { email, password } from './test-server.ts'

// oxlint-disable-next-line typescript/no-deprecated -- the test server has no certificate
const insecure = { execute: [client.allowInsecureRequests] }
const redirectUri = 'https://app.example/callback'

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

  async function asAgent({ id, privateKey } = agent) {
    const key = await crypto.subtle.importKey(
      'pkcs8',
      privateKey.export({ format: 'der', type: 'pkcs8' }),
      'Ed25519',
      false,
      ['sign'],
    )
    return client.discovery(new URL(oauth.issuer), id, undefined, client.PrivateKeyJwt(key), insecure)
  }

  async function asApp(settings: Record<string, unknown> = {}) {
    const body = { name: 'An app', redirectUris: [redirectUri], ...settings }
    const { clientId, clientSecret } = await oauth.server.api.call(createClient, { body, token: admin })
    const config = await client.discovery(new URL(oauth.issuer), clientId, clientSecret, undefined, insecure)
    return { config, clientId }
  }

  /** Logs in and consents, and gives the address that the client is sent back to. */
  async function authorize(config: client.Configuration, parameters: Record<string, string>) {
    const verifier = client.randomPKCECodeVerifier()
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...parameters,
    })
    const browser = new TestBrowser(oauth.issuer)
    const login = await browser.open(url)
    expect(login.html).toContain('name="password"')
    const consent = await browser.send(login, { email, password })
    expect(consent.html).toContain('act for you?')
    const { url: callback } = await browser.send(consent, { allow: 'yes' })
    return { callback, verifier, browser, consent }
  }

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
      })
    }
  })

  test('gives an agent that signs an assertion a token that our API takes', async () => {
    const tokens = await client.clientCredentialsGrant(await asAgent(), { scope: 'file/docs/*:read' })
    expect(decodeProtectedHeader(tokens.access_token)).toMatchObject({ typ: 'at+jwt' })
    expect(decodeJwt(tokens.access_token)).toMatchObject({
      iss: oauth.issuer,
      sub: agent.id,
      aud: `${oauth.issuer}/api`,
      client_id: agent.id,
      tenant: oauth.server.app.defaultTenantId,
      scope: 'file/docs/*:read',
    })
    const answer = await oauth.server.api.call(validate, { token: tokens.access_token })
    expect(answer).toMatchObject({ valid: true, agentId: agent.id })
  })

  test('lets a person’s client in by code and PKCE, once', async () => {
    const { config } = await asApp()
    const { callback, verifier } = await authorize(config, { scope: 'openid agent-iam/agents*:read', nonce: 'n' })
    const checks = { pkceCodeVerifier: verifier, expectedNonce: 'n' }
    const tokens = await client.authorizationCodeGrant(config, callback, checks)
    expect(tokens.claims()).toMatchObject({ sub: expect.stringMatching(/^usr_/) })
    expect(decodeJwt(tokens.access_token)).toMatchObject({ scope: 'agent-iam/agents*:read' })
    await oauth.server.api.call(validate, { token: tokens.access_token })

    await expect(client.authorizationCodeGrant(config, callback, checks)).rejects.toMatchObject({
      error: 'invalid_grant',
    })
    const problem = await oauth.server.api.refuse(validate, { token: tokens.access_token })
    expect(problem).toMatchObject({ code: 'token-revoked' })
  })
})
