import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Name } from './text.ts'
import { refusedIn, withoutRefused } from './visible-text.ts'

const everyCharacter = Array.from({ length: 0x110000 }, (_, point) => point)
  .filter((point) => point < 0xd800 || point > 0xdfff)
  .map((point) => String.fromCodePoint(point))

const isName = (text: string) => Name.safeParse(text).success

test('no character that is invisible, or changes the order of others, may stand between Latin letters', () => {
  const invisible = everyCharacter.filter((each) =>
    /[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u2800]/u.test(each),
  )
  expect(invisible.length).toBeGreaterThan(4000)
  expect(invisible.filter((each) => isName(`bo${each}ss`))).toEqual([])
  expect(invisible.filter((each) => isName(`${each}boss`) || isName(`boss${each}`))).toEqual([])
})

test.each([
  ['Persian, with a non-joiner', 'می\u200cخواهم'],
  ['Persian, over a mark', 'مِی\u200cخواهم'],
  ['Sinhala, with a joiner', 'ශ්\u200dරී'],
  ['Kannada, with a non-joiner after a virama', 'ಕ್\u200cಷ'],
  ['Devanagari, with a joiner at the end of the word', 'क्\u200d'],
  ['an emoji of several', 'build 👩\u200d💻 bot'],
  ['an emoji with its presentation', 'I ❤\ufe0f agents'],
  ['a flag by tags', '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}'],
  ['a keycap', 'step 1\ufe0f\u20e3'],
  ['Cyrillic', 'резюме-v2'],
  ['Cherokee', 'ᏣᎳᎩ'],
  ['Japanese', '山田\u3000太郎'],
  ['Arabic with its mark', 'مُحَمَّد'],
  ['punctuation', 'O’Brien & Söhne (№ 5) – “x”'],
])('a name may be %s', (_what, text) => {
  expect(Name.parse(text)).toBe(text.normalize('NFC'))
})

test.each([
  ['a joiner between Latin letters', 'bo\u200dss'],
  ['a non-joiner where nothing joins', 'خد\u200cا'],
  ['a non-joiner at the end of a word', 'می\u200c'],
  ['two non-joiners', 'می\u200c\u200cخواهم'],
  ['a joiner without a virama', 'ශ\u200dරී'],
  ['a joiner before a dependent vowel', 'क्\u200dि'],
  ['a virama without a letter', '्\u200dक'],
  ['tags that make no flag', 'boss\u{e0067}\u{e0062}'],
  ['a presentation of a letter', 'boss\ufe0f'],
  ['a joiner between emoji that make none', '💻\u200d💻'],
  ['full-width letters', 'ｗｉｄｅ'],
  ['mathematical letters', '𝐛𝐨𝐬𝐬'],
  ['phonetic letters', 'ʙoss'],
  ['a private character', 'a\ue000'],
  ['an unassigned character', 'a\u0378'],
  ['a mark at its start', '\u0301a'],
])('a name may not have %s', (_what, text) => {
  expect(isName(text)).toBe(false)
})

test('a refusal names the character', () => {
  expect(Name.safeParse('bo\u200bss').error?.issues[0]?.message).toContain('U+200B')
})

const texts = fc.string({ unit: 'binary', maxLength: 20 })
const joined = fc
  .array(fc.constantFrom('a', 'م', 'ی', 'خ', 'ක', '්', 'ර', 'ි', '\u200c', '\u200d', '👩', '💻', '\ufe0f', '\u0651'), {
    maxLength: 12,
  })
  .map((parts) => parts.join(''))

test('a text without what is refused has nothing more to refuse', () => {
  const law = fc.property(fc.oneof(texts, joined), (text) => refusedIn(repeatedly(text)) === undefined)
  expect(() => fc.assert(law, { numRuns: 1000 })).not.toThrow()
})

test('a name is a name again after normalisation', () => {
  const law = fc.property(fc.oneof(texts, joined), (text) => {
    const name = Name.safeParse(text)
    return !name.success || Name.parse(name.data) === name.data
  })
  expect(() => fc.assert(law, { numRuns: 1000 })).not.toThrow()
})

/** Without what is refused, letters may stand side by side that allowed a joiner, or that do so no more. */
function repeatedly(text: string): string {
  const next = withoutRefused(text)
  return next === text ? next : repeatedly(next)
}
