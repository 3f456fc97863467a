import serialize from 'canonicalize'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson, NotCanonicalizableError } from './jcs.ts'

const textOf = (value: unknown) => new TextDecoder().decode(canonicalJson(value))

test('RFC 8785 §3.2.2: the sample object', () => {
  const sample = JSON.parse(String.raw`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  }`)
  expect(textOf(sample)).toBe(
    String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  )
})

test('RFC 8785 §3.2.3: members are sorted by UTF-16 code units, not by code points', () => {
  const sample = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '😀': 5, '\u0080': 6, '\u00f6': 7 }
  const order = Object.values(JSON.parse(textOf(sample)))
  expect(textOf(sample)).toBe('{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}')
  expect(order).toHaveLength(7)
})

test.each([
  [0, '0'],
  [-0, '0'],
  [5e-324, '5e-324'],
  [1.7976931348623157e308, '1.7976931348623157e+308'],
  [9007199254740992, '9007199254740992'],
  [295147905179352830000, '295147905179352830000'],
  [1e21, '1e+21'],
  [1e-6, '0.000001'],
  [1e-7, '1e-7'],
])('RFC 8785 appendix B: %d', (number, text) => {
  expect(textOf(number)).toBe(text)
})

test('the bytes are UTF-8', () => {
  expect(canonicalJson('€')).toEqual(Uint8Array.of(0x22, 0xe2, 0x82, 0xac, 0x22))
})

test('members that are undefined are left out', () => {
  expect(textOf({ b: undefined, a: 1 })).toBe('{"a":1}')
})

test('the form says the same value, and is its own canonical form', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = textOf(value)
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      expect(textOf(JSON.parse(text))).toBe(text)
    }),
  )
})

test('the bytes are those of another implementation, whatever the value', () => {
  const values = fc.jsonValue({ depthSize: 'large', stringUnit: 'binary' })
  fc.assert(
    fc.property(values, (value) => {
      expect(textOf(value)).toBe(serialize(value))
    }),
    { numRuns: 2000 },
  )
})

test('the order in which members were written does not matter', () => {
  const members = fc.uniqueArray(fc.tuple(fc.string(), fc.integer()), { selector: ([name]) => name })
  fc.assert(
    fc.property(members, (entries) => {
      expect(textOf(Object.fromEntries(entries.toReversed()))).toBe(textOf(Object.fromEntries(entries)))
    }),
  )
})

const circular: Record<string, unknown> = {}
circular['self'] = [circular]

test.each([
  ['undefined at the root', undefined],
  ['a lone surrogate', 'a\ud800'],
  ['a lone surrogate in a name', { '\udc00': 1 }],
  ['NaN', { a: Number.NaN }],
  ['infinity', [Number.NEGATIVE_INFINITY]],
  ['a bigint', { a: 1n }],
  ['a function', { a: () => 1 }],
  ['a symbol', [Symbol('a')]],
  ['undefined in an array', [undefined]],
  ['a hole in an array', Array(1)],
  ['a date', { at: new Date(0) }],
  ['a map', new Map([['a', 1]])],
  ['a value that contains itself', circular],
])('%s is refused', (_name, value) => {
  expect(() => canonicalJson(value)).toThrow(NotCanonicalizableError)
})

test('one value in two places is not a circle', () => {
  const shared = { a: 1 }
  expect(textOf([shared, shared])).toBe('[{"a":1},{"a":1}]')
})

test('a member named toJSON is a member like any other, unless it is a function', () => {
  expect(textOf({ toJSON: 1 })).toBe('{"toJSON":1}')
  expect(() => canonicalJson({ toJSON: () => 1 })).toThrow(NotCanonicalizableError)
})

test('the same object twice is no circle', () => {
  const shared = { a: 1 }
  expect(textOf([shared, { shared }])).toBe('[{"a":1},{"shared":{"a":1}}]')
})
