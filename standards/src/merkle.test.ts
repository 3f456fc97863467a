import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromHex, toHex } from './hex.ts'
import { leafHash } from './merkle.ts'

// The leaves that the Certificate Transparency implementations test with.
test.each([
  ['', '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'],
  ['00', '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7'],
])('the published hash of the leaf "%s"', (leaf, hash) => {
  expect(toHex(leafHash(fromHex(leaf)))).toBe(hash)
})

test('a leaf is hashed behind a zero byte, as another implementation of SHA-256 finds too', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (leaf) => {
      const expected = createHash('sha256').update(Uint8Array.of(0)).update(leaf).digest('hex')
      expect(toHex(leafHash(leaf))).toBe(expected)
    }),
  )
})
