import { createPrivateKey, createPublicKey } from 'node:crypto'
import { mint } from '@agent-iam/standards/biscuit/mint'
import { encodeStatusList, packStatuses } from '@agent-iam/standards/status-list'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import { readBiscuitLibrary } from './biscuit-library.ts'
import { Biscuits } from './biscuits.ts'
import { StatusListVerifier } from './status-list-verifier.ts'

const library = await readBiscuitLibrary()
const issuer = 'https://iam.example.com'
const audience = 'https://files.example.com'
const uri = `${issuer}/status-lists/stl_1`
const listKey = await generateKeyPair('EdDSA')
const start = Date.UTC(2026, 10, 22, 10)

/** The issuer, as it looks from outside. */
let keys: Map<number, Uint8Array>
let statuses: [idx: number, status: number][]
let revocationIds: string[]
let asked: string[]
let now: number
beforeEach(() => {
  keys = new Map([[1, new Uint8Array(32).fill(1)]])
  statuses = []
  revocationIds = []
  asked = []
  now = start
})

const fetch: typeof globalThis.fetch = async (input) => {
  const url = urlOf(input)
  asked.push(url)
  if (url === `${issuer}/api/v1/tokens/biscuit-revocations`) return Response.json({ issuer, revocationIds })
  if (url === `${issuer}/api/v1/tokens/biscuit-keys`) return Response.json({ issuer, keys: published() })
  if (url === uri) return new Response(await statusListToken())
  if (url === `${issuer}/.well-known/jwks.json`) return Response.json({ keys: [await listJwk()] })
  return new Response(undefined, { status: 404 })
}
const listJwk = async () => ({ ...(await exportJWK(listKey.publicKey)), kid: 'list', alg: 'EdDSA' })

async function statusListToken(): Promise<string> {
  const iat = now / 1000
  const list = await encodeStatusList(packStatuses(2, 64, statuses))
  return new SignJWT({ iss: issuer, sub: uri, iat, exp: iat + 600, ttl: 60, status_list: list })
    .setProtectedHeader({ alg: 'EdDSA', kid: 'list', typ: 'statuslist+jwt' })
    .sign(listKey.privateKey)
}

const urlOf = (input: string | URL | Request) => (input instanceof Request ? input.url : new URL(input).href)
const published = () =>
  [...keys].map(([rootKeyId, key]) => ({
    rootKeyId,
    publicKey: publicKeyOf(key),
    algorithm: 'Ed25519' as const,
  }))

/** RFC 8410: the private key as PKCS #8, so that Node gives the public one, the last 32 bytes of its SPKI. */
function publicKeyOf(key: Uint8Array): string {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), key])
  const publicKey = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')
}

function minted({ rootKeyId = 1, key = 1, from = issuer, idx }: Different = {}): string {
  const facts = {
    issuer: from,
    audience,
    tenant: 'ten_1',
    agent: 'agt_1',
    session: 'ses_1',
    rights: [{ type: 'file', idPattern: 'docs/*', action: '*' }],
    issuedAt: new Date(start),
    expiresAt: new Date(start + 3_600_000),
    statusList: idx === undefined ? undefined : { uri, idx },
  }
  return mint(library, { rootPrivateKey: new Uint8Array(32).fill(key), rootKeyId, facts })
}

interface Different {
  readonly rootKeyId?: number
  readonly key?: number
  readonly from?: string
  readonly idx?: number
}

const biscuits = () => new Biscuits({ issuer, fetch, clock: { now: () => new Date(now) } })
const reading = { operation: 'read', resource: 'file/docs/a', audience }

