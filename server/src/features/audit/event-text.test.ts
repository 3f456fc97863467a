import type { Json } from '@agent-iam/contract/json'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { escapeText, eventText, eventTextMax, plainMembers, unescapeText } from './event-text.ts'

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('\u0000', '\u001b', '\u0085', '\ud83d', '\ude00', '\\', 'u', '{', '0', '}', 'a') }),
)

test.each([
  ['plain', 'plain'],
  ['a\u0000b', String.raw`a\u{0}b`],
  ['line\r\nline\t\u007f\u0085', String.raw`line\u{d}\u{a}line\u{9}\u{7f}\u{85}`],
  ['half \ud83d', String.raw`half \u{d83d}`],
  ['whole \u{1f600}', 'whole \u{1f600}'],
  [String.raw`C:\users \u{0}`, String.raw`C:\users \u{5c}u{0}`],
])('%j becomes %j', (text, escaped) => {
  expect(escapeText(text)).toBe(escaped)
})

test('an escaped text is well-formed, has no control character, and can be read back', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const escaped = escapeText(text)
      expect(escaped.isWellFormed()).toBe(true)
      expect(escaped).not.toMatch(/\p{Cc}/u)
      expect(unescapeText(escaped)).toBe(text)
    }),
    { numRuns: 2000 },
  )
})

test('a text is cut between characters, and the rest is counted', () => {
  expect(eventText('x'.repeat(eventTextMax))).toBe('x'.repeat(eventTextMax))
  expect(eventText('x'.repeat(eventTextMax + 3))).toBe(`${'x'.repeat(eventTextMax)}…[3 characters cut]`)
  const edge = `${'x'.repeat(eventTextMax - 1)}\u{1f600}`
  expect(eventText(edge)).toBe(`${'x'.repeat(eventTextMax - 1)}…[2 characters cut]`)
})

test('members are escaped with their names at any depth, and what is too deep is left out', () => {
  const member = { 'a\u0000': 'b\u0000' }
  expect(plainMembers({ at: [member, 1, null] })).toEqual({
    at: [{ [String.raw`a\u{0}`]: String.raw`b\u{0}` }, 1, null],
  })
  let deep: Json = member
  for (let n = 0; n < 100_000; n++) deep = [deep]
  expect(JSON.stringify(plainMembers({ deep }))).toContain('…[nested deeper]')
  const named = plainMembers({ ['__proto__']: 'x' })
  expect(Object.entries(named)).toEqual([['__proto__', 'x']])
})
