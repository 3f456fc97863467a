import fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadCedar } from './cedar-instance.ts'
import { readString, writeString } from './cedar-strings.ts'

const cedar = loadCedar()
const texts = fc.string({ unit: 'binary', maxLength: 20 })

test('what is written, Cedar reads as it was, whatever it is', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const answer = cedar.policyToJson(`@said(${writeString(text)}) permit(principal, action, resource);`)
      expect(answer).toMatchObject({ type: 'success', json: { annotations: { said: text } } })
    }),
  )
})

test('what is written is read back', () => {
  fc.assert(
    fc.property(texts, (text) => {
      expect(readString(writeString(text).slice(1, -1))).toBe(text)
    }),
  )
})

test.each([
  ['\\u{1F642}\\x41\\n', '🙂A\n'],
  ['\\q', undefined],
  ['\\u{110000}', undefined],
  ['\\u{d800}', undefined],
  ['\\', undefined],
  ['\\x80', undefined],
])('%j says %j', (written, said) => {
  expect(readString(written)).toBe(said)
})
