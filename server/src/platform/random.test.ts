import { expect, test } from 'vitest'
import { systemRandom } from './random.ts'

test.each([0, 1, 12, 16, 32, 255, 256, 257, 5000])('%d bytes are as many', (bytes) => {
  expect(systemRandom(bytes)).toHaveLength(bytes)
})

test('nothing is given twice, however little is asked for at once', () => {
  const given = Array.from({ length: 20_000 }, (_, n) => systemRandom(12 + (n % 40)).toString('hex'))
  expect(new Set(given.map((hex) => hex.slice(0, 24))).size).toBe(given.length)
})

test('every bit is as often set as not', () => {
  const set = Array.from({ length: 16 * 8 }, () => 0)
  const draws = 4000
  for (let draw = 0; draw < draws; draw++)
    for (const [place, byte] of systemRandom(16).entries())
      for (let bit = 0; bit < 8; bit++) set[place * 8 + bit] = (set[place * 8 + bit] ?? 0) + ((byte >> bit) & 1)
  // Six standard deviations from the middle: of 128 bits, one in a million runs.
  for (const count of set) expect(Math.abs(count - draws / 2)).toBeLessThan(6 * Math.sqrt(draws / 4))
})

test('what is given is the taker’s own: to change it changes nothing that is given later', () => {
  const first = systemRandom(16)
  const before = first.toString('hex')
  const second = systemRandom(16)
  second.fill(0)
  expect(first.toString('hex')).toBe(before)
  expect(systemRandom(16).equals(Buffer.alloc(16))).toBe(false)
})
