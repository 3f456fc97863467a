import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeCursor, encodeCursor, toPage } from './paging.ts'
import { Problem } from './problem.ts'

test('a cursor gives back what was put in', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 3 }), (position) => {
      expect(decodeCursor(encodeCursor(position), position.length)).toEqual(position)
    }),
  )
})

test.each([
  ['nothing', ''],
  ['nonsense', '%%%'],
  ['JSON that is no list', Buffer.from('{"a":1}').toString('base64url')],
  ['a list of another length', encodeCursor(['a'])],
  ['a list with a NUL', encodeCursor(['a\0', 'b'])],
  ['a list with half a character', encodeCursor(['a', '\ud800'])],
  ['a list of lists', Buffer.from('[["a"],["b"]]').toString('base64url')],
  ['a list of more', encodeCursor(['a', 'b', 'c'])],
])('%s is no cursor', (_what, cursor) => {
  expect(() => decodeCursor(cursor, 2)).toThrow(Problem)
})

test('the pages of any list, one after another, are the list', () => {
  fc.assert(
    fc.property(fc.nat(30), fc.integer({ min: 1, max: 7 }), (size, limit) => {
      const all = Array.from({ length: size }, (_, n) => ({ n }))
      const seen: unknown[] = []
      let cursor: string | null = encodeCursor([-1])
      while (cursor !== null) {
        const page = pageAfter(all, cursor, limit)
        expect(page.rows.length).toBeLessThanOrEqual(limit)
        seen.push(...page.rows)
        cursor = page.nextCursor
      }
      expect(seen).toEqual(all)
    }),
  )
})

function pageAfter(all: ReadonlyArray<{ n: number }>, cursor: string, limit: number) {
  const after = Number(decodeCursor(cursor, 1)[0])
  return toPage(all.filter(({ n }) => n > after).slice(0, limit + 1), limit, ({ n }) => [n])
}