describe('Biscuits of an issuer', () => {
  test('are decided about here: the issuer sees no token', async () => {
    const ours = biscuits()
    expect(await ours.authorize(minted(), reading)).toStrictEqual({ type: 'allowed' })
    expect(await ours.authorize(minted(), { ...reading, resource: 'file/other' })).toMatchObject({ type: 'denied' })
    expect(asked.toSorted()).toStrictEqual([
      `${issuer}/api/v1/tokens/biscuit-keys`,
      `${issuer}/api/v1/tokens/biscuit-revocations`,
    ])
  })

  test('are narrowed, and sealed, with no request once the keys are here', async () => {
    const ours = biscuits()
    await ours.verify(minted())
    asked = []
    now += 24 * 3_600_000
    const narrowed = await ours.seal(await ours.attenuate(minted(), { operations: ['list'] }))
    expect(asked).toStrictEqual([])
    now = start
    expect(await ours.authorize(narrowed, reading)).toMatchObject({ type: 'denied' })
    expect(await ours.authorize(narrowed, { ...reading, operation: 'list' })).toStrictEqual({ type: 'allowed' })
    await expect(ours.attenuate(narrowed, { operations: ['list'] })).rejects.toMatchObject({ code: 'sealed' })
  })

  test('end five seconds after they were revoked, with all that were made of them', async () => {
    const ours = biscuits()
    const token = minted()
    const narrowed = await ours.attenuate(token, { operations: ['read'] })
    expect(await ours.authorize(narrowed, reading)).toStrictEqual({ type: 'allowed' })
    revocationIds = [(await ours.verify(token)).revocationIds[0] ?? '']
    now += 5000
    expect(await ours.authorize(narrowed, reading)).toMatchObject({ type: 'denied' })
  })

  test('end when they expire', async () => {
    now += 3_600_000
    expect(await biscuits().authorize(minted(), reading)).toMatchObject({ type: 'denied' })
  })

  test('of a new root key are known at their first use, and garbage asks for keys no oftener than every ten seconds', async () => {
    const ours = biscuits()
    await ours.verify(minted())
    keys.set(2, new Uint8Array(32).fill(2))
    now += 10_000
    expect(await ours.authorize(minted({ rootKeyId: 2, key: 2 }), reading)).toStrictEqual({ type: 'allowed' })
    asked = []
    for (const rootKeyId of [3, 4, 5])
      await expect(ours.verify(minted({ rootKeyId }))).rejects.toMatchObject({ code: 'unknown-root-key' })
    expect(asked).toStrictEqual([])
  })

  test('of a withdrawn root key are refused after five minutes', async () => {
    const ours = biscuits()
    await ours.verify(minted())
    keys = new Map([[2, new Uint8Array(32).fill(2)]])
    now += 300_000
    await expect(ours.authorize(minted(), reading)).rejects.toMatchObject({ code: 'unknown-root-key' })
  })

  test('of another issuer are refused, though the key is the same', async () => {
    const foreign = minted({ from: 'https://other.example.com' })
    await expect(biscuits().authorize(foreign, reading)).rejects.toMatchObject({ code: 'unexpected-authority' })
  })

  test('are refused where revocations cannot be had', async () => {
    const unreachable: typeof fetch = async (input) => {
      if (urlOf(input).endsWith('revocations')) throw new TypeError('fetch failed')
      return fetch(input)
    }
    const ours = new Biscuits({ issuer, fetch: unreachable, clock: { now: () => new Date(now) } })
    await expect(ours.authorize(minted(), reading)).rejects.toMatchObject({ name: 'UnreachableError' })
  })

  test('are refused where another issuer answers', async () => {
    const other: typeof fetch = async () => Response.json({ issuer: 'https://other.example.com', keys: published() })
    await expect(new Biscuits({ issuer, fetch: other }).verify(minted())).rejects.toMatchObject({
      name: 'UnexpectedAnswerError',
    })
  })

  test('are stopped by the status list too, where one is to be asked, within a minute', async () => {
    const clock = { now: () => new Date(now) }
    const lists = new StatusListVerifier({ issuer, fetch, clock })
    const ours = new Biscuits({ issuer, fetch, clock, statuses: lists })
    const narrowed = await ours.attenuate(minted({ idx: 3 }), { operations: ['read'] })
    const other = minted({ idx: 4 })
    expect(await ours.authorize(narrowed, reading)).toStrictEqual({ type: 'allowed' })
    statuses = [
      [3, 2],
      [4, 1],
    ]
    now += 66_000
    expect(await ours.authorize(narrowed, reading)).toStrictEqual({ type: 'denied', failed: ['status: suspended'] })
    expect(await ours.authorize(other, reading)).toStrictEqual({ type: 'denied', failed: ['status: invalid'] })
    expect(await ours.authorize(minted({ idx: 5 }), reading)).toStrictEqual({ type: 'allowed' })
    expect(asked.filter((url) => url === uri)).toHaveLength(2)
    expect(await biscuits().authorize(other, reading)).toStrictEqual({ type: 'allowed' })
    await expect(ours.authorize(minted(), reading)).rejects.toMatchObject({ fault: 'no-status' })
  })

  test('are decided about with what was published, and nothing is fetched', async () => {
    const offline = new Biscuits({
      issuer,
      fetch,
      published: { keys: published(), revocationIds: [] },
      clock: { now: () => new Date(now) },
    })
    expect(await offline.authorize(minted(), reading)).toStrictEqual({ type: 'allowed' })
    expect(asked).toStrictEqual([])
  })

  test('checked by many at once ask the issuer once', async () => {
    const ours = biscuits()
    await Promise.all(Array.from({ length: 10 }, async () => ours.authorize(minted(), reading)))
    expect(asked).toHaveLength(2)
  })
})
