import fc from 'fast-check'
import { expect, test } from 'vitest'
import { buildXorFilter, XorFilter } from './xor-filter.ts'

test('a filter contains every text that it was built from', () => {
  const sets = fc.property(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 200 }), (texts) => {
    const filter = new XorFilter(buildXorFilter(new Set(texts)))
    return texts.every((text) => filter.has(text))
  })
  expect(() => fc.assert(sets)).not.toThrow()
})

test('of other texts it contains about one in 65,536', () => {
  const filter = new XorFilter(buildXorFilter(new Set(Array.from({ length: 5000 }, (_, n) => `in ${n}`))))
  const wrong = Array.from({ length: 300_000 }, (_, n) => `out ${n}`).filter((text) => filter.has(text))
  // Expected: 4.6. With a true rate of 1/65,536, more than 20 come about once in ten million sets of texts.
  expect(wrong.length).toBeLessThan(20)
})

test('the same texts give the same bytes', () => {
  const texts = new Set(['one', 'two', 'three'])
  expect(buildXorFilter(texts)).toEqual(buildXorFilter(texts))
})

test('a file that is something else, or cut short, is refused', () => {
  const file = buildXorFilter(new Set(['one']))
  expect(() => new XorFilter(Buffer.from('AXF2 and more'))).toThrow('not a file')
  expect(() => new XorFilter(file.subarray(0, -1))).toThrow('cut short')
})
