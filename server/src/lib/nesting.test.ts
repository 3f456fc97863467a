import { expect, test } from 'vitest'
import { isNestedDeeper } from './nesting.ts'

const nested = (depth: number): unknown => {
  let value: unknown = 1
  for (let n = 0; n < depth; n += 1) value = n % 2 === 0 ? { inner: value, more: null } : [0, value]
  return value
}

test.each([
  [0, 0, false],
  [1, 0, true],
  [32, 32, false],
  [33, 32, true],
  [100_000, 32, true],
])('a value of %d levels is deeper than %d: %s', (depth, depthMax, isDeeper) => {
  expect(isNestedDeeper(nested(depth), depthMax)).toBe(isDeeper)
})

test('the deepest part counts, wherever it lies', () => {
  expect(isNestedDeeper({ flat: [], deep: { a: [{}] } }, 3)).toBe(true)
})
