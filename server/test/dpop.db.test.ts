import { createHmac, generateKeyPairSync, randomUUID } from 'node:crypto'
import { getChallenge, login, logout, refresh, validate, type Tokens } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import { delegateAgent } from '@agent-iam/contract/delegation'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aKey, assertion, loginAgent, makeAgent, signed, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { dpopHeaders, proofKey, proofOf, publicJwk, thumbprintOf, type ProofFor, type ProofKey } from './proofs.ts'
import { email, openServer, password, type TestServer } from './test-server.ts'

const validatePath = '/api/v1/auth/validate'
const loginPath = '/api/v1/auth/login'
const refreshPath = '/api/v1/auth/refresh'

describe.each(databases)('DPoP on %s', (_name, open) => {
  let server: TestServer
  let agent: TestAgent
  let key: ProofKey
  let bound: Tokens

  beforeAll(async () => {
    server = await openServer(await open())
    agent = await makeAgent(server, await server.admin(), ['file/docs/*:read'])
    key = proofKey()
    bound = await loginBound(server, agent, key)
  })
  afterAll(() => server.close())

  const use = async (changes: Partial<ProofFor> = {}, by = key, token = bound.accessToken) =>
    server.api.send(validate, {
      headers: await dpopHeaders(server, by, { method: 'GET', path: validatePath, token, ...changes }),
    })

  test('a login with a proof binds its tokens to the key, and says so', async () => {
    expect(bound.tokenType).toBe('DPoP')
    const claims: unknown = JSON.parse(Buffer.from(bound.accessToken.split('.')[1] ?? '', 'base64url').toString())
    expect(claims).toMatchObject({ cnf: { jkt: await thumbprintOf(key) } })
    expect((await use()).status).toBe(200)
  })

  test('a key of another algorithm binds as well', async () => {
    const other = proofKey('ES256')
    const { accessToken } = await loginBound(server, agent, other)
    expect((await use({}, other, accessToken)).status).toBe(200)
  })

  test('a bound token alone is worth nothing: not as Bearer, not with another’s proof', async () => {
    const asBearer = await server.api.refuse(validate, { token: bound.accessToken })
    expect(asBearer.code).toBe('invalid-token')
    const { authorization } = await dpopHeaders(server, key, { path: validatePath, token: bound.accessToken })
    expect((await server.api.refuse(validate, { headers: { authorization } })).code).toBe('invalid-proof')
    expect(codeOf(await use({}, proofKey()))).toBe('invalid-token')
  })

  test('a token bound to no key is refused with a proof', async () => {
    const { accessToken } = await loginAgent(server, agent)
    expect(codeOf(await use({}, key, accessToken))).toBe('invalid-token')
    expect((await server.api.send(validate, { token: accessToken })).status).toBe(200)
  })

  test('no bound token makes a child whose token whoever finds it can use', async () => {
    const parent = await makeAgent(server, await server.admin(), ['agent-iam/agents*:delegate'])
    const { accessToken: token } = await loginBound(server, parent, key)
    const path = '/api/v1/delegations'
    const headers = () => dpopHeaders(server, key, { path, token })
    const child = { body: { name: 'of a bound one' } }
    const problem = await server.api.refuse(delegateAgent, { ...child, headers: await headers() })
    expect(problem).toMatchObject({ code: 'invalid-request', errors: [{ field: 'publicKey' }] })
    const body = { ...child.body, publicKey: aKey().publicKey }
    const made = await server.api.call(delegateAgent, { body, headers: await headers() })
    expect(made.token.tokenType).toBe('DPoP')
  })

  test('an enrolment token is not sent as DPoP', async () => {
    expect(codeOf(await use({}, key, 'enr_nonsense'))).toBe('invalid-token')
  })

  const notThisRequest: Array<[string, Partial<ProofFor>]> = [
    ['another method', { method: 'POST' }],
    ['another path', { path: '/api/v1/auth/logout' }],
    ['another host', { claims: { htu: `https://evil.example${validatePath}` } }],
    ['no address', { claims: { htu: 'nowhere' } }],
    ['another token', { claims: { ath: 'x'.repeat(43) } }],
    ['no token', { claims: { ath: undefined } }],
    ['no jti', { claims: { jti: undefined } }],
    ['an empty jti', { claims: { jti: '' } }],
    ['no iat', { claims: { iat: undefined } }],
    ['an expired exp', { claims: { exp: 1 } }],
    ['no typ', { header: { typ: undefined } }],
    ['typ JWT', { header: { typ: 'JWT' } }],
    ['typ at+jwt', { header: { typ: 'at+jwt' } }],
    ['no key', { header: { jwk: undefined } }],
  ]
  test.each(notThisRequest)('a proof for or with %s is refused', async (_what, changes) => {
    expect(codeOf(await use(changes))).toBe('invalid-proof')
  })

  test('the query is no part of the address, and its spelling does not matter', async () => {
    const htu = `HTTP://LOCALHOST:9000/api/v1/./auth/validate?x=1#y`
    expect((await use({ claims: { htu } })).status).toBe(200)
  })

  test('a proof is good once, on whichever instance', async () => {
    const headers = await dpopHeaders(server, key, { method: 'GET', path: validatePath, token: bound.accessToken })
    const other = await server.beside()
    const answers = await Promise.all([server, other, server, other].map(({ api }) => api.send(validate, { headers })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 401).map(codeOf)).toEqual(['replayed', 'replayed', 'replayed'])
  })

  test('the same jti by another key is another proof', async () => {
    const claims = { jti: randomUUID() }
    const other = proofKey()
    const { accessToken } = await loginBound(server, agent, other)
    expect((await use({ claims })).status).toBe(200)
    expect((await use({ claims }, other, accessToken)).status).toBe(200)
    expect(codeOf(await use({ claims }))).toBe('replayed')
  })

  test('a jti may hold any character', async () => {
    expect((await use({ claims: { jti: 'a\u0000b \ud800' } })).status).toBe(200)
  })

  test('a private, symmetric or weak key in the header is refused, and so is none', async () => {
    const secret = { kty: 'oct', k: Buffer.from('secret').toString('base64url') }
    const withSecret = await forged({ alg: 'HS256', typ: 'dpop+jwt', jwk: secret }, 'secret')
    const unsigned = await forged({ alg: 'none', typ: 'dpop+jwt', jwk: await publicJwk(key) })
    const whole = await proofOf(server, key, {
      method: 'GET',
      path: validatePath,
      token: bound.accessToken,
      header: { jwk: key.privateKey.export({ format: 'jwk' }) },
    })
    for (const dpop of [withSecret, unsigned, whole, 'nonsense', `${whole}, ${whole}`, 'x'.repeat(5000)]) {
      const headers = { authorization: `DPoP ${bound.accessToken}`, dpop }
      expect((await server.api.refuse(validate, { headers })).code, dpop.slice(0, 80)).toBe('invalid-proof')
    }
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    await expect(proofOf(server, { alg: 'RS256', privateKey }, { path: loginPath })).rejects.toThrow(/2048/)
  })

  /** A proof that jose would not make. */
  async function forged(header: object, secret?: string): Promise<string> {
    const claims = { jti: randomUUID(), htm: 'GET', htu: `http://localhost:9000${validatePath}`, iat: seconds() }
    const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    const mac = secret === undefined ? '' : createHmac('sha256', secret).update(text).digest('base64url')
    return `${text}.${mac}`
  }

  const seconds = () => Math.floor(server.clock.now().getTime() / 1000)

  test.each([-121, 121])('a proof made %i s from now needs a nonce, and with it is good', async (offset) => {
    const answer = await use({ claims: { iat: seconds() + offset } })
    expect(codeOf(answer)).toBe('use-dpop-nonce')
    expect(String(answer.headers['www-authenticate'])).toContain('error="use_dpop_nonce"')
    const nonce = String(answer.headers['dpop-nonce'])
    expect((await use({ nonce, claims: { iat: seconds() + offset } })).status).toBe(200)
    expect(codeOf(await use({ nonce: 'made-up' }))).toBe('use-dpop-nonce')
    server.clock.advance(121)
    expect(codeOf(await use({ nonce }))).toBe('use-dpop-nonce')
  })

  test('a refresh of a bound session needs a proof by the same key', async () => {
    const { refreshToken } = await loginBound(server, agent, key)
    const body = { refreshToken }
    expect((await server.api.refuse(refresh, { body })).code).toBe('invalid-token')
    const foreign = { dpop: await proofOf(server, proofKey(), { path: refreshPath }) }
    expect((await server.api.refuse(refresh, { body, headers: foreign })).code).toBe('invalid-token')
    const dpop = await proofOf(server, key, { path: refreshPath })
    const fresh = await server.api.call(refresh, { body, headers: { dpop } })
    expect(fresh.tokenType).toBe('DPoP')
    expect((await use({}, key, fresh.accessToken)).status).toBe(200)
    // Used a second time after the grace, by who has no key: no reason to end the session.
    server.clock.advance(60)
    expect((await server.api.refuse(refresh, { body })).code).toBe('invalid-token')
    expect((await use({}, key, fresh.accessToken)).status).toBe(200)
  })

  test('a refresh with a proof binds a session that was bound to none, its older tokens with it', async () => {
    const { accessToken, refreshToken } = await loginAgent(server, agent)
    const dpop = await proofOf(server, key, { path: refreshPath })
    const fresh = await server.api.call(refresh, { body: { refreshToken }, headers: { dpop } })
    expect((await use({}, key, fresh.accessToken)).status).toBe(200)
    expect((await server.api.refuse(validate, { token: accessToken })).code).toBe('invalid-token')
  })

  test('who binds a session with a refresh token that it stole loses it when the other comes back', async () => {
    const { refreshToken } = await loginAgent(server, agent)
    server.clock.advance(1)
    const dpop = await proofOf(server, key, { path: refreshPath })
    const stolen = await server.api.call(refresh, { body: { refreshToken }, headers: { dpop } })
    expect(await server.api.refuse(refresh, { body: { refreshToken } })).toMatchObject({ code: 'token-revoked' })
    expect(codeOf(await use({}, key, stolen.accessToken))).toBe('token-revoked')
  })

  test('who binds a session and did not get the answer asks again with the same key', async () => {
    const { refreshToken } = await loginAgent(server, agent)
    server.clock.advance(1)
    const ask = async () => {
      const dpop = await proofOf(server, key, { path: refreshPath })
      return server.api.call(refresh, { body: { refreshToken }, headers: { dpop } })
    }
    expect((await ask()).refreshToken).toBe((await ask()).refreshToken)
  })

  test('a person’s tokens are bound as well', async () => {
    const headers = { dpop: await proofOf(server, key, { path: loginPath }) }
    const { accessToken, tokenType } = await server.api.call(login, { body: { email, password }, headers })
    expect(tokenType).toBe('DPoP')
    expect((await use({}, key, accessToken)).status).toBe(200)
  })

  test('a login does not take a proof that was made for a token, or one that was used', async () => {
    const withToken = { dpop: await proofOf(server, key, { path: loginPath, token: bound.accessToken }) }
    const { challenge } = await server.api.call(getChallenge, { params: { agentId: agent.id } })
    const body = signed(agent, challenge)
    expect((await server.api.refuse(login, { body, headers: withToken })).code).toBe('invalid-proof')
    const headers = { dpop: await proofOf(server, key, { path: loginPath }) }
    await server.api.call(login, { body, headers })
    const again = await server.api.call(getChallenge, { params: { agentId: agent.id } })
    expect((await server.api.refuse(login, { body: signed(agent, again.challenge), headers })).code).toBe('replayed')
  })

  test('challenge, assertion and proof, all by the agent’s one key, are never taken for one another', async () => {
    const own = { alg: 'EdDSA', privateKey: agent.privateKey }
    const proof = await proofOf(server, own, { path: loginPath })
    const asAssertion = { agentId: agent.id, credentials: { type: 'jwt' as const, token: proof } }
    expect((await server.api.refuse(login, { body: asAssertion })).code).toBe('invalid-credentials')
    // Not even one with every claim of an assertion.
    const { credentials } = await assertion(agent, server, { header: { typ: 'dpop+jwt', jwk: await publicJwk(own) } })
    expect((await server.api.refuse(login, { body: { agentId: agent.id, credentials } })).code).toBe(
      'invalid-credentials',
    )
    const { credentials: good } = await assertion(agent, server)
    const { challenge } = await server.api.call(getChallenge, { params: { agentId: agent.id } })
    const body = signed(agent, challenge)
    for (const dpop of [good.token, body.credentials.signature, `${challenge}.${body.credentials.signature}`]) {
      expect((await server.api.refuse(login, { body, headers: { dpop } })).code).toBe('invalid-proof')
    }
    // The signature of a proof or an assertion, answering a challenge, or over the text that a challenge is.
    for (const jws of [proof, good.token]) {
      const [head = '', claims = '', signature = ''] = jws.split('.')
      for (const text of [challenge, `${head}.${claims}`]) {
        const sent = { type: 'signature' as const, challenge: text, signature }
        const problem = await server.api.refuse(login, { body: { agentId: agent.id, credentials: sent } })
        expect(problem.code).toBe('invalid-credentials')
      }
    }
    // Each is good for what it was made for.
    await server.api.call(login, { body: { agentId: agent.id, credentials: good } })
    await server.api.call(login, { body, headers: { dpop: proof } })
  })

  test('a bound session checks and logs out, each with a proof of its own', async () => {
    const { accessToken: token } = await loginBound(server, agent, key)
    const path = '/api/v1/authz/check'
    const body = { resource: 'file/docs/a', action: 'read' }
    const headers = await dpopHeaders(server, key, { path, token })
    expect((await server.api.call(check, { body, headers })).decision).toBe('allow')
    const goodbye = await dpopHeaders(server, key, { path: '/api/v1/auth/logout', token })
    await server.api.call(logout, { headers: goodbye })
    expect(codeOf(await use({}, key, token))).toBe('token-revoked')
  })

  test('a refusal names the ways to authenticate', async () => {
    const answer = await server.api.send(validate, { token: bound.accessToken })
    const challenges = [answer.headers['www-authenticate']].flat()
    expect(challenges).toEqual([
      'Bearer realm="http://localhost:9000", error="invalid_token", ' +
        'resource_metadata="http://localhost:9000/.well-known/oauth-protected-resource/api"',
      'DPoP error="invalid_token", algs="EdDSA Ed25519 ES256 ES384 PS256 RS256"',
    ])
  })
})

