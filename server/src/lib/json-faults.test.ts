import { expect, test } from 'vitest'
import { findJsonFault } from './json-faults.ts'

const bounds = { depthMax: 3, valuesMax: 10 }
const faultOf = (text: string) => findJsonFault(JSON.parse(text), bounds)

test.each(['1', 'null', '"x"', '[]', '[[[]]]', '{"a":{"b":{}}}', '[1,2,3,4,5,6,7,8,9]', '{"constructor":{"a":1}}'])(
  '%s is within the bounds',
  (text) => {
    expect(faultOf(text)).toBeUndefined()
  },
)

test.each([
  ['[[[[]]]]', /deeper than 3/],
  ['{"a":{"b":{"c":{}}}}', /deeper than 3/],
  ['[1,2,3,4,5,6,7,8,9,10]', /more than 10 values/],
  ['{"a":{"__proto__":1}}', /__proto__/],
  ['[{"constructor":{"prototype":1}}]', /constructor/],
])('%s is refused', (text, fault) => {
  expect(faultOf(text)).toMatch(fault)
})

test('a value that is far too deep does not exhaust the stack', () => {
  expect(faultOf('['.repeat(5_000) + ']'.repeat(5_000))).toMatch(/deeper/)
})
