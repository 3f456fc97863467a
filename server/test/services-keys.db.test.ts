import { createPublicKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto'
import { login, validate } from '@agent-iam/contract/auth'
import { addServiceKey, deleteServiceKey } from '@agent-iam/contract/services'
import { assertionType, issueToken } from '@agent-iam/contract/token'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { assertion, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { makeService } from './services.ts'
import { openServer, publicUrl, type TestServer } from './test-server.ts'

describe.each(databases)('the keys of services on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
  })
  afterAll(() => server.close())

  async function withKey(type: 'ed25519' | 'ec' | 'rsa' = 'ed25519', jwkMore: object = {}) {
    const { publicKey, privateKey } = keyPair(type)
    const { serviceId } = await makeService(server, admin)
    const params = { serviceId }
    const jwk = { ...plain(publicKey), ...jwkMore }
    const key = await server.api.call(addServiceKey, { params, body: { jwk }, token: admin })
    return { serviceId, params, privateKey, ...key }
  }

  test.each(['ed25519', 'ec', 'rsa'] as const)('an assertion by an %s key proves, once', async (type) => {
    const { serviceId, privateKey, algorithm } = await withKey(type)
    const body = byAssertion(await sign(serviceId, privateKey, algorithm))
    const { access_token: token } = await server.api.call(issueToken, { body })
    expect(await server.api.call(validate, { token })).toMatchObject({ identityId: serviceId })
    expect(await server.api.refuse(issueToken, { body })).toMatchObject({ code: 'replayed' })
  })

  test('an assertion with anything wrong proves nothing', async () => {
    const { serviceId, privateKey } = await withKey('rsa')
    const other = keyPair('rsa')
    const now = Math.floor(server.clock.now().getTime() / 1000)
    const jwk = other.publicKey.export({ format: 'jwk' })
    const wrong = await Promise.all([
      sign(serviceId, other.privateKey, 'RS256'),
      sign(serviceId, other.privateKey, 'RS256', { header: { jwk } }),
      sign(serviceId, privateKey, 'RS256', { header: { jwk } }),
      sign(serviceId, privateKey, 'RS256', { header: { jku: 'https://elsewhere.example' } }),
      sign(serviceId, privateKey, 'RS256', { header: { x5u: 'https://elsewhere.example' } }),
      sign(serviceId, privateKey, 'RS256', { header: { kid: 'another' } }),
      sign(serviceId, privateKey, 'PS256'),
      sign(serviceId, privateKey, 'RS512'),
      sign(serviceId, privateKey, 'RS256', { header: { typ: 'dpop+jwt' } }),
      sign(serviceId, privateKey, 'RS256', { header: { typ: 'at+jwt' } }),
      sign(serviceId, privateKey, 'RS256', { claims: { aud: `${publicUrl}/api/v1/auth/token` } }),
      sign(serviceId, privateKey, 'RS256', { claims: { aud: [publicUrl, 'https://elsewhere.example'] } }),
      sign(serviceId, privateKey, 'RS256', { claims: { iss: `svc_${'1'.repeat(32)}` } }),
      sign(serviceId, privateKey, 'RS256', { claims: { exp: now - 1 } }),
      sign(serviceId, privateKey, 'RS256', { claims: { exp: now + 3600 } }),
      sign(serviceId, privateKey, 'RS256', { claims: { jti: undefined } }),
      sign(serviceId, privateKey, 'RS256', { claims: { exp: undefined } }),
    ])
    const [header = '', payload = ''] = (await sign(serviceId, privateKey, 'RS256')).split('.')
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    for (const token of [...wrong, `${none}.${payload}.`, `${header}.${payload}.`, 'a.b.c', 'nonsense']) {
      const body = { ...byAssertion(token), client_id: serviceId }
      expect(await server.api.refuse(issueToken, { body }), token).toMatchObject({ code: 'invalid-credentials' })
    }
    await server.api.call(issueToken, { body: byAssertion(await sign(serviceId, privateKey, 'RS256')) })
  })

  test('an assertion under the public key as an HMAC secret proves nothing', async () => {
    const { serviceId, privateKey } = await withKey('rsa')
    const pem = Buffer.from(publicPem(privateKey))
    const token = await new SignJWT(claimsOf(serviceId)).setProtectedHeader({ alg: 'HS256' }).sign(pem)
    expect(await server.api.refuse(issueToken, { body: byAssertion(token) })).toMatchObject({
      code: 'invalid-credentials',
    })
  })

  test('one assertion of an agent is good for a login or for a token, not for both', async () => {
    const agent = await makeAgent(server, admin, ['file/*:read'])
    const { credentials } = await assertion(agent, server)
    const { access_token: token } = await server.api.call(issueToken, { body: byAssertion(credentials.token) })
    expect(await server.api.call(validate, { token })).toMatchObject({ agentId: agent.id })
    expect(await server.api.refuse(login, { body: { agentId: agent.id, credentials } })).toMatchObject({
      code: 'replayed',
    })
  })

  test('a key that is deleted proves no more, takes its tokens along, and never comes back', async () => {
    const { serviceId, params, privateKey, thumbprint } = await withKey('ec')
    const { access_token: token } = await server.api.call(issueToken, {
      body: byAssertion(await sign(serviceId, privateKey, 'ES256')),
    })
    const ended = await server.api.call(deleteServiceKey, { params: { ...params, thumbprint }, token: admin })
    expect(ended).toEqual({ thumbprint, endedSessions: 1 })
    expect(await server.api.refuse(validate, { token })).toMatchObject({ code: 'token-revoked' })
    const again = byAssertion(await sign(serviceId, privateKey, 'ES256'))
    expect(await server.api.refuse(issueToken, { body: again })).toMatchObject({ code: 'invalid-credentials' })
    const jwk = plain(createPublicKey(privateKey))
    expect(await server.api.refuse(addServiceKey, { params, body: { jwk }, token: admin })).toMatchObject({
      code: 'already-exists',
    })
  })

  test('keys that are private, weak, misspelt or of another kind are refused', async () => {
    const { serviceId } = await makeService(server, admin)
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' })
    const good = keyPair('ed25519').publicKey.export({ format: 'jwk' })
    const refused = [
      keyPair('ed25519').privateKey.export({ format: 'jwk' }),
      weak,
      p384,
      { kty: 'oct', k: 'c2VjcmV0' },
      { ...good, x: `${good.x}=` },
      { ...good, x: 'AA' },
      { ...good, alg: 'HS256' },
      { ...good, kid: '' },
      { kty: 'RSA' },
      {},
    ]
    for (const jwk of refused) {
      const body = { jwk: { ...jwk } }
      const problem = await server.api.refuse(addServiceKey, { params: { serviceId }, body, token: admin })
      expect(problem, JSON.stringify(jwk)).toMatchObject({ code: 'invalid-request' })
    }
  })

  function claimsOf(id: string, changes: Record<string, unknown> = {}) {
    const now = Math.floor(server.clock.now().getTime() / 1000)
    return { iss: id, sub: id, aud: publicUrl, iat: now, exp: now + 60, jti: randomUUID(), ...changes }
  }

  async function sign(
    id: string,
    key: KeyObject,
    alg: string,
    changes: { claims?: Record<string, unknown>; header?: Record<string, unknown> } = {},
  ): Promise<string> {
    return new SignJWT(claimsOf(id, changes.claims)).setProtectedHeader({ alg, ...changes.header }).sign(key)
  }
})

function byAssertion(token: string) {
  return {
    grant_type: 'client_credentials' as const,
    client_assertion_type: assertionType,
    client_assertion: token,
  } as const
}

function keyPair(type: 'ed25519' | 'ec' | 'rsa') {
  if (type === 'ed25519') return generateKeyPairSync('ed25519')
  return type === 'ec'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 })
}

/** A public key as a JWK that JSON can tell. */
function plain(key: KeyObject): Record<string, string> {
  return Object.fromEntries(Object.entries(key.export({ format: 'jwk' })).map(([name, value]) => [name, String(value)]))
}

function publicPem(privateKey: KeyObject): string {
  return createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }).toString()
}
