import { expect, test } from 'vitest'
import { addPart, divideValue, PartTooLargeError } from './value-parts.ts'

function joined(value: unknown, valuesMax: number): unknown {
  const { frame, parts } = divideValue(value, valuesMax)
  for (const part of parts) addPart(frame, part)
  return frame
}

test.each([
  ['nothing', undefined],
  ['a text', 'x'],
  ['a list', [1, 2]],
  ['an object', { a: 1, b: { c: [1] } }],
  ['lists', { a: [1, [2], { b: 3 }], b: [], c: 'x', d: [null] }],
])('%s is the same after it was divided and put together', (_what, value) => {
  expect(joined(value, 5)).toEqual(value)
})

test('no part has more values than it may have', () => {
  const { parts } = divideValue({ items: Array.from({ length: 20 }, (_, n) => ({ n })) }, 6)
  expect(parts.map(({ members }) => members.length)).toEqual([3, 3, 3, 3, 3, 3, 2])
})

test.each([
  ['a list member', { items: [1, [1, 2, 3, 4, 5]] }, /items\.1/],
  ['the frame', { a: { b: [1, 2, 3] }, items: [1] }, /body/],
  ['a list instead of an object', [1, 2, 3, 4, 5], /body/],
])('%s that is too large is refused', (_what, value, place) => {
  expect(() => divideValue(value, 5)).toThrow(PartTooLargeError)
  expect(() => divideValue(value, 5)).toThrow(place)
})
