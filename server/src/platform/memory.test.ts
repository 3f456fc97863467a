import { expect, test } from 'vitest'
import { returnMemory } from './memory.ts'

const megabyte = 1_000_000

test('what nobody holds any longer is given back', () => {
  let held: number[] | undefined = Array.from({ length: 4 * megabyte }, (_, n) => n)
  const before = process.memoryUsage().heapUsed
  expect(held).toHaveLength(4 * megabyte)
  held = undefined
  returnMemory()
  expect(process.memoryUsage().heapUsed).toBeLessThan(before - 8 * megabyte)
})
