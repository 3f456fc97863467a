import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromHex, MalformedHexError, toHex } from './hex.ts'

test('each byte is two lower-case digits', () => {
  expect(toHex(Uint8Array.of(0, 10, 255))).toBe('000aff')
})

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      expect(fromHex(toHex(bytes))).toEqual(bytes)
    }),
  )
})

test.each(['0', '0A', 'zz', '0x', ' 0', '00\n'])('%j is refused', (text) => {
  expect(() => fromHex(text)).toThrow(MalformedHexError)
})
