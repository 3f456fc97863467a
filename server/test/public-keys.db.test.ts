import { createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import { rotateAgentKey } from '@agent-iam/contract/agent-keys'
import { registerAgent } from '@agent-iam/contract/agents'
import { login, validate } from '@agent-iam/contract/auth'
import { pinAgentCertificate, pinServiceCertificate } from '@agent-iam/contract/certificates'
import { createClient, updateClient } from '@agent-iam/contract/clients'
import { delegateAgent } from '@agent-iam/contract/delegation'
import type { Operation } from '@agent-iam/contract/operation'
import { operations } from '@agent-iam/contract/operations'
import { addServiceKey } from '@agent-iam/contract/services'
import { assertionType, issueToken } from '@agent-iam/contract/token'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { badKeys, goodEd25519, goodP256, plain, withOtherEnd, type Jwk } from '../../test/keys/bad-keys.ts'
import { defaultSettings } from '../src/platform/settings.ts'
import { jwkOfCose } from '../src/features/factors/cose-key.ts'
import { refusalOf } from '../src/platform/public-keys.ts'
import { assertion, loginAgent, makeAgent, type TestAgent } from './agents.ts'
import { edwards, selfSigned } from './certificates.ts'
import { databases } from './databases.ts'
import { dpopHeaders, proofKey, proofOf } from './proofs.ts'
import { makeService } from './services.ts'
import { openServer, publicUrl, type TestServer } from './test-server.ts'

/** Every operation that takes a public key, by what its body calls it. A passkey's is in COSE, in what the browser made. */
const keyMembers = ['publicKey', 'jwk', 'jwks', 'certificate']

function takesKey({ body }: Operation): boolean {
  if (body === undefined) return false
  const schema: unknown = z.toJSONSchema(body, { io: 'input', unrepresentable: 'any' })
  const properties = Object.keys(Object(Reflect.get(Object(schema), 'properties')))
  return properties.some((name) => keyMembers.includes(name))
}

/** The identity as an Ed25519 key. By it, this signature of R = identity and S = 0 verifies for every text. */
const identityKey: Jwk = {
  kty: 'OKP',
  crv: 'Ed25519',
  x: Buffer.concat([Buffer.of(1), Buffer.alloc(31)]).toString('base64url'),
}
const forgedSignature = Buffer.concat([Buffer.of(1), Buffer.alloc(63)]).toString('base64url')
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const forged = (header: object, claims: object) => `${part(header)}.${part(claims)}.${forgedSignature}`

describe.each(databases)('public keys on %s', (_name, open) => {
  let server: TestServer
  let admin: string
  let agent: TestAgent
  let token: string

  beforeAll(async () => {
    server = await openServer(await open(), {
      replace: (world) => ({ ...world, settings: { ...defaultSettings, dynamicRegistration: true } }),
    })
    admin = await server.admin()
    agent = await makeAgent(server, admin, ['agent-iam/agents*:delegate'])
    token = (await loginAgent(server, agent)).accessToken
  })
  afterAll(() => server.close())

  const ways: Record<string, (jwk: Jwk) => Promise<{ code: string }>> = {
    registerAgent: (publicKey) =>
      server.api.refuse(registerAgent, { body: { name: `agent ${randomUUID()}`, publicKey }, token: admin }),
    rotateAgentKey: (publicKey) =>
      server.api.refuse(rotateAgentKey, {
        params: { agentId: agent.id },
        body: { publicKey, proof: forgedSignature },
        token,
      }),
    delegateAgent: (publicKey) =>
      server.api.refuse(delegateAgent, { body: { name: `child ${randomUUID()}`, publicKey }, token }),
    addServiceKey: async (jwk) => {
      const { serviceId } = await makeService(server, admin)
      return server.api.refuse(addServiceKey, { params: { serviceId }, body: { jwk }, token: admin })
    },
    createClient: (jwk) => server.api.refuse(createClient, { body: clientBody(jwk), token: admin }),
    updateClient: async (jwk) => {
      const { clientId } = await server.api.call(createClient, { body: clientBody(goodP256), token: admin })
      return server.api.refuse(updateClient, { params: { clientId }, body: { jwks: { keys: [jwk] } }, token: admin })
    },
  }
  const certificateWays = { pinAgentCertificate, pinServiceCertificate }

  test('each operation that takes a public key is tried', () => {
    const taking = operations.filter(takesKey).map(({ id }) => id)
    expect(taking.toSorted()).toEqual([...Object.keys(ways), ...Object.keys(certificateWays)].toSorted())
  })

  test.each(Object.keys(ways))('%s refuses every kind of bad key', async (name) => {
    const accepted = []
    for (const [why, jwk] of badKeys) {
      const { code } = (await ways[name]?.(jwk)) ?? { code: 'none' }
      if (code !== 'invalid-request') accepted.push([why, code])
    }
    expect(accepted).toEqual([])
  })

  test('a certificate with a bad key is refused, and proves nobody', async () => {
    const { pem } = await selfSigned('weak', { algorithm: edwards })
    const good = createPublicKey(pem).export({ format: 'jwk' }).x ?? ''
    const der = Buffer.from(pem.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64')
    Buffer.from(String(identityKey['x']), 'base64url').copy(der, der.indexOf(Buffer.from(good, 'base64url')))
    const certificate = `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----`
    const { serviceId } = await makeService(server, admin)
    const body = { certificate }
    const refused = [
      await server.api.refuse(pinAgentCertificate, { params: { agentId: agent.id }, body, token: admin }),
      await server.api.refuse(pinServiceCertificate, { params: { serviceId }, body, token: admin }),
    ]
    expect(refused.map(({ code }) => code)).toEqual(['invalid-request', 'invalid-request'])
    await server.api.call(pinAgentCertificate, {
      params: { agentId: agent.id },
      body: { certificate: pem },
      token: admin,
    })
  })

  test('a client that registers itself is refused with every kind of bad key', async () => {
    for (const [why, jwk] of badKeys) {
      const { status, body } = await register(jwk)
      expect([why, status, body['error']]).toEqual([why, 400, 'invalid_client_metadata'])
    }
  })

  test('a key that an earlier release stored is refused when it is used', async () => {
    const { serviceId } = await makeService(server, admin)
    const jwk = plain(generateKeyPairSync('ed25519').publicKey)
    const { thumbprint } = await server.api.call(addServiceKey, { params: { serviceId }, body: { jwk }, token: admin })
    const stored = [thumbprint, JSON.stringify(identityKey)]
    await server.database.ask('update service_keys set jwk = $2::jsonb where thumbprint = $1', stored)
    const body = {
      grant_type: 'client_credentials' as const,
      client_assertion_type: assertionType,
      client_assertion: forged({ alg: 'EdDSA' }, claimsOf(serviceId)),
    }
    expect((await server.api.refuse(issueToken, { body })).code).toBe('invalid-credentials')
  })

  test('a proof of possession by a bad key is refused', async () => {
    const good = proofKey()
    const jwk = { ...createPublicKey(good.privateKey).export({ format: 'jwk' }) }
    const about = { method: 'GET', path: '/api/v1/auth/validate', token }
    const proofs = await Promise.all(
      [
        { ...jwk, use: 'enc' },
        { ...jwk, key_ops: ['deriveBits'] },
        { ...jwk, alg: 'ES256' },
        { ...jwk, d: 'AAAA' },
      ].map((bad) => proofOf(server, good, { ...about, header: { jwk: bad } })),
    )
    const now = Math.floor(server.clock.now().getTime() / 1000)
    const claims = { jti: randomUUID(), htm: 'GET', htu: `${publicUrl}/api/v1/auth/validate`, iat: now }
    const all = [...proofs, ...badKeys.map(([, bad]) => forged({ alg: 'EdDSA', typ: 'dpop+jwt', jwk: bad }, claims))]
    for (const dpop of all) {
      const refused = await server.api.refuse(validate, { headers: { authorization: `DPoP ${token}`, dpop } })
      expect([dpop.slice(0, 150), refused.code]).toEqual([dpop.slice(0, 150), 'invalid-proof'])
    }
  })

  test('a signature in another spelling is refused, wherever one is read', async () => {
    const key = proofKey()
    const about = { method: 'GET', path: '/api/v1/auth/validate', token }
    const { authorization, dpop } = await dpopHeaders(server, key, about)
    const spelt = [`${dpop}==`, withOtherEnd(dpop)]
    for (const each of spelt)
      expect((await server.api.refuse(validate, { headers: { authorization, dpop: each } })).code).toBe('invalid-proof')
    for (const each of [`${token}=`, withOtherEnd(token)])
      expect((await server.api.refuse(validate, { token: each })).code).toBe('invalid-token')
    const { credentials } = await assertion(agent, server)
    for (const each of [`${credentials.token}==`, withOtherEnd(credentials.token)]) {
      const body = { agentId: agent.id, credentials: { type: 'jwt' as const, token: each } }
      expect((await server.api.refuse(login, { body })).code).toBe('invalid-credentials')
    }
  })

  async function register(jwk: Jwk) {
    const metadata = { redirect_uris: ['https://app.example/callback'], token_endpoint_auth_method: 'private_key_jwt' }
    const answer = await server.app.http.inject({
      method: 'POST',
      url: '/oauth/register',
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify({ ...metadata, jwks: { keys: [jwk] } }),
    })
    const body: Record<string, unknown> = Object(answer.json())
    return { status: answer.statusCode, body }
  }

  function clientBody(jwk: Jwk) {
    return {
      name: `client ${randomUUID()}`,
      redirectUris: ['https://app.example/callback'],
      authMethod: 'private_key_jwt' as const,
      jwks: { keys: [jwk] },
    }
  }

  function claimsOf(id: string) {
    const now = Math.floor(server.clock.now().getTime() / 1000)
    return { iss: id, sub: id, aud: publicUrl, iat: now, exp: now + 60, jti: randomUUID() }
  }
})

test('a passkey’s key passes the same gate', () => {
  const bytes = (text: unknown) => Buffer.from(String(text), 'base64url')
  const cose = new Map<number, unknown>([
    [1, 2],
    [3, -7],
    [-1, 1],
    [-2, bytes(goodP256['x'])],
    [-3, bytes(goodP256['y'])],
  ])
  expect(refusalOf(jwkOfCose(cose) ?? {})).toBeUndefined()
  expect(refusalOf(jwkOfCose(new Map([...cose, [-3, bytes(goodP256['x'])]])) ?? {})).toContain('not a point')
  expect(
    refusalOf(
      jwkOfCose(
        new Map<number, unknown>([
          [1, 1],
          [-1, 6],
          [-2, bytes(identityKey['x'])],
        ]),
      ) ?? {},
    ),
  ).toContain('small-order')
  expect(
    jwkOfCose(
      new Map<number, unknown>([
        [1, 1],
        [-1, 4],
        [-2, bytes(goodEd25519['x'])],
      ]),
    ),
  ).toBeUndefined()
})
