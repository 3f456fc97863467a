import fc from 'fast-check'
import { CapabilityEntry } from '@agent-iam/contract/capabilities'
import { expect, test } from 'vitest'
import { builtInRoles, covers, firstExcess, intersection, isLabel, isWithin } from './model.ts'

test.each([
  ['file:read', 'read', 'file', '', true],
  ['file:read', 'read', 'file', 'a/b', true],
  ['file:read', 'write', 'file', '', false],
  ['file:read', 'read', 'files', '', false],
  ['file/docs/*:read', 'read', 'file', 'docs/a', true],
  ['file/docs/*:read', 'read', 'file', 'docs', false],
  ['file/docs/*:read', 'read', 'file', 'docs-old/a', false],
  ['file/docs:read', 'read', 'file', 'docs', true],
  ['file/docs:read', 'read', 'file', 'docs/a', false],
  ['file/*:read', 'read', 'file', 'anything', true],
  ['*:read', 'read', 'file', 'a', true],
  ['*:*', 'erase', 'disk', '0', true],
  ['*:*', 'read', 'agent-iam', 'agents', false],
  ['agent-iam:*', 'read', 'agent-iam', 'agents', true],
  ['url/https://example.com/*:get', 'get', 'url', 'https://example.com/a', true],
  ['just a label', 'read', 'file', '', false],
])('%s covers %s on %s/%s: %s', (...[entry, action, type, id, expected]) => {
  expect(covers(entry, action, { type, id })).toBe(expected)
})

// Few letters, so that all that can meet does.
const types = ['a', 'b', '*', 'agent-iam']
const prefixes = ['', '/x', '/x*', '/x/y', '/x/*', '/*', '/xy*', '/x/y*']
const actions = ['r', 'w', '*']
const entries = types.flatMap((type) =>
  prefixes.flatMap((prefix) => actions.map((action) => `${type}${prefix}:${action}`)),
)
const resources = ['a', 'b', 'agent-iam'].flatMap((type) =>
  ['', 'x', 'xy', 'x/', 'x/y', 'x/yz', 'z'].map((id) => ({ type, id })),
)
const wanted = resources.flatMap((resource) => ['r', 'w'].map((action) => ({ resource, action })))

test('what lies within covers nothing that the ceiling does not cover', () => {
  const covered = new Map(
    [...entries, 'label'].map((entry) => [
      entry,
      wanted.map(({ action, resource }) => covers(entry, action, resource)),
    ]),
  )
  const pairs = [...covered].flatMap(([inner, has]) => [...covered].map(([outer, may]) => ({ inner, outer, has, may })))
  const within = pairs.filter(({ inner, outer }) => isWithin(inner, outer))
  const excesses = within.filter(({ has, may }) => has.some((isCovered, index) => isCovered && !may[index]))
  expect(within.length).toBeGreaterThan(900)
  expect(excesses.map(({ inner, outer }) => `${inner} within ${outer}`)).toEqual([])
})

test('lying within is transitive, and every grant lies within itself', () => {
  expect(entries.filter((entry) => !isWithin(entry, entry))).toEqual([])
  const grant = fc.constantFrom(...entries)
  fc.assert(
    fc.property(grant, grant, grant, (one, two, three) => {
      return !isWithin(one, two) || !isWithin(two, three) || isWithin(one, three)
    }),
    { numRuns: 50_000 },
  )
})

test('a grant that is told from a label by its colon', () => {
  expect([isLabel('reads files'), isLabel('file:read')]).toEqual([true, false])
})

test.each([
  [['file:read'], ['file/docs/*:read'], 'file:read'],
  [['file/docs/a:read', 'file/docs/*:*'], ['file/docs/*:read'], 'file/docs/*:*'],
  [['agent-iam/agents:read'], ['*:*'], 'agent-iam/agents:read'],
  [['*:read'], ['agent-iam:*'], '*:read'],
  [['anything said'], [], undefined],
  [['file:read', 'db:query'], ['file:*', 'db:*'], undefined],
])('of %j within %j, the first excess is %s', (wished, ceiling, excess) => {
  expect(firstExcess(wished, ceiling)).toBe(excess)
})

test('the entries of every built-in role are entries that the contract accepts', () => {
  for (const held of Object.values(builtInRoles).flat())
    expect([held, CapabilityEntry.safeParse(held).success]).toEqual([held, true])
})

test.each([
  [['file:read'], ['file/docs/*:*'], ['file/docs/*:read']],
  [['*:read', 'file:write'], ['file:*'], ['file:read', 'file:write']],
  [['*:*'], ['agent-iam:read'], []],
  [['a label', 'file:read'], ['a label', 'file/a:read'], ['file/a:read']],
  [['file/a/*:read'], ['file/b/*:read'], []],
])('%j and %j both give %j', (some, others, both) => {
  expect(intersection(some, others)).toEqual(both)
})

test('two sets both give just what each of them covers', () => {
  const sets = fc.array(
    fc
      .tuple(fc.constantFrom(...types), fc.constantFrom(...prefixes), fc.constantFrom(...actions))
      .map(([type, prefix, action]) => `${type}${prefix}:${action}`),
    { maxLength: 4 },
  )
  const asked = fc.record({
    type: fc.constantFrom('a', 'b', 'agent-iam'),
    id: fc.constantFrom('', 'x', 'xy', 'x/y', 'x/y/z', 'z'),
    action: fc.constantFrom('r', 'w'),
  })
  fc.assert(
    fc.property(sets, sets, asked, (some, others, { action, ...resource }) => {
      const gives = (held: readonly string[]) => held.some((entry) => covers(entry, action, resource))
      expect(gives(intersection(some, others))).toBe(gives(some) && gives(others))
    }),
    { numRuns: 2000 },
  )
})
