import { randomUUID } from 'node:crypto'
import { suspendAgent } from '@agent-iam/contract/agents'
import { validate } from '@agent-iam/contract/auth'
import { createService, createServiceSecret, deleteServiceSecret } from '@agent-iam/contract/services'
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { asAgent, insecure, registerApp } from './oauth-clients.ts'
import { listen, type OauthServer } from './oauth-server.ts'

describe.each(databases)('machines at the OAuth provider on %s', (_name, open) => {
  let oauth: OauthServer
  let admin: string
  let agent: TestAgent

  beforeAll(async () => {
    oauth = await listen(await open())
    admin = await oauth.server.admin()
    agent = await makeAgent(oauth.server, admin, ['file/docs/*:read'])
  })
  afterAll(() => oauth.server.close())

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
    expect(await oauth.server.api.call(validate, { token: tokens.access_token })).toMatchObject({
      valid: true,
      agentId: agent.id,
    })
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
    expect(await oauth.server.api.refuse(validate, { token })).toMatchObject({
      code: expect.stringMatching(/token-revoked|identity-inactive/),
    })
  })

  test('takes a service’s secret, and ends what was begun with it when it is deleted', async () => {
    const service = { name: 'a service of the OAuth tests', capabilities: ['file/docs/*:read'] }
    const { serviceId } = await oauth.server.api.call(createService, { body: service, token: admin })
    const params = { serviceId }
    const { secret, secretId } = await oauth.server.api.call(createServiceSecret, { params, token: admin })
    const as = (shown: string) =>
      client.discovery(new URL(oauth.issuer), serviceId, undefined, client.ClientSecretBasic(shown), insecure)
    const tokens = await client.clientCredentialsGrant(await as(secret), { scope: 'file/docs/*:read' })
    expect(await oauth.server.api.call(validate, { token: tokens.access_token })).toMatchObject({
      identityId: serviceId,
    })
    const wrong = client.clientCredentialsGrant(await as(`${secret}x`))
    await expect(wrong).rejects.toMatchObject({ status: 401 })
    const own = await as(secret)
    expect(await client.tokenIntrospection(own, tokens.access_token)).toMatchObject({ active: true, sub: serviceId })
    await oauth.server.api.call(deleteServiceSecret, { params: { ...params, secretId }, token: admin })
    expect(await oauth.server.api.refuse(validate, { token: tokens.access_token })).toMatchObject({
      code: 'token-revoked',
    })
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
})
