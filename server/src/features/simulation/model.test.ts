import fc from 'fast-check'
import { expect, test } from 'vitest'
import { covers, isWithin } from '../capabilities/model.ts'
import { narrowTo, withoutRepetition, type Used } from './model.ts'

const one = (action: string, type: string, ...ids: string[]): Used => {
  const sorted = ids.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return { action, type, firstId: sorted[0] ?? '', lastId: sorted.at(-1) ?? '' }
}

test.each([
  ['*:*', [one('read', 'file', 'docs/a', 'docs/b')], ['file/docs/*:read']],
  ['file:*', [one('read', 'file', 'docs/a')], ['file/docs/a:read']],
  ['file:read', [one('read', 'file', 'a', 'b')], ['file:read']],
  ['file/*:read', [one('read', 'file', 'a', 'b')], ['file:read']],
  ['file/docs/*:read', [one('read', 'file', 'docs/2030/a', 'docs/2030/b')], ['file/docs/2030/*:read']],
  ['file:*', [one('read', 'file', '', 'docs')], ['file:read']],
  ['*:*', [one('read', 'file', 'a'), one('query', 'db', 'x1', 'x2')], ['db/x*:query', 'file/a:read']],
  ['*:read', [one('read', 'file', 'a*b')], ['file/a*:read']],
  ['file:*', [one('with space', 'file', 'a')], ['file/a:*']],
  ['file:*', [one('read', 'file', '𝒜1', '𝒜2')], ['file/𝒜*:read']],
  ['file:*', [one('read', 'file', '\u{1d49c}', '\u{1d49d}')], ['file:read']],
  ['file:*', [], []],
  [`file/${'z'.repeat(150)}*:read`, [one('read', 'file', `${'z'.repeat(160)}a`)], [`file/${'z'.repeat(160)}a:read`]],
  [
    `file/${'z'.repeat(150)}*:read`,
    [one('read', 'file', `${'z'.repeat(160)}a`, `${'z'.repeat(160)}b`)],
    [`file/${'z'.repeat(150)}*:read`],
  ],
])('of %s, %j would have needed %j', (entry, used, enough) => {
  expect(narrowTo(entry, used)).toEqual(enough)
})

test('too many entries are no help, so the entry stays', () => {
  const used = Array.from({ length: 101 }, (_, n) => one('read', `type-${n}`, 'a'))
  expect(narrowTo('*:read', used)).toEqual(['*:read'])
  expect(narrowTo('*:read', used.slice(1))).toHaveLength(100)
})

test('what is enough lies within what is held, and covers all that was used of it', () => {
  const types = fc.constantFrom('a', 'b', 'long.type-name')
  const letters = fc.constantFrom('x', 'y', '/', '*', ':', 'ä', '𝒜', '𝒝', '\n', ' ', '"')
  const ids = fc.array(letters, { maxLength: 5 }).map((some) => some.join(''))
  const longIds = fc.tuple(ids, fc.integer({ min: 0, max: 400 }), ids).map(([a, n, b]) => a + 'z'.repeat(n) + b)
  const actions = fc.constantFrom('r', 'w', 'two words', '*')
  const patterns = fc.constantFrom('', '/x', '/x*', '/x/*', '/*', '/𝒜*', '/y:*')
  const entries = fc
    .tuple(fc.constantFrom('a', 'b', '*'), patterns, fc.constantFrom('r', 'w', '*'))
    .map(([type, pattern, action]) => `${type}${pattern}:${action}`)
  const asked = fc.array(fc.record({ type: types, id: fc.oneof(ids, longIds), action: actions }), { maxLength: 12 })
  let narrower = 0
  fc.assert(
    fc.property(entries, asked, (entry, all) => {
      const covered = all.filter(({ action, ...resource }) => covers(entry, action, resource))
      const byKind = Map.groupBy(covered, ({ type, action }) => JSON.stringify([type, action]))
      const used = [...byKind.values()].map((some) =>
        one(some[0]?.action ?? '', some[0]?.type ?? '', ...some.map(({ id }) => id)),
      )
      const enough = narrowTo(entry, used)
      if (enough.some((each) => each !== entry)) narrower += 1
      for (const each of enough) expect([each, entry, isWithin(each, entry)]).toEqual([each, entry, true])
      for (const { action, ...resource } of covered)
        expect([resource, action, enough.some((each) => covers(each, action, resource))]).toEqual([
          resource,
          action,
          true,
        ])
    }),
    { numRuns: 5000 },
  )
  expect(narrower).toBeGreaterThan(500)
})

test('an entry within another says nothing more', () => {
  expect(withoutRepetition(['file/a:read', 'file:read', 'file:read', 'db:*', 'db/x:query'])).toEqual([
    'db:*',
    'file:read',
  ])
})
