import { createClient, createResource } from '@agent-iam/contract/clients'
import { createService, createServiceSecret } from '@agent-iam/contract/services'
import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { listen, type OauthServer } from './oauth-server.ts'

// oxlint-disable-next-line typescript/no-deprecated -- marked so that nobody uses it in production
const insecure = { [oauth.allowInsecureRequests]: true }
const resource = 'https://files.example/api'

/** A second client library, and the one that resource servers check our tokens with. */
describe.each(databases)('oauth4webapi on %s', (_name, open) => {
  let provider: OauthServer
  let admin: string
  let agent: TestAgent
  let as: oauth.AuthorizationServer

  beforeAll(async () => {
    provider = await listen(await open())
    admin = await provider.server.admin()
    agent = await makeAgent(provider.server, admin, ['files:read'])
    const issuer = new URL(provider.issuer)
    const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
    as = await oauth.processDiscoveryResponse(issuer, answer)
    const body = { resource, name: 'Files', scopes: ['files:read'] }
    await provider.server.api.call(createResource, { body, token: admin })
  })
  afterAll(() => provider.server.close())

  async function agentKey(): Promise<oauth.ClientAuth> {
    const der = agent.privateKey.export({ format: 'der', type: 'pkcs8' })
    return oauth.PrivateKeyJwt(await crypto.subtle.importKey('pkcs8', der, 'Ed25519', false, ['sign']))
  }

  async function tokensOf(
    clientId: string,
    auth: oauth.ClientAuth,
    options = {},
  ): Promise<oauth.TokenEndpointResponse> {
    const client = { client_id: clientId }
    const parameters = { resource, scope: 'files:read' }
    const answer = await oauth.clientCredentialsGrantRequest(as, client, auth, parameters, { ...insecure, ...options })
    return oauth.processClientCredentialsResponse(as, client, answer)
  }

  const askResource = (authorization: string) => new Request(`${resource}/a`, { headers: { authorization } })

  const aDpopKey = async () => oauth.DPoP({}, await oauth.generateKeyPair('ES256'))

  /** What a client would send to the resource server, with a proof by that key. */
  async function proved(token: string, key: oauth.DPoPHandle): Promise<Request> {
    let sent: Request | undefined
    const keep = (url: string, { method, headers }: { method: string; headers: Record<string, string> }) => {
      sent = new Request(url, { method, headers })
      return Promise.resolve(new Response())
    }
    const options = { DPoP: key, [oauth.customFetch]: keep }
    await oauth.protectedResourceRequest(token, 'GET', new URL(`${resource}/a`), undefined, undefined, options)
    if (!sent) throw new Error('nothing was sent')
    return sent
  }

  test('an agent’s token by private_key_jwt is one that a resource server takes, and only the right one', async () => {
    const { access_token: token, token_type: type } = await tokensOf(agent.id, await agentKey())
    expect(type).toBe('bearer')
    const claims = await oauth.validateJwtAccessToken(as, askResource(`Bearer ${token}`), resource, insecure)
    expect(claims).toMatchObject({ sub: agent.id, client_id: agent.id, scope: 'files:read' })
    const elsewhere = oauth.validateJwtAccessToken(as, askResource(`Bearer ${token}`), 'https://mail.example', insecure)
    await expect(elsewhere).rejects.toThrow(/"aud"/)
  })

  test('an agent gets no scope at a resource server that it does not hold', async () => {
    const other = await makeAgent(provider.server, admin, ['files/public*:read'])
    const der = other.privateKey.export({ format: 'der', type: 'pkcs8' })
    const auth = oauth.PrivateKeyJwt(await crypto.subtle.importKey('pkcs8', der, 'Ed25519', false, ['sign']))
    await expect(tokensOf(other.id, auth)).rejects.toMatchObject({ error: 'invalid_scope' })
  })

  test('a token that is bound to a key is taken with its proof alone', async () => {
    const [mine, anothers] = [await aDpopKey(), await aDpopKey()]
    const { access_token: token, token_type: type } = await tokensOf(agent.id, await agentKey(), { DPoP: mine })
    expect(type).toBe('dpop')
    const check = (request: Request) => oauth.validateJwtAccessToken(as, request, resource, insecure)
    expect(await check(await proved(token, mine))).toMatchObject({ sub: agent.id })
    await expect(check(await proved(token, anothers))).rejects.toThrow(/confirmation mismatch/)
    await expect(check(askResource(`Bearer ${token}`))).rejects.toThrow(/DPoP/)
  })

  test('a service proves itself by its secret, in the body or in the header', async () => {
    const body = { name: 'a service of many ways', capabilities: ['files:read'] }
    const { serviceId } = await provider.server.api.call(createService, { body, token: admin })
    const made = { params: { serviceId }, body: {}, token: admin }
    const { secret } = await provider.server.api.call(createServiceSecret, made)
    for (const auth of [oauth.ClientSecretPost(secret), oauth.ClientSecretBasic(secret)])
      expect(await tokensOf(serviceId, auth)).toMatchObject({ token_type: 'bearer', scope: 'files:read' })
    await expect(tokensOf(serviceId, oauth.ClientSecretBasic(`${secret}x`))).rejects.toMatchObject({ status: 401 })
    await expect(tokensOf(serviceId, oauth.None())).rejects.toMatchObject({ status: 401 })
  })

  test('pushes a request, and a revoked token is active no more', async () => {
    const redirectUri = 'https://app.example/callback'
    const settings = { name: 'An app', redirectUris: [redirectUri] }
    const { clientId, clientSecret = '' } = await provider.server.api.call(createClient, {
      body: settings,
      token: admin,
    })
    const client = { client_id: clientId }
    const verifier = oauth.generateRandomCodeVerifier()
    const pushed = await oauth.pushedAuthorizationRequest(
      as,
      client,
      oauth.ClientSecretBasic(clientSecret),
      {
        response_type: 'code',
        redirect_uri: redirectUri,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        scope: 'openid',
      },
      insecure,
    )
    const { request_uri: requestUri } = await oauth.processPushedAuthorizationResponse(as, client, pushed)
    expect(requestUri).toMatch(/^urn:ietf:params:oauth:request_uri:/)

    const { access_token: token } = await tokensOf(agent.id, await agentKey())
    const self = { client_id: agent.id }
    const isActive = async () => {
      const answer = await oauth.introspectionRequest(as, self, await agentKey(), token, insecure)
      return (await oauth.processIntrospectionResponse(as, self, answer)).active
    }
    expect(await isActive()).toBe(true)
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, self, await agentKey(), token, insecure))
    expect(await isActive()).toBe(false)
  })
})
