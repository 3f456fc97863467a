import { createHmac, generateKeyPairSync } from 'node:crypto'
import { validate } from '@agent-iam/contract/auth'
import { jwks } from '@agent-iam/contract/system'
import { decodeJwt, decodeProtectedHeader, exportJWK, SignJWT, type JWTHeaderParameters } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { openServer, publicUrl, type TestServer, type TestUser } from './test-server.ts'

const invalid = ['401 invalid-token']
const attacker = generateKeyPairSync('rsa', { modulusLength: 2048 })

/** RFC 8725: what a token must not get away with. Each forgery is of a real, live token. */
describe.each(databases)('forged access tokens on %s', (_name, open) => {
  let server: TestServer
  let user: TestUser
  let foreign: { id: `ten_${string}`; admin: TestUser }
  let keys: Array<Record<string, unknown>>

  beforeAll(async () => {
    server = await openServer(await open())
    user = await server.user('admin')
    foreign = await server.tenant('foreign')
    keys = (await server.api.call(jwks)).keys
  })
  afterAll(() => server.close())

  /** With which code each token is refused; one, if with the same. */
  async function codesOf(...tokens: readonly string[]): Promise<string[]> {
    const codes = new Set<string>()
    for (const token of tokens) {
      const { status, code } = await server.api.refuse(validate, { token })
      codes.add(`${status} ${code}`)
    }
    return [...codes]
  }

  const header = () => decodeProtectedHeader(user.token)
  const claims = () => ({ ...decodeJwt(user.token) })

  /** The same token, signed by the attacker under a header of his choice. */
  async function forge(changes: Partial<JWTHeaderParameters> & Record<string, unknown>): Promise<string> {
    return new SignJWT(claims())
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', ...changes })
      .sign(attacker.privateKey)
  }

  /** A token that our own key signed, of another kind or for somebody else. */
  async function ours(typ: string, changes: Record<string, unknown>, tenantId = server.app.defaultTenantId) {
    const { exp = 0, ...rest } = claims()
    return server.app.system.keys.signJwt(tenantId, { typ }, { ...rest, exp, ...changes })
  }

  test('the real one is taken', async () => {
    expect(await server.api.call(validate, { token: user.token })).toMatchObject({ userId: user.id })
    expect(await server.api.call(validate, { token: await ours('at+jwt', {}) })).toMatchObject({ userId: user.id })
  })

  test.each(['none', 'None', 'NONE', ''])('no signature at all, as %j', async (alg) => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    expect(await codesOf(`${part({ ...header(), alg })}.${part(claims())}.`)).toEqual(invalid)
    expect(await codesOf(`${part({ ...header(), alg })}.${part(claims())}.${user.token.split('.')[2]}`)).toEqual(
      invalid,
    )
  })

  test('a signature cut off or of another token', async () => {
    const [head, body] = user.token.split('.')
    expect(await codesOf(`${head}.${body}.`)).toEqual(invalid)
    expect(await codesOf(`${head}.${body}.${foreign.admin.token.split('.')[2]}`)).toEqual(invalid)
  })

  test('a public key of ours as the secret of an HMAC', async () => {
    expect(keys.length).toBeGreaterThan(0)
    for (const key of keys) {
      const secrets = [
        JSON.stringify(key),
        String(key['n'] ?? key['x']),
        Buffer.from(String(key['n'] ?? key['x']), 'base64url'),
      ]
      for (const secret of secrets) {
        const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
        const signed = `${part({ ...header(), alg: 'HS256', kid: key['kid'] })}.${part(claims())}`
        expect(await codesOf(`${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`)).toEqual(
          invalid,
        )
      }
    }
  })

  test('a key that the token brings itself: jwk, jku, x5u, x5c', async () => {
    const jwk = await exportJWK(attacker.publicKey)
    const { kid } = header()
    expect(await codesOf(await forge({ jwk }))).toEqual(invalid)
    expect(await codesOf(await forge({ jwk, kid: 'mine' }))).toEqual(invalid)
    expect(
      await codesOf(
        await forge({ jwk: { ...jwk, ...(kid !== undefined && { kid }) }, ...(kid !== undefined && { kid }) }),
      ),
    ).toEqual(invalid)
    for (const name of ['jku', 'x5u'])
      expect(await codesOf(await forge({ [name]: `${publicUrl}/keys.json` }))).toEqual(invalid)
    expect(await codesOf(await forge({ x5c: ['MIIB'] }))).toEqual(invalid)
  })

  test.each(['../../etc/passwd', "' or 1=1 --", '', 'key_00000000000000000000000000000000'])(
    'a kid that names no key of ours: %j',
    async (kid) => {
      expect(await codesOf(await forge({ kid }))).toEqual(invalid)
    },
  )

  test('a token of ours of another kind is no access token', async () => {
    for (const typ of ['JWT', 'dpop+jwt', 'logout+jwt', 'secevent+jwt', 'client-authentication+jwt'])
      expect(await codesOf(await ours(typ, {}))).toEqual(invalid)
  })

  test('a token of ours for another audience, of another issuer, or past its time', async () => {
    const changes = [
      { aud: publicUrl },
      { aud: 'https://files.example' },
      { aud: `${publicUrl}/api/` },
      { iss: `${publicUrl}/` },
      { iss: `${publicUrl}/t/${foreign.id}` },
      { iss: 'https://attacker.example' },
      { exp: Math.floor(Date.now() / 1000) - 1 },
      { nbf: Math.floor(Date.now() / 1000) + 600 },
      { sid: 'nonsense' },
    ]
    for (const change of changes) expect(await codesOf(await ours('at+jwt', change))).toEqual(invalid)
  })

  test('another tenant’s key signs for nobody here, and its issuer names no tenant but its own', async () => {
    const { sub, sid } = decodeJwt(foreign.admin.token)
    expect(await codesOf(await ours('at+jwt', {}, foreign.id))).toEqual(invalid)
    expect(await codesOf(await ours('at+jwt', { sub, sid }, foreign.id))).toEqual(invalid)
    const theirs = `${publicUrl}/t/${foreign.id}`
    const token = await ours('at+jwt', { iss: theirs, aud: `${theirs}/api`, tenant: foreign.id }, foreign.id)
    expect(await server.api.refuse(validate, { token })).toMatchObject({ code: 'token-revoked' })
  })

  test('a critical extension that we do not know', async () => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const [, body, signature] = user.token.split('.')
    expect(await codesOf(`${part({ ...header(), crit: ['b64'], b64: false })}.${body}.${signature}`)).toEqual(invalid)
  })

  test('a refresh token, an id token or an API key’s shape is no access token', async () => {
    for (const token of ['rft_nonsense', 'aik_nonsense', 'ais_nonsense', await ours('JWT', { nonce: 'n' })])
      expect(await codesOf(token)).toEqual(invalid)
  })
})
