import { deflateSync } from 'node:zlib'
import { encodeStatusList, packStatuses, type StatusReference } from '@agent-iam/standards/status-list'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { StatusListVerifier, type StatusListOptions } from './status-list-verifier.ts'

const issuer = 'https://iam.example'
const uri = `${issuer}/status-lists/stl_1`
const at = (idx: number): StatusReference => ({ uri, idx })

let keys: { privateKey: CryptoKey; jwk: JWK }
let others: { privateKey: CryptoKey; jwk: JWK }

beforeAll(async () => {
  keys = await aKey('one')
  others = await aKey('two')
})

async function aKey(kid: string) {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA')
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'EdDSA' } }
}

/** An issuer that serves what it is told to, and counts who asks. */
class FakeIssuer {
  seconds = 1_000_000
  published: JWK[] = [keys.jwk]
  list: string | Uint8Array = ''
  isDown = false
  asked: string[] = []

  readonly fetch: typeof globalThis.fetch = (input) => {
    const url = input instanceof Request ? input.url : input.toString()
    this.asked.push(url)
    if (this.isDown) return Promise.reject(new TypeError('fetch failed'))
    if (url === uri) return Promise.resolve(new Response(Uint8Array.from(Buffer.from(this.list))))
    if (url === `${issuer}/.well-known/jwks.json`) return Promise.resolve(Response.json({ keys: this.published }))
    return Promise.resolve(new Response('', { status: 404 }))
  }

  verifier(options: Partial<StatusListOptions> = {}): StatusListVerifier {
    const clock = { now: () => new Date(this.seconds * 1000) }
    return new StatusListVerifier({ issuer, fetch: this.fetch, clock, ...options })
  }

  /** Publishes a list as of now: 3 is invalid, 4 suspended; with what a test has different. */
  async publish({
    claims = {},
    typ = 'statuslist+jwt',
    signer = keys,
    set = [
      [3, 1],
      [4, 2],
      [5, 3],
    ],
  }: Change = {}) {
    const statusList = await encodeStatusList(packStatuses(2, 64, set))
    const iat = this.seconds
    const all = { iss: issuer, sub: uri, iat, exp: iat + 600, ttl: 60, status_list: statusList, ...claims }
    const header = { alg: 'EdDSA', kid: signer.jwk.kid ?? '', typ }
    this.list = await new SignJWT(all).setProtectedHeader(header).sign(signer.privateKey)
  }

  get listsAsked(): number {
    return this.asked.filter((url) => url === uri).length
  }
}

interface Change {
  readonly claims?: Record<string, unknown>
  readonly typ?: string
  readonly signer?: { privateKey: CryptoKey; jwk: JWK }
  readonly set?: ReadonlyArray<readonly [number, number]>
}

let server: FakeIssuer
beforeEach(async () => {
  server = new FakeIssuer()
  await server.publish()
})

const fault = (name: string) => expect.objectContaining({ name: 'StatusUnknownError', fault: name })

describe('a status', () => {
  test('is told by name; one that this release does not know is invalid', async () => {
    const verifier = server.verifier()
    const told = await Promise.all([0, 3, 4, 5].map((idx) => verifier.statusOf(at(idx))))
    expect(told).toEqual(['valid', 'invalid', 'suspended', 'invalid'])
  })

  test('of a token is found by its claims, and is unknown where they name none', async () => {
    const verifier = server.verifier()
    expect(await verifier.statusOfToken({ sub: 'x', status: { status_list: at(3) } })).toBe('invalid')
    for (const claims of [{}, { status: {} }, { status: { status_list: { idx: 1 } } }])
      await expect(verifier.statusOfToken(claims)).rejects.toEqual(fault('no-status'))
  })

  test('beyond the end of the list is unknown', async () => {
    await expect(server.verifier().statusOf(at(64))).rejects.toEqual(fault('list-invalid'))
  })
})

