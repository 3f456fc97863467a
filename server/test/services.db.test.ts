import { createPublicKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto'
import { login, validate } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import type { ServiceId } from '@agent-iam/contract/ids'
import {
  addServiceKey,
  createService,
  createServiceSecret,
  deleteService,
  deleteServiceKey,
  deleteServiceSecret,
  getService,
  listServices,
  listServiceSecrets,
  reactivateService,
  suspendService,
} from '@agent-iam/contract/services'
import { assertionType, issueToken } from '@agent-iam/contract/token'
import { decodeJwt, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { assertion, makeAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import { openServer, publicUrl, startServer, type TestServer, uuidOf } from './test-server.ts'

let made = 0

describe.each(databases)('services on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
  })
  beforeEach(async () => {
    admin = await server.admin()
  })
  afterAll(() => server.close())

  async function make(capabilities = ['file/docs/*:read'], rest: object = {}) {
    const body = { name: `service ${++made}`, capabilities, ...rest }
    return server.api.call(createService, { body, token: admin })
  }

  async function withSecret(capabilities?: string[], rest?: object) {
    const service = await make(capabilities, rest)
    const params = { serviceId: service.serviceId }
    const { secret, secretId } = await server.api.call(createServiceSecret, { params, token: admin })
    return { ...service, params, secretId, body: bySecret(service.serviceId, secret) }
  }

  async function withKey(type: 'ed25519' | 'ec' | 'rsa' = 'ed25519', jwkMore: object = {}) {
    const { publicKey, privateKey } = keyPair(type)
    const { serviceId } = await make()
    const params = { serviceId }
    const jwk = { ...plain(publicKey), ...jwkMore }
    const key = await server.api.call(addServiceKey, { params, body: { jwk }, token: admin })
    return { serviceId, params, privateKey, ...key }
  }

  test('a service is made, owned by its maker, listed, and proved by its secret', async () => {
    const { body, serviceId } = await withSecret()
    const answer = await server.api.call(issueToken, { body })
    expect(answer).toMatchObject({ token_type: 'Bearer', expires_in: 900, scope: 'file/docs/*:read' })
    expect(await server.api.call(validate, { token: answer.access_token })).toMatchObject({ identityId: serviceId })
    expect(decodeJwt(answer.access_token)).toMatchObject({
      iss: publicUrl,
      sub: serviceId,
      client_id: serviceId,
      aud: `${publicUrl}/api`,
    })
    const { services } = await server.api.call(listServices, { query: { limit: 200 }, token: admin })
    expect(services.find((each) => each.serviceId === serviceId)).toMatchObject({
      status: 'active',
      capabilities: ['file/docs/*:read'],
    })
  })

  test('HTTP Basic proves as the body does, and both at once are refused', async () => {
    const { body, serviceId } = await withSecret()
    const headers = { authorization: `Basic ${Buffer.from(`${serviceId}:${body.client_secret}`).toString('base64')}` }
    const grant = { grant_type: 'client_credentials' as const }
    await server.api.call(issueToken, { body: grant, headers })
    expect(await server.api.refuse(issueToken, { body, headers })).toMatchObject({ code: 'invalid-request' })
    const garbled = { authorization: `Basic ${Buffer.from('no colon').toString('base64')}` }
    expect(await server.api.refuse(issueToken, { body: grant, headers: garbled })).toMatchObject({
      code: 'invalid-request',
    })
  })

  test('an unknown client and a wrong secret are told in the same words', async () => {
    const { body } = await withSecret()
    const agent = await makeAgent(server, admin)
    const wrong = [
      { ...body, client_secret: 'ais_wrong' },
      { ...body, client_id: `svc_${'1'.repeat(32)}` },
      { ...body, client_id: agent.id },
    ]
    const answers = await Promise.all(wrong.map((each) => server.api.refuse(issueToken, { body: each })))
    expect(new Set(answers.map(({ code, detail }) => `${code} ${detail}`)).size).toBe(1)
    expect(answers[0]?.code).toBe('invalid-credentials')
  })

  test('a scope narrows the token, at checks and at the platform alike; more than is held is refused', async () => {
    const { body } = await withSecret([
      'file/docs/*:read',
      'file/docs/*:write',
      'agent-iam/agents*:read',
      'agent-iam/policies*:read',
    ])
    const scope = 'file/docs/*:read agent-iam/agents*:read'
    const answer = await server.api.call(issueToken, { body: { ...body, scope } })
    expect(answer.scope).toBe(scope)
    const token = answer.access_token
    const ask = async (action: string) =>
      (await server.api.call(check, { body: { resource: 'file/docs/a', action }, token })).decision
    expect([await ask('read'), await ask('write')]).toEqual(['allow', 'deny'])
    expect(
      await server.api.refuse(createServiceSecret, { params: { serviceId: body.client_id }, token }),
    ).toMatchObject({ status: 404 })
    const more = { ...body, scope: 'file/*:read' }
    expect(await server.api.refuse(issueToken, { body: more })).toMatchObject({ code: 'capability-exceeded' })
    const label = { ...body, scope: 'everything' }
    expect(await server.api.refuse(issueToken, { body: label })).toMatchObject({ code: 'invalid-request' })
  })

  test('without a scope the default scopes count', async () => {
    const { body } = await withSecret(['a:read', 'a:write'], { defaultScopes: ['a:read'] })
    const { scope, access_token: token } = await server.api.call(issueToken, { body })
    expect(scope).toBe('a:read')
    const { decision } = await server.api.call(check, { body: { resource: 'a/1', action: 'write' }, token })
    expect(decision).toBe('deny')
    const outside = { name: `service ${++made}`, capabilities: ['a:read'], defaultScopes: ['a:write'] }
    expect(await server.api.refuse(createService, { body: outside, token: admin })).toMatchObject({
      code: 'capability-exceeded',
    })
  })

  test('a token for another resource is not given, and the answer says which it could be', async () => {
    const { body } = await withSecret()
    await server.api.call(issueToken, { body: { ...body, resource: `${publicUrl}/api` } })
    const problem = await server.api.refuse(issueToken, { body: { ...body, resource: 'https://elsewhere.example' } })
    expect(problem).toMatchObject({ code: 'invalid-request', detail: expect.stringMatching(`${publicUrl}/api`) })
  })

  test('suspended, a service gets no token and those it has are worth nothing; reactivated, the old ones stay so', async () => {
    const { body, params } = await withSecret()
    const { access_token: token } = await server.api.call(issueToken, { body })
    await server.api.call(suspendService, { params, token: admin })
    expect(await server.api.refuse(issueToken, { body })).toMatchObject({ code: 'identity-inactive' })
    expect(await server.api.refuse(validate, { token })).toMatchObject({ status: 401, code: 'token-revoked' })
    await server.api.call(reactivateService, { params, token: admin })
    await server.api.call(issueToken, { body })
    expect(await server.api.refuse(validate, { token })).toMatchObject({ code: 'token-revoked' })
    await server.api.call(deleteService, { params, token: admin })
    expect(await server.api.refuse(issueToken, { body })).toMatchObject({ code: 'invalid-credentials' })
    expect(await server.api.refuse(reactivateService, { params, token: admin })).toMatchObject({ code: 'wrong-state' })
  })

  test('of two secrets each works, there is no third, and one that is deleted takes its tokens along', async () => {
    const { body, params, secretId } = await withSecret()
    const second = await server.api.call(createServiceSecret, { params, token: admin })
    expect(await server.api.refuse(createServiceSecret, { params, token: admin })).toMatchObject({
      code: 'quota-spent',
    })
    const first = await server.api.call(issueToken, { body })
    const other = await server.api.call(issueToken, { body: { ...body, client_secret: second.secret } })
    const { secrets } = await server.api.call(listServiceSecrets, { params, token: admin })
    expect(secrets.map((each) => each.secretId)).toEqual([secretId, second.secretId])
    expect(JSON.stringify(secrets)).not.toContain(second.secret)
    const ended = await server.api.call(deleteServiceSecret, { params: { ...params, secretId }, token: admin })
    expect(ended).toEqual({ secretId, endedSessions: 1 })
    expect(await server.api.refuse(validate, { token: first.access_token })).toMatchObject({ code: 'token-revoked' })
    expect(await server.api.refuse(issueToken, { body })).toMatchObject({ code: 'invalid-credentials' })
    await server.api.call(validate, { token: other.access_token })
    expect(
      await server.api.refuse(deleteServiceSecret, { params: { ...params, secretId }, token: admin }),
    ).toMatchObject({ status: 404 })
  })

  test('of ten who make a secret at once, two do', async () => {
    const { serviceId } = await make()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => server.api.send(createServiceSecret, { params: { serviceId }, token: admin })),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(2)
  })

  test('a secret ends with its time', async () => {
    const { body } = await withSecret()
    server.clock.advance(91 * 86_400)
    expect(await server.api.refuse(issueToken, { body })).toMatchObject({ code: 'invalid-credentials' })
  })

  test('only the digest of a secret is kept', async () => {
    const { body } = await withSecret()
    const dump = await database.ask(`select t::text as text from service_secrets t`)
    expect(JSON.stringify(dump)).not.toContain(body.client_secret)
    expect(JSON.stringify(dump)).not.toContain(body.client_secret.slice(12))
  })

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
    const { serviceId } = await make()
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

  test('the owner looks after a service without any role, and nobody makes a secret that can do more than its maker', async () => {
    const manager = await server.user('manager')
    const service = await server.api.call(createService, { body: { name: `service ${++made}` }, token: admin })
    const strong = await make(['agent-iam:*'])
    await database.ask(`update identities set owner_id = $1 where id = $2`, [
      uuidOf(manager.id),
      uuidOf(strong.serviceId),
    ])
    await database.ask(`delete from role_assignments where identity_id = $1`, [uuidOf(manager.id)])
    const params = { serviceId: strong.serviceId }
    await server.api.call(getService, { params, token: manager.token })
    expect(await server.api.refuse(createServiceSecret, { params, token: manager.token })).toMatchObject({
      code: 'capability-exceeded',
    })
    expect(
      await server.api.refuse(getService, { params: { serviceId: service.serviceId }, token: manager.token }),
    ).toMatchObject({ status: 404 })
    await server.api.call(suspendService, { params, token: manager.token })
    await server.api.call(deleteService, { params, token: manager.token })
  })

  test('names are taken for agents and services alike', async () => {
    const { name } = await make()
    expect(await server.api.refuse(createService, { body: { name }, token: admin })).toMatchObject({
      code: 'already-exists',
    })
    const agent = await makeAgent(server, admin)
    expect(await server.api.refuse(createService, { body: { name: agent.name }, token: admin })).toMatchObject({
      code: 'already-exists',
    })
  })

  test('what is deleted on one instance is refused on the other at once', async () => {
    const { body, params, secretId } = await withSecret()
    const { access_token: token } = await server.api.call(issueToken, { body })
    const other = await startServer(
      { ...database, db: database.another(), close: () => Promise.resolve() },
      { masterKey: server.masterKey, clock: server.clock },
    )
    await other.api.call(validate, { token })
    await server.api.call(deleteServiceSecret, { params: { ...params, secretId }, token: admin })
    expect(await other.api.refuse(validate, { token })).toMatchObject({ code: 'token-revoked' })
    expect(await other.api.refuse(issueToken, { body })).toMatchObject({ code: 'invalid-credentials' })
    await other.app.http.close()
    await other.app.close()
  })

  test('a client of another tenant is proved there, and its token is of that issuer', async () => {
    const { admin: foreign, id } = await server.tenant(`tenant-${++made}`)
    const service = await server.api.call(createService, { body: { name: 'foreign' }, token: foreign.token })
    const params = { serviceId: service.serviceId }
    const { secret } = await server.api.call(createServiceSecret, { params, token: foreign.token })
    const answer = await server.api.call(issueToken, { body: bySecret(service.serviceId, secret) })
    expect(decodeJwt(answer.access_token)).toMatchObject({ iss: `${publicUrl}/t/${id}`, tenant: id })
    expect(await server.api.refuse(getService, { params, token: admin })).toMatchObject({ status: 404 })
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

function bySecret(clientId: ServiceId, secret: string) {
  return { grant_type: 'client_credentials' as const, client_id: clientId, client_secret: secret }
}

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
