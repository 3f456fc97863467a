import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromBase64url, MalformedBase64Error, toBase64url } from './base64url.ts'

const utf8 = new TextEncoder()

test.each([
  ['', ''],
  ['f', 'Zg'],
  ['fo', 'Zm8'],
  ['foo', 'Zm9v'],
  ['foob', 'Zm9vYg'],
  ['fooba', 'Zm9vYmE'],
  ['foobar', 'Zm9vYmFy'],
])('RFC 4648 §10, without padding: %j is %j', (plain, encoded) => {
  expect(toBase64url(utf8.encode(plain))).toBe(encoded)
  expect(fromBase64url(encoded)).toEqual(utf8.encode(plain))
})

test('the two characters that differ from base64 are - and _', () => {
  expect(toBase64url(Uint8Array.of(0xfb, 0xff, 0xbf))).toBe('-_-_')
})

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(fromBase64url(toBase64url(bytes))).toEqual(bytes)
    }),
  )
})

test('a text is either refused or the only spelling of its bytes', () => {
  const characters = Array.from('ABwxyz01-_+/= ')
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...characters), maxLength: 10 }), (text) => {
      const bytes = readOrUndefined(text)
      expect(bytes === undefined ? text : toBase64url(bytes)).toBe(text)
    }),
  )
})

test.each([
  ['Zg==', '"=" is not a base64url character'],
  ['Zm9+', '"+" is not a base64url character'],
  ['Zm 9', '" " is not a base64url character'],
  ['Zm9v\n', 'are no whole number of bytes'],
  ['Zm9vYg\n', '"\\n" is not a base64url character'],
  ['Zm😀', '"😀" is not a base64url character'],
  ['Z', '1 characters are no whole number of bytes'],
  ['Zh', 'the last character has bits left over'],
  ['Zm9', 'the last character has bits left over'],
])('%j is refused, and why', (text, why) => {
  expect(() => fromBase64url(text)).toThrow(MalformedBase64Error)
  expect(() => fromBase64url(text)).toThrow(why)
})

function readOrUndefined(text: string): Uint8Array | undefined {
  try {
    return fromBase64url(text)
  } catch (error) {
    if (error instanceof MalformedBase64Error) return undefined
    throw error
  }
}
