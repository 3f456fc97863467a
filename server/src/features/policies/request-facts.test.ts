import { describe, expect, test } from 'vitest'
import { loadCedar } from './cedar-instance.ts'
import { toRequestFacts } from './request-facts.ts'

const extension = (fn: string, arg: string) => ({ __extn: { fn, arg } })

test('text, whole numbers, truth values, lists and records stay as they are', () => {
  const context = { text: 'x', number: -3, truth: false, list: ['a'], record: { inner: 1 } }
  expect(toRequestFacts(context)).toEqual(context)
})

test('a null is a fact not given', () => {
  expect(toRequestFacts({ none: null, record: { none: null, some: 1 } })).toEqual({ record: { some: 1 } })
})

test('a fraction becomes a decimal', () => {
  expect(toRequestFacts({ score: 0.92, loss: -1.0001 })).toEqual({
    score: extension('decimal', '0.9200'),
    loss: extension('decimal', '-1.0001'),
  })
})

test('a key may be any text, and means only itself', () => {
  expect(Object.keys(toRequestFacts({ constructor: 1, _one: 2 }))).toEqual(['constructor', '_one'])
})

describe('values of Cedar’s own types', () => {
  test.each([
    ['ip', '10.0.0.1'],
    ['ip', '10.0.0.0/8'],
    ['ip', '::1'],
    ['decimal', '-1.5'],
    ['datetime', '2026-03-01'],
    ['datetime', '2026-03-01T12:00:00.000Z'],
    ['datetime', '2026-03-01T12:00:00+0100'],
    ['datetime', '2024-02-29T23:59:59-2359'],
    ['ip', '::/0'],
    ['ip', '0.0.0.0/32'],
    ['decimal', '922337203685477.0000'],
    ['duration', '1h30m'],
    ['duration', '-5ms'],
  ])('%s("%s") passes, and the library reads it', (fn, arg) => {
    const context = toRequestFacts({ value: extension(fn, arg) })
    expect(context).toEqual({ value: extension(fn, arg) })
    expect(loadCedar().checkParseContext({ context })).toEqual({ type: 'success' })
  })
})

test.each([
  ['ip', 'fe80::1%eth0'],
  ['ip', '::ffff:10.0.0.1'],
  ['ip', '10.0.0.0/33'],
  ['ip', '::1/129'],
  ['decimal', '999999999999999.0'],
  ['datetime', '2026-02-30'],
  ['datetime', '2023-02-29T00:00:00Z'],
  ['datetime', '2026-13-01'],
  ['datetime', '2026-03-01T24:00:00Z'],
  ['datetime', '2026-03-01T12:60:00Z'],
  ['datetime', '2026-03-01T12:00:00'],
  ['datetime', '2026-03-01T12:00:00+2400'],
])('%s("%s"), which the library would not read, is refused as the caller’s fault', (fn, arg) => {
  const context = { deep: { value: extension(fn, arg) } }
  expect(loadCedar().checkParseContext({ context })).toMatchObject({ type: 'failure' })
  expect(() => toRequestFacts(context)).toThrow(expect.objectContaining({ code: 'invalid-request' }))
})

test.each(['__extn', '__entity', '__expr', '__proto__'])('the context itself cannot be %s', (name) => {
  const context = Object.fromEntries([[name, { fn: 'ip', arg: '10.0.0.1' }]])
  expect(() => toRequestFacts(context)).toThrow(
    expect.objectContaining({ code: 'invalid-request', errors: [expect.objectContaining({ field: 'context' })] }),
  )
})

test.each([
  ['a null in a list', { list: [1, null] }, 'context.list.1'],
  ['a fraction of five places', { deep: { score: 0.12345 } }, 'context.deep.score'],
  ['a fraction too large for a decimal', { sum: 1e15 + 0.5 }, 'context.sum'],
  ['an entity', { who: { __entity: { type: 'AgentIam::User', id: 'x' } } }, 'context.who'],
  ['an unknown function', { value: extension('unknown', 'x') }, 'context.value'],
  ['a function every object has', { value: extension('constructor', 'x') }, 'context.value'],
  ['a malformed address', { value: extension('ip', '10.0.0.256') }, 'context.value'],
  ['an extension with company', { value: { ...extension('ip', '10.0.0.1'), more: 1 } }, 'context.value'],
  ['an extension that is no object', { value: { __extn: ['ip'] } }, 'context.value'],
  ['an extension that is null', { value: { __extn: null } }, 'context.value'],
])('%s is refused, naming the field', (_name, context, field) => {
  expect(() => toRequestFacts(context)).toThrow(
    expect.objectContaining({ code: 'invalid-request', errors: [expect.objectContaining({ field })] }),
  )
})
