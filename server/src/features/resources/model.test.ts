import { describe, expect, test } from 'vitest'
import { isSameType, parseResource, resourceText, thresholdFor } from './model.ts'

describe('the trust that an agent needs', () => {
  const thresholds = { byLabel: { pii: 0.6, phi: 0.8, open: 0 }, byRisk: { high: 0.7, critical: 0.9 } }

  test.each([
    [[], undefined, 0],
    [['pii'], undefined, 0.6],
    [['pii', 'phi'], undefined, 0.8],
    [['pii'], 'high', 0.7],
    [['phi'], 'high', 0.8],
    [['phi'], 'critical', 0.9],
    [['unheard-of'], 'low', 0],
    [['constructor', 'toString'], undefined, 0],
  ] as const)('for labels %j at risk %s is %s', (labels, risk, score) => {
    expect(thresholdFor(thresholds, labels, risk)).toBe(score)
  })
})

test.each([
  ['file/a', { type: 'file', id: 'a' }],
  ['file/a/b//c', { type: 'file', id: 'a/b//c' }],
  ['file//', { type: 'file', id: '/' }],
])('%s is a type and an id', (text, name) => {
  expect(parseResource(text)).toEqual(name)
  expect(resourceText(name)).toBe(text)
})

test('types are one in whatever order their attributes stand, and whether they are required or not', () => {
  const a = { type: 'Long', required: true } as const
  const b = { type: 'String', required: false } as const
  const one = { type: 'Record', attributes: { a, b }, required: true } as const
  expect(isSameType(one, { type: 'Record', attributes: { b, a } })).toBe(true)
  expect(isSameType(one, { type: 'Record', attributes: { a, b: { ...b, required: true } } })).toBe(false)
  expect(isSameType({ type: 'Long' }, { type: 'String' })).toBe(false)
})
