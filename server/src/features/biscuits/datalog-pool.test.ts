import { createPrivateKey, createPublicKey } from 'node:crypto'
import { mint } from '@agent-iam/standards/biscuit/mint'
import { open } from '@agent-iam/standards/biscuit/token'
import { beforeAll, expect, test } from 'vitest'
import { DatalogPool, type DatalogQuestion } from './datalog-pool.ts'
import { biscuitLibrary } from './library.ts'

const rootPrivateKey = Buffer.alloc(32, 7)
const publicKey = publicKeyOf(rootPrivateKey)
const time = new Date('2030-01-01T00:00:00Z')
let honest: DatalogQuestion
let heavy: DatalogQuestion

beforeAll(async () => {
  const library = await biscuitLibrary()
  const token = mint(library, {
    rootPrivateKey,
    rootKeyId: 1,
    facts: {
      issuer: 'https://iam.example',
      audience: 'https://iam.example/api',
      tenant: 'ten_1',
      agent: 'agt_1',
      session: 'ses_1',
      rights: [{ type: 'file', action: 'read' }],
      issuedAt: time,
      expiresAt: new Date(time.getTime() + 60_000),
    },
  })
  const question = { operation: 'read', resource: 'file/a', audience: 'https://iam.example/api', time }
  honest = { ...question, token, rootKeyId: 1, publicKey, confirmation: undefined }
  const numbers = Array.from({ length: 40 }, (_, n) => `n(${n});`).join('')
  const words = `${numbers} m(1) <- n($a), n($b), n($c), n($d), n($e), $a + $b + $c + $d + $e == 1000;`
  heavy = {
    ...honest,
    token: library.use((bindings, keep) => {
      const { biscuit } = open(bindings, keep, token, () => publicKey)
      const block = keep(bindings.Biscuit.block_builder())
      block.addCodeWithParameters(words, {}, {})
      return keep(biscuit.appendBlock(block)).toBase64()
    }),
  }
})

/** A root of a tenant of its own. */
const tenant = (name: string) => ({ tenantId: name, roots: ['root'] })

test('what does not end is ended, and other tenants are answered meanwhile and after', async () => {
  const pool = new DatalogPool()
  await pool.run(tenant('b'), honest)
  const kept = Promise.all([pool.run(tenant('a'), heavy), pool.run(tenant('a'), heavy)])
  for (let turn = 0; turn < 20; turn++) expect(await pool.run(tenant('b'), honest)).toEqual({ type: 'allowed' })
  const limit = { type: 'limit', limit: 'time' }
  expect(await kept).toEqual([limit, limit])
  expect(await pool.run(tenant('a'), honest)).toEqual({ type: 'allowed' })
})

test('hostile tokens of many roots never have both threads for long', async () => {
  const pool = new DatalogPool()
  await pool.run(tenant('b'), honest)
  const owners = ['x', 'y', 'z'].map((root) => ({ tenantId: 'a', roots: [root] }))
  await Promise.all(owners.map((owner) => pool.run(owner, heavy)))
  // A turn is charged once the thread is replaced; a root has its next turn only after that.
  await Promise.all(owners.map((owner) => pool.run(owner, honest)))
  const flood = Promise.allSettled(owners.map((owner) => pool.run(owner, heavy)))
  const waits: number[] = []
  for (let turn = 0; turn < 20; turn++) {
    const began = performance.now()
    await pool.run(tenant('b'), honest)
    waits.push(performance.now() - began)
  }
  expect(Math.max(...waits)).toBeLessThan(250)
  await flood
})

test('an owner that may not evaluate any more when its turn comes is refused without a thread', async () => {
  const pool = new DatalogPool()
  const no = () => {
    throw new Error('no')
  }
  await expect(pool.run(tenant('a'), heavy, no)).rejects.toThrow('no')
  expect(await pool.run(tenant('a'), honest)).toEqual({ type: 'allowed' })
})

test('a root with too many jobs waiting is refused, and another root is not', async () => {
  const pool = new DatalogPool()
  const flood = Promise.allSettled(Array.from({ length: 300 }, () => pool.run(tenant('a'), honest)))
  expect(await pool.run({ tenantId: 'a', roots: ['other'] }, honest)).toEqual({ type: 'allowed' })
  const refused = (await flood).filter(({ status }) => status === 'rejected')
  expect(refused.length).toBe(300 - 26)
  expect(refused[0]).toMatchObject({ reason: { code: 'rate-limited', retryAfterSeconds: 1 } })
})

test('a token that no such key signed is denied, and harms no thread', async () => {
  const pool = new DatalogPool()
  const forged = { ...honest, publicKey: publicKeyOf(Buffer.alloc(32, 8)) }
  expect(await pool.run(tenant('a'), forged)).toEqual({ type: 'denied', failed: ['bad-signature'] })
  expect(await pool.run(tenant('a'), honest)).toEqual({ type: 'allowed' })
})

function publicKeyOf(seed: Buffer): string {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const { x = '' } = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({
    format: 'jwk',
  })
  return Buffer.from(x, 'base64url').toString('hex')
}
