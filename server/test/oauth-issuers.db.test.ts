import { validate } from '@agent-iam/contract/auth'
import { listClients } from '@agent-iam/contract/clients'
import { decodeJwt } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { administrator, asAgent, authorize, insecure, registerApp, scope, tokensOf } from './oauth-clients.ts'
import { listen, type OauthServer } from './oauth-server.ts'

describe.each(databases)('the issuers of the OAuth provider on %s', (_name, open) => {
  let oauth: OauthServer
  let admin: string
  let agent: TestAgent

  beforeAll(async () => {
    oauth = await listen(await open())
    admin = await oauth.server.admin()
    agent = await makeAgent(oauth.server, admin, ['file/docs/*:read'])
  })
  afterAll(() => oauth.server.close())

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
    await oauth.server.api.call(validate, { token: tokens.access_token })
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