describe('a list', () => {
  test('is fetched once in its ttl, however many ask at once', async () => {
    const verifier = server.verifier()
    await Promise.all(Array.from({ length: 20 }, (_, idx) => verifier.statusOf(at(idx))))
    server.seconds += 59
    await verifier.statusOf(at(1))
    expect(server.listsAsked).toBe(1)
    server.seconds += 10
    await server.publish({ set: [[1, 1]] })
    expect(await verifier.statusOf(at(1))).toBe('invalid')
    expect(server.listsAsked).toBe(2)
  })

  test('from a cache is believed no longer than its ttl after it was made', async () => {
    server.seconds += 40
    const verifier = server.verifier()
    expect(await verifier.statusOf(at(1))).toBe('valid')
    server.seconds += 26
    await expect(verifier.statusOf(at(1))).rejects.toEqual(fault('list-stale'))
  })

  test('of another issuer is not even asked for', async () => {
    const verifier = server.verifier()
    const foreign = [
      'https://evil.example/status-lists/stl_1',
      `${issuer}.evil.example/status-lists/stl_1`,
      `${issuer}@evil.example/x`,
      `${issuer}/../status-lists`,
      'file:///etc/passwd',
      'nonsense',
    ]
    for (const each of foreign)
      await expect(verifier.statusOf({ uri: each, idx: 0 })).rejects.toEqual(fault('foreign-list'))
    expect(server.asked).toEqual([])
  })

  test.each<[string, () => Change]>([
    ['of another type', () => ({ typ: 'at+jwt' })],
    ['of another issuer', () => ({ claims: { iss: 'https://other.example' } })],
    ['for another place', () => ({ claims: { sub: `${issuer}/status-lists/stl_2` } })],
    ['without a time', () => ({ claims: { iat: undefined } })],
    ['without statuses', () => ({ claims: { status_list: undefined } })],
    ['of three bits', () => ({ claims: { status_list: { bits: 3, lst: 'eNrbuRgAAhcBXQ' } } })],
    ['signed by a key that is not published', () => ({ signer: others })],
    ['signed by another key under the same name', () => ({ signer: { ...others, jwk: keys.jwk } })],
  ])('%s is refused', async (_name, change) => {
    await server.publish(change())
    await expect(server.verifier().statusOf(at(0))).rejects.toEqual(fault('list-invalid'))
  })

  test('that is no token, or not signed, is refused', async () => {
    const claims = Buffer.from(JSON.stringify({ iss: issuer, sub: uri, iat: server.seconds })).toString('base64url')
    const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'statuslist+jwt' })).toString('base64url')
    for (const text of ['', 'nonsense', `${header}.${claims}.`]) {
      server.list = text
      await expect(server.verifier().statusOf(at(0))).rejects.toEqual(fault('list-invalid'))
    }
  })

  test('that expired is refused', async () => {
    server.seconds += 700
    await expect(server.verifier().statusOf(at(0))).rejects.toEqual(fault('list-stale'))
  })

  test('that would unpack to gigabytes is not unpacked, though it is rightly signed', async () => {
    const lst = deflateSync(Buffer.alloc(256 * 2 ** 20)).toString('base64url')
    await server.publish({ claims: { status_list: { bits: 2, lst } } })
    const before = process.memoryUsage().arrayBuffers
    await expect(server.verifier().statusOf(at(0))).rejects.toEqual(fault('list-invalid'))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 2 ** 20)
  })

  test('of more bytes than any list has is not read to its end', async () => {
    server.list = Buffer.alloc(2 * 2 ** 20, 'a')
    await expect(server.verifier().statusOf(at(0))).rejects.toEqual(fault('list-unreachable'))
  })

  test('signed by a key that came since is believed, once the keys were fetched again', async () => {
    const verifier = server.verifier()
    await verifier.statusOf(at(0))
    server.seconds += 70
    server.published = [keys.jwk, others.jwk]
    await server.publish({ signer: others })
    expect(await verifier.statusOf(at(3))).toBe('invalid')
  })
})

describe('while no list can be had', () => {
  test('a status is unknown; so it is with the last list, unless that is chosen', async () => {
    const verifier = server.verifier()
    await verifier.statusOf(at(0))
    server.isDown = true
    expect(await verifier.statusOf(at(0))).toBe('valid')
    server.seconds += 66
    await expect(verifier.statusOf(at(0))).rejects.toEqual(fault('list-unreachable'))
  })

  test('the last list may be gone on with until it expires, and no longer', async () => {
    const verifier = server.verifier({ whenUnreachable: 'use-last' })
    await verifier.statusOf(at(0))
    server.isDown = true
    server.seconds += 590
    expect(await verifier.statusOf(at(3))).toBe('invalid')
    server.seconds += 11
    await expect(verifier.statusOf(at(3))).rejects.toEqual(fault('list-unreachable'))
  })

  test('a list that is forged is no reason to go on with the last', async () => {
    const verifier = server.verifier({ whenUnreachable: 'use-last' })
    await verifier.statusOf(at(0))
    server.seconds += 66
    await server.publish({ signer: { ...others, jwk: keys.jwk } })
    await expect(verifier.statusOf(at(0))).rejects.toEqual(fault('list-invalid'))
  })

  test('it is tried again after a second, not for each token', async () => {
    server.isDown = true
    const verifier = server.verifier()
    for (let n = 0; n < 5; n++) await expect(verifier.statusOf(at(0))).rejects.toEqual(fault('list-unreachable'))
    expect(server.asked).toHaveLength(1)
    server.isDown = false
    server.seconds += 1
    expect(await verifier.statusOf(at(0))).toBe('valid')
  })
})