describe.each(databases)('DPoP with nonces required on %s', (_name, open) => {
  let server: TestServer
  beforeAll(async () => {
    server = await openServer(await open(), { dpopNonce: 'required' })
  })
  afterAll(() => server.close())

  test('a proof without a nonce is sent back with one, and each answer brings the next', async () => {
    const agent = await makeAgent(server, await server.admin())
    const key = proofKey()
    const { challenge } = await server.api.call(getChallenge, { params: { agentId: agent.id } })
    const body = signed(agent, challenge)
    const first = await server.api.send(login, {
      body,
      headers: { dpop: await proofOf(server, key, { path: loginPath }) },
    })
    expect(codeOf(first)).toBe('use-dpop-nonce')
    const nonce = String(first.headers['dpop-nonce'])
    const second = await server.api.send(login, {
      body,
      headers: { dpop: await proofOf(server, key, { path: loginPath, nonce }) },
    })
    expect(second.status).toBe(200)
    expect(second.headers['dpop-nonce']).toEqual(expect.any(String))
  })
})

function codeOf({ text }: { text: string }): unknown {
  return Reflect.get(Object(JSON.parse(text)), 'code')
}

/** A login by challenge whose tokens are bound to a key. */
async function loginBound(server: TestServer, agent: TestAgent, key: ProofKey): Promise<Tokens> {
  const { challenge } = await server.api.call(getChallenge, { params: { agentId: agent.id } })
  const headers = { dpop: await proofOf(server, key, { path: loginPath }) }
  return server.api.call(login, { body: signed(agent, challenge), headers })
}
