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

test('what does not end is ended, and the others are answered meanwhile and after', async () => {
  const pool = new DatalogPool()
  await pool.warm()
  const kept = Promise.allSettled([pool.run('a', heavy), pool.run('a', heavy)])
  for (let turn = 0; turn < 20; turn++) expect(await pool.run('b', honest)).toEqual({ type: 'allowed' })
  // What waited behind it is not tried: it would keep the thread, and those who wait with a transaction open, as long.
  expect(await kept).toMatchObject([{ value: { type: 'limit', limit: 'time' } }, { reason: { code: 'unavailable' } }])
  expect(await pool.run('a', honest)).toEqual({ type: 'allowed' })
})

test('more than may wait are told to come again', async () => {
  const pool = new DatalogPool()
  const holders = Array.from({ length: 300 }, (_, n) => `holder ${n}`)
  const asked = await Promise.allSettled(holders.map((holder) => pool.run(holder, honest)))
  expect(asked.filter(({ status }) => status === 'rejected').length).toBe(98)
  expect(asked.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'unavailable' } })
})

test('one holder takes no more than its share of the places to wait', async () => {
  const pool = new DatalogPool()
  const flood = Promise.allSettled(Array.from({ length: 300 }, () => pool.run('a', honest)))
  expect(await pool.run('b', honest)).toEqual({ type: 'allowed' })
  expect((await flood).filter(({ status }) => status === 'rejected').length).toBe(249)
})

test('a token that no such key signed is denied, and harms no thread', async () => {
  const pool = new DatalogPool()
  const forged = { ...honest, publicKey: publicKeyOf(Buffer.alloc(32, 8)) }
  expect(await pool.run('a', forged)).toEqual({ type: 'denied', failed: ['bad-signature'] })
  expect(await pool.run('a', honest)).toEqual({ type: 'allowed' })
})

function publicKeyOf(seed: Buffer): string {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const { x = '' } = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({
    format: 'jwk',
  })
  return Buffer.from(x, 'base64url').toString('hex')
}
