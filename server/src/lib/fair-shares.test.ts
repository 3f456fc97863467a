import { expect, test } from 'vitest'
import { FairShares } from './fair-shares.ts'

test('work counts half after each half-life', () => {
  let now = 0
  const shares = new FairShares(1_000, () => now)
  shares.charge('a', { usedMs: 400, excessMs: 40 })
  now = 1_000
  expect(shares.usedMs('a')).toBe(200)
  shares.charge('a', { usedMs: 100, excessMs: 0 })
  expect(shares.usedMs('a')).toBe(300)
  now = 3_000
  expect([shares.usedMs('a'), shares.excessMs('a')]).toEqual([75, 5])
  expect(shares.usedMs('b')).toBe(0)
})

test('what was used long ago is forgotten, what is in use never', () => {
  let now = 0
  const shares = new FairShares(1_000, () => now)
  shares.touch('busy').running = 1
  for (let n = 0; n < 100; n++) shares.charge(`old ${n}`, { usedMs: 10, excessMs: 0 })
  now = 100_000
  for (let n = 0; n < 100; n++) shares.charge(`new ${n}`, { usedMs: 10, excessMs: 0 })
  expect(shares.size).toBeLessThan(110)
  expect(shares.find('busy')).toMatchObject({ running: 1 })
})

test('however many names there are, only so many idle ones are remembered', () => {
  const shares = new FairShares(1_000, () => 0)
  for (let n = 0; n < 20_000; n++) shares.charge(`name ${n}`, { usedMs: 10, excessMs: 0 })
  expect(shares.size).toBeLessThanOrEqual(10_000)
  expect(shares.usedMs('name 19999')).toBe(10)
})
