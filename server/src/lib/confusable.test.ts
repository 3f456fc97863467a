import fc from 'fast-check'
import { expect, test } from 'vitest'
import { skeleton } from './confusable.ts'

test.each([
  ['paypal', 'pаypаl'],
  ['PayPal', 'paypal'],
  ['agent 1', 'agent l'],
  ['agent I', 'agent 1'],
  ['route0', 'routeO'],
  ['ﬁle', 'file'],
  ['ｗｉｄｅ', 'wide'],
  ['a  b', 'a b'],
  ['ορ', 'op'],
])('%s is taken for %s', (one, other) => {
  expect(skeleton(one)).toBe(skeleton(other))
})

test.each([
  ['agent 1', 'agent 2'],
  ['reader', 'render'],
  ['a-b', 'a_b'],
  ['директор', 'диктор'],
])('%s is told apart from %s', (one, other) => {
  expect(skeleton(one)).not.toBe(skeleton(other))
})

test('the skeleton of a skeleton is itself', () => {
  const names = fc.property(fc.string({ unit: 'grapheme' }), (name) => skeleton(skeleton(name)) === skeleton(name))
  expect(() => fc.assert(names)).not.toThrow()
})
