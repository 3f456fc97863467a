import fc from 'fast-check'
import { expect, test } from 'vitest'
import { printable, table } from './terminal.ts'

test('what could steer the terminal is spelt out', () => {
  expect(printable('a\u001b[2Jb\r\nc\u202ed\u009be')).toBe('a\\u{1b}[2Jb\\u{d}\\u{a}c\\u{202e}d\\u{9b}e')
})

test('ordinary text of any script stays as it is', () => {
  expect(printable('Grüße, 你好, שלום, 👩‍🚀'.replaceAll('\u200d', ''))).toBe('Grüße, 你好, שלום, 👩🚀')
})

test('no text whatever can end a line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(printable(text)).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u)
    }),
  )
})

test('columns are aligned, and a name cannot forge a row', () => {
  expect(
    table(
      ['NAME', 'STATUS'],
      [
        ['x\nadmin', 'active'],
        ['longer-name', 'suspended'],
      ],
    ),
  ).toBe('NAME         STATUS\nx\\u{a}admin  active\nlonger-name  suspended\n')
})
