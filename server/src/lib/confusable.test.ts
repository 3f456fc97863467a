import fc from 'fast-check'
import { expect, test } from 'vitest'
import { skeleton } from './confusable.ts'

test.each([
  ['paypal', 'pаypаl'],
  ['PayPal', 'paypal'],
  ['agent 1', 'agent l'],
  ['agent I', 'agent 1'],
  ['route0', 'routeO'],
  ['ﬁle', 'file'],
  ['ｗｉｄｅ', 'wide'],
  ['a  b', 'a b'],
  ['a\u3000b', 'a b'],
  ['ορ', 'op'],
  ['modern', 'modem'],
  ['MODERN', 'modem'],
  ['admin', 'аdmіn'],
  ['admin', 'ɑdmin'],
  ['admin', 'adⅿin'],
  ['scope', 'ѕсоре'],
  ['Ꭰog', 'Dog'],
  ['𝐛𝐨𝐬𝐬', 'boss'],
  ['НЕТ', 'нет'],
  ['ТОМ', 'TOM'],
  ['b\u00adoss', 'boss'],
  ['b\u200doss', 'boss'],
  ['می\u200cخواهم', 'میخواهم'],
  ['ångström', 'a\u030angstro\u0308m'],
])('%s is taken for %s', (one, other) => {
  expect(skeleton(one)).toBe(skeleton(other))
})

test.each([
  ['agent 1', 'agent 2'],
  ['reader', 'render'],
  ['a-b', 'a_b'],
  ['директор', 'диктор'],
  ['nan', 'van'],
  ['uy', 'yu'],
  ['naïve', 'naive'],
])('%s is told apart from %s', (one, other) => {
  expect(skeleton(one)).not.toBe(skeleton(other))
})

test('Latin letters and digits look like none but those that readers do confuse', () => {
  const shown = Array.from('abcdefghijklmnopqrstuvwxyz0123456789', (each): [string, string] => [skeleton(each), each])
  const groups = Map.groupBy(shown, ([form]) => form)
  const alike = [...groups.values()].map((group) => group.map(([, each]) => each).join(''))
  expect(alike.filter((group) => group.length > 1).toSorted()).toEqual(['il1', 'o0'])
})

const everyCharacter = Array.from({ length: 0x110000 }, (_, point) => point)
  .filter((point) => point < 0xd800 || point > 0xdfff)
  .map((point) => String.fromCodePoint(point))
  // Ideographs and syllables look like themselves.
  .filter(
    (each) =>
      !/[\p{Cn}\p{Co}\p{Unified_Ideograph}\p{Script=Hangul}]/u.test(each) ||
      /\p{Default_Ignorable_Code_Point}/u.test(each),
  )

test('the skeleton of a skeleton is itself', () => {
  expect(everyCharacter.filter((each) => skeleton(skeleton(each)) !== skeleton(each))).toEqual([])
  const names = fc.property(fc.string({ unit: 'grapheme' }), (name) => skeleton(skeleton(name)) === skeleton(name))
  expect(() => fc.assert(names)).not.toThrow()
})

test('names that differ in case alone have one skeleton, but for few letters whose cases look like different Latin ones', () => {
  const apart = everyCharacter.filter((each) => skeleton(each) !== skeleton(each.toLowerCase()))
  expect(apart.join(' ')).toMatchInlineSnapshot(
    `"Ð Ɓ Ɖ Ɗ Ƒ Ɠ Ƙ Ƥ Ƭ Ƴ Ƽ Ύ Ν Υ Ϋ Ϭ Ѓ Г Ҋ Ґ Ғ Ꭴ Ꮁ Ὑ Ὓ Ὕ Ὗ Ῠ Ῡ Ὺ Ύ Ⲅ 𑢤 𑢦 𑢵 𑢼"`,
  )
})

test('what is not seen makes no difference, wherever it stands', () => {
  const unseen = everyCharacter.filter((each) => /\p{Default_Ignorable_Code_Point}/u.test(each))
  expect(unseen.length).toBeGreaterThan(4000)
  expect(unseen.filter((each) => skeleton(`bo${each}ss`) !== 'boss')).toEqual([])
})
