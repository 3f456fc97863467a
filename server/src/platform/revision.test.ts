import { expect, test } from 'vitest'
import { entityTagOf, readIfMatch, requireRevision } from './revision.ts'

test('the tag of a revision is read as that revision', () => {
  expect(readIfMatch(entityTagOf(7))).toEqual([7])
})

test.each([
  [undefined, undefined],
  ['*', undefined],
  ['"1", "2"', [1, 2]],
  ['W/"1"', []],
  ['"01", "1e3", "-1", ""', []],
])('If-Match: %s means the revisions %j', (header, revisions) => {
  expect(readIfMatch(header)).toEqual(revisions)
})

test.each(['7', '"7', '"7" "8"', '', '*, "7"'])('%j is no If-Match', (header) => {
  expect(() => readIfMatch(header)).toThrow(expect.objectContaining({ code: 'invalid-request' }))
})

test('only a listed revision may be changed, any where none is listed', () => {
  const held = { id: 'agt_1', revision: 3 }
  expect(() => requireRevision(held, undefined)).not.toThrow()
  expect(() => requireRevision(held, [2, 3])).not.toThrow()
  for (const revisions of [[], [2]])
    expect(() => requireRevision(held, revisions)).toThrow(expect.objectContaining({ code: 'precondition-failed' }))
})
