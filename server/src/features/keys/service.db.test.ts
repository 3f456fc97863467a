import { createPrivateKey } from 'node:crypto'
import { login, refresh, validate } from '@agent-iam/contract/auth'
import type { TenantId } from '@agent-iam/contract/ids'
import * as contract from '@agent-iam/contract/signing-keys'
import { jwks } from '@agent-iam/contract/system'
import { decodeProtectedHeader, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, type TestDatabase } from '../../../test/databases.ts'
import { email, openServer, password, publicUrl, uuidOf, type TestServer } from '../../../test/test-server.ts'
import { inTransaction } from '../../platform/context.ts'
import { keyPlace, readKeySet } from './store.ts'
import { attendToKeys } from './service.ts'

const daySeconds = 86_400

describe.each(databases)('signing keys on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let other: TestServer
  let token: string
  const lines: string[] = []

  beforeAll(async () => {
    database = await open()
    server = await openServer(database, { onLog: (line) => lines.push(line) })
    // A second process on the same database, with the same master key.
    other = await server.beside()
    token = await server.admin()
  })
  afterAll(() => server.close())

  const listAll = async () => (await server.api.call(contract.listSigningKeys, { token })).signingKeys
  const list = async () => (await listAll()).filter(({ purpose }) => purpose === 'jwt')
  const tend = () => Promise.all([attendToKeys(server.app.system), attendToKeys(other.app.system)])

  test('the first start has a key of each algorithm sign, the job makes the backup, once for two instances', async () => {
    expect(states(await list())).toEqual(['Ed25519 active', 'RSA-2048 active'])
    await tend()
    await tend()
    expect(states(await list())).toEqual(['Ed25519 active', 'RSA-2048 active', 'RSA-4096 backup'])
    expect((await publicKeys()).length).toBe(3)
  })

  test('the key set holds public halves only, for five minutes, and says by its tag whether it changed', async () => {
    const first = await server.api.send(jwks)
    expect(first.headers).toMatchObject({ 'cache-control': 'public, max-age=300' })
    for (const key of await publicKeys())
      expect(Object.keys(key).filter((name) => ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'].includes(name))).toEqual([])
    const headers = { 'if-none-match': String(first.headers['etag']) }
    expect(await server.api.send(jwks, { headers })).toMatchObject({ status: 304, text: '' })
    await server.api.call(contract.rotateSigningKeys, { body: { algorithm: 'EdDSA' }, token })
    expect((await server.api.send(jwks, { headers })).status).toBe(200)
  })

  test('EdDSA signs where the tenant chooses it, on every instance at once', async () => {
    await server.api.call(contract.chooseSigningAlgorithm, { body: { algorithm: 'EdDSA' }, token })
    for (const each of [server, other]) {
      const fresh = await each.admin()
      expect(decodeProtectedHeader(fresh).alg).toBe('EdDSA')
      expect((await server.api.call(validate, { token: fresh })).valid).toBe(true)
    }
    await server.api.call(contract.chooseSigningAlgorithm, { body: { algorithm: 'RS256' }, token })
    expect(decodeProtectedHeader(await other.admin()).alg).toBe('RS256')
  })

  test('a command to rotate keeps every token good, wherever it was signed', async () => {
    const before = await other.admin()
    await server.api.call(contract.rotateSigningKeys, { body: { immediately: true }, token })
    // Signed by a key that the other instance has never seen.
    const after = await server.admin()
    expect(decodeProtectedHeader(after).kid).not.toBe(decodeProtectedHeader(before).kid)
    for (const each of [server, other])
      for (const good of [before, after]) expect((await each.api.call(validate, { token: good })).valid).toBe(true)
  })

  test('a revoked key’s tokens are refused at once everywhere, though their signatures are remembered', async () => {
    const { accessToken, refreshToken } = await other.api.call(login, { body: { email, password } })
    for (const each of [server, other]) await each.api.call(validate, { token: accessToken })
    const keyId = decodeProtectedHeader(accessToken).kid ?? ''
    const revoked = await server.api.call(contract.revokeSigningKey, { params: { keyId: asKeyId(keyId) }, token })
    expect(revoked).toMatchObject({ keyId, state: 'revoked' })
    for (const each of [other, server])
      expect(await each.api.refuse(validate, { token: accessToken })).toMatchObject({ code: 'invalid-token' })
    expect((await publicKeys()).map(({ kid }) => kid)).not.toContain(keyId)
    // The session goes on, with a token of another key.
    const next = await server.api.call(refresh, { body: { refreshToken } })
    for (const each of [server, other]) await each.api.call(validate, { token: next.accessToken })
    token = await server.admin()
    const again = { params: { keyId: asKeyId(keyId) }, token }
    expect(await server.api.refuse(contract.revokeSigningKey, again)).toMatchObject({ code: 'wrong-state' })
  })

  test('without the look at the version, the other instance would go on accepting them', async () => {
    const stale = await other.admin()
    await other.api.call(validate, { token: stale })
    const keyId = decodeProtectedHeader(stale).kid ?? ''
    await server.api.call(contract.revokeSigningKey, { params: { keyId: asKeyId(keyId) }, token })
    const { keys } = other.app.system
    expect((await keys.verifyAccessToken(stale, server.clock.now())).claims.iss).toBe(publicUrl)
    const present = await inTransaction(server.inTenant(server.app.defaultTenantId), readKeySet)
    await expect(keys.verifyAccessToken(stale, server.clock.now(), present.version)).rejects.toThrow('not valid here')
    token = await server.admin()
  })

  test('a tenant’s keys verify nobody else’s tokens, and nobody else sees or touches them', async () => {
    const { admin, id } = await server.tenant('elsewhere')
    const theirs = await server.api.call(contract.listSigningKeys, { token: admin.token })
    const ours = new Set((await list()).map(({ keyId }) => keyId))
    expect(theirs.signingKeys.filter(({ keyId }) => ours.has(keyId))).toEqual([])
    const { keys } = server.app.system
    const expected = { typ: 'at+jwt', audience: `${keys.issuerOf(id)}/api`, now: server.clock.now() }
    await keys.verifyJwt(id, admin.token, expected)
    await expect(keys.verifyJwt(server.app.defaultTenantId, admin.token, expected)).rejects.toThrow('not valid here')
  })

  test('a token of one kind is none of another, and none outlives its key', async () => {
    const { keys } = server.app.system
    const tenantId = server.app.defaultTenantId
    const now = server.clock.now()
    const iat = Math.floor(now.getTime() / 1000)
    const claims = { iss: publicUrl, aud: 'someone', iat, exp: iat + 60 }
    const made = await keys.signJwt(tenantId, { typ: 'logout+jwt', alg: 'EdDSA' }, claims)
    expect((await keys.verifyJwt(tenantId, made, { typ: 'logout+jwt', audience: 'someone', now })).claims).toEqual(
      claims,
    )
    for (const wrong of [{ typ: 'at+jwt' }, { audience: 'another' }, { now: new Date(now.getTime() + 61_000) }]) {
      const expected = { typ: 'logout+jwt', audience: 'someone', now, ...wrong }
      const told = 'audience' in wrong ? 'ask for one whose resource is another' : 'not valid here'
      await expect(keys.verifyJwt(tenantId, made, expected)).rejects.toThrow(told)
    }
    const long = { ...claims, exp: iat + 7 * daySeconds }
    await expect(keys.signJwt(tenantId, { typ: 'logout+jwt' }, long)).rejects.toThrow('outlive')
  })

  test('what signs by itself gets the private halves of the active keys, the tenant’s own algorithm first', async () => {
    const { keys, version } = await server.app.system.keys.signingJwks(server.app.defaultTenantId)
    const active = (await list()).filter(({ state }) => state === 'active').map(({ keyId }) => keyId)
    expect(keys.map(({ alg }) => alg)).toEqual(['RS256', 'EdDSA'])
    expect(keys.map(({ kid }) => String(kid)).toSorted()).toEqual(active.toSorted())
    expect(keys.every(({ d }) => typeof d === 'string')).toBe(true)
    await server.api.call(contract.rotateSigningKeys, { body: { immediately: true }, token })
    expect((await server.app.system.keys.signingJwks(server.app.defaultTenantId)).version).toBeGreaterThan(version)
  })

  test('of two instances that rotate at once, none breaks the other', async () => {
    const body = { immediately: true }
    const also = await other.admin()
    const rotated = await Promise.all(
      [server, other, server, other].map((each) => each.api.call(contract.rotateSigningKeys, { body, token: also })),
    )
    expect(rotated.length).toBe(4)
    expect((await list()).filter(({ state, algorithm }) => state === 'active' && algorithm === 'RS256').length).toBe(1)
  })

  test('each change is an event, and only a revocation takes something away', async () => {
    const rows = await database.ask(
      `select type, count(*)::int as count from audit_events where tenant_id = $1 and type like 'signing-%' group by 1`,
      [uuidOf(server.app.defaultTenantId)],
    )
    const counts = Object.fromEntries(rows.map(({ type, count }) => [String(type), Number(count)]))
    expect(counts['signing-key.revoked']).toBe(2)
    expect(counts['signing-algorithm.chosen']).toBe(2)
    expect(counts['signing-key.created']).toBeGreaterThan(7)
    expect(counts['signing-key.promoted']).toBeGreaterThan(5)
  })

  test('no private half is in the log, nor in the clear in the database, nor there at all once it signs no more', async () => {
    const secrets = await privateTexts(server, server.app.defaultTenantId)
    expect(secrets.length).toBeGreaterThan(5)
    const log = lines.join('\n')
    expect(log.length).toBeGreaterThan(100)
    for (const secret of secrets) expect(log).not.toContain(secret)
    expect(log).not.toMatch(/PRIVATE KEY|"d":/)
    const stored = await database.ask('select state, sealed, public_jwk::text as jwk from signing_keys')
    for (const { state, sealed, jwk } of stored) {
      expect([state, sealed === null]).toEqual([state, ['retiring', 'retired', 'revoked'].includes(String(state))])
      for (const secret of secrets) expect(String(jwk)).not.toContain(secret)
    }
  })

  test('over 65 days no token that lives is refused, and none of a key that has retired is accepted', async () => {
    const { system, defaultTenantId: tenantId } = server.app
    const stolen: Awaited<ReturnType<typeof openPrivate>> = []
    const used = new Set<string>()
    let live: { token: string; endsAt: number }[] = []
    let accepted = 0
    for (let hours = 0; hours < 65 * 24; hours += 12) {
      await tend()
      const now = server.clock.now()
      for (const each of [server, other]) {
        const iat = Math.floor(now.getTime() / 1000)
        const signed = await each.app.system.keys.signAccessToken(tenantId, claimsAt(iat, 5 * daySeconds))
        used.add(String(decodeProtectedHeader(signed).kid))
        live.push({ token: signed, endsAt: now.getTime() + 5 * daySeconds * 1000 })
      }
      live = live.filter(({ endsAt }) => endsAt > now.getTime() + 1000)
      for (const { token: good } of live) {
        for (const each of [server, other]) await each.app.system.keys.verifyAccessToken(good, now)
        accepted += 2
      }
      await steal(stolen, server, tenantId)
      server.clock.advance(12 * 3600)
    }
    await tend()
    const present = await inTransaction(server.inTenant(tenantId), readKeySet)
    const over = stolen.filter(({ kid }) => !present.keys.some(({ id }) => id === kid))
    expect(used.size).toBe(3)
    expect(over.length).toBeGreaterThan(0)
    for (const { privateKey, kid, alg } of over) {
      const iat = Math.floor(server.clock.now().getTime() / 1000)
      const forged = await new SignJWT(claimsAt(iat, 600))
        .setProtectedHeader({ alg, kid, typ: 'at+jwt' })
        .sign(privateKey)
      for (const each of [server, other])
        await expect(each.app.system.keys.verifyAccessToken(forged, each.clock.now())).rejects.toThrow('not valid')
    }
    expect(accepted).toBeGreaterThan(4000)
    expect(system.keys.publicUrl).toBe(publicUrl)
  }, 120_000)

  async function publicKeys(): Promise<Record<string, unknown>[]> {
    return (await server.api.call(jwks)).keys
  }
})

function states(keys: readonly contract.SigningKey[]): string[] {
  return keys.map(({ keyType, state }) => `${keyType} ${state}`).toSorted()
}

function asKeyId(kid: string): `key_${string}` {
  return `key_${kid.slice(4)}`
}

function claimsAt(iat: number, seconds: number) {
  const who = {
    iss: publicUrl,
    aud: `${publicUrl}/api`,
    sub: 'agt_1',
    client_id: 'agt_1',
    sid: 'ses_1',
    tenant: 'ten_1',
  }
  return { ...who, iat, exp: iat + seconds, jti: String(Math.random()) }
}

/** The private halves that are there, as only who has the master key can read them. */
async function openPrivate(server: TestServer, tenantId: TenantId) {
  const { keys } = await inTransaction(server.inTenant(tenantId), readKeySet)
  return keys.flatMap(({ id, purpose, sealed, algorithm }) => {
    if (!sealed) return []
    const der = server.world.sealer.open(sealed, keyPlace(purpose, tenantId, id))
    return [{ kid: id, alg: algorithm, privateKey: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }) }]
  })
}

async function steal(stolen: Awaited<ReturnType<typeof openPrivate>>, server: TestServer, tenantId: TenantId) {
  for (const each of await openPrivate(server, tenantId))
    if (!stolen.some(({ kid }) => kid === each.kid)) stolen.push(each)
}

async function privateTexts(server: TestServer, tenantId: TenantId): Promise<string[]> {
  const opened = await openPrivate(server, tenantId)
  return opened.flatMap(({ privateKey }) => {
    const { d = '', p = '', q = '' } = privateKey.export({ format: 'jwk' })
    const der = privateKey.export({ format: 'der', type: 'pkcs8' })
    return [d, p, q, der.toString('base64').slice(60, 140), der.toString('hex').slice(80, 180)].filter(
      (text) => text.length > 30,
    )
  })
}
