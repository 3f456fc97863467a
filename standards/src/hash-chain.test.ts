import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { chainNext, chainStart } from './hash-chain.ts'
import { toHex } from './hex.ts'
import { leafHash } from './merkle.ts'

test('the first link is chained to 32 zero bytes', () => {
  expect(toHex(chainStart)).toBe('0'.repeat(64))
  // SHA-256 of 64 zero bytes.
  expect(toHex(chainNext(chainStart, new Uint8Array(32)))).toBe(
    'f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b',
  )
})

test('a link is the SHA-256 of the head before it and its leaf hash', () => {
  const hash = leafHash(Uint8Array.of(1))
  const expected = createHash('sha256').update(chainStart).update(hash).digest('hex')
  expect(toHex(chainNext(chainStart, hash))).toBe(expected)
})

test('changing, dropping or swapping leaves changes the head', () => {
  const leaves = fc.uniqueArray(fc.uint8Array({ minLength: 1, maxLength: 8 }), { minLength: 2, selector: toHex })
  fc.assert(
    fc.property(leaves, ([first, ...rest]) => {
      if (!first) return
      const head = headOf([first, ...rest])
      expect(headOf([Uint8Array.of(...first, 0), ...rest])).not.toBe(head)
      expect(headOf(rest)).not.toBe(head)
      expect(headOf([...rest, first])).not.toBe(head)
    }),
  )
})

function headOf(leaves: Uint8Array[]): string {
  return toHex(leaves.map(leafHash).reduce(chainNext, chainStart))
}
