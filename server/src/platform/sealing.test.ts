import { expect, test } from 'vitest'
import { systemRandom } from './random.ts'
import { createSealer } from './sealing.ts'

const sealer = createSealer(Buffer.alloc(32, 1), systemRandom)
const other = createSealer(Buffer.alloc(32, 2), systemRandom)
const secret = Buffer.from('a secret')
const place = 'ten_1/table/column/row'

test('what was sealed opens where it stands', () => {
  expect(sealer.open(sealer.seal(secret, place), place)).toEqual(secret)
})

test('moved, changed in any byte, cut, or with another key, it does not', () => {
  const sealed = sealer.seal(secret, place)
  expect(() => sealer.open(sealed, 'ten_2/table/column/row')).toThrow('authenticate')
  expect(() => other.open(sealed, place)).toThrow('another master key')
  expect(() => sealer.open(sealed.subarray(0, -1), place)).toThrow('authenticate')
  for (const index of sealed.keys()) {
    const changed = Buffer.from(sealed)
    changed[index] = (changed[index] ?? 0) ^ 1
    expect(() => sealer.open(changed, place), `byte ${index}`).toThrow(/authenticate|master key|version/)
  }
})

test('the same secret is sealed differently each time, and shows nothing of itself', () => {
  const sealed = Array.from({ length: 20 }, () => sealer.seal(secret, place).toString('hex'))
  expect(new Set(sealed).size).toBe(20)
  expect(sealed.join(' ')).not.toContain(secret.toString('hex'))
})

test('a key for one purpose is the same on every instance, and no other’s', () => {
  const again = createSealer(Buffer.alloc(32, 1), systemRandom)
  expect(again.derive('login')).toEqual(sealer.derive('login'))
  expect(sealer.derive('login')).not.toEqual(sealer.derive('refresh'))
  expect(other.derive('login')).not.toEqual(sealer.derive('login'))
  expect(other.keyId).not.toBe(sealer.keyId)
})

test('a master key of another length is none', () => {
  expect(() => createSealer(Buffer.alloc(16), systemRandom)).toThrow('32 bytes')
})

test('what another master key sealed opens where that key is held too, and is sealed with the present one from then on', () => {
  const both = createSealer(Buffer.alloc(32, 2), systemRandom, [Buffer.alloc(32, 1)])
  expect(both.open(sealer.seal(secret, place), place)).toEqual(secret)
  expect(other.open(both.seal(secret, place), place)).toEqual(secret)
  expect(() => sealer.open(both.seal(secret, place), place)).toThrow('another master key')
  expect(both.others.map(({ keyId }) => keyId)).toEqual([sealer.keyId])
  // A key that is named twice is one.
  expect(createSealer(Buffer.alloc(32, 1), systemRandom, [Buffer.alloc(32, 1)]).others).toEqual([])
})
