import { expect, test } from 'vitest'
import { z } from 'zod'
import { costOf, type Operation } from './operation.ts'
import { operations } from './operations.ts'

const bulk = { cost: { each: { field: 'items', most: 10 }, explained: 4 } }

test('a request counts as one, or as its operation says', () => {
  expect(costOf({})).toBe(1)
  expect(costOf({ cost: { base: 20 } }, { body: {} })).toBe(20)
})

test.each([
  ['as many as its items', { items: [1, 2, 3] }, 3],
  ['one where it has none', { items: [] }, 1],
  ['one where they are no list', { items: 'many' }, 1],
  ['one where it is no object', 'items', 1],
  ['one where there is no body', undefined, 1],
  ['the most that are taken where there are more', { items: Array.from({ length: 1000 }, () => null) }, 10],
])('a bulk counts as %s', (_what, body, cost) => {
  expect(costOf(bulk, { body })).toBe(cost)
})

test('an explanation counts several times', () => {
  expect(costOf(bulk, { body: { items: [1, 2] }, query: { explain: 'true' } })).toBe(8)
  expect(costOf(bulk, { body: { items: [1, 2] }, query: { explain: 'false' } })).toBe(2)
})

/** Longest list that counts as one request whatever it lists. */
const shortMax = 50
/** Lists that are parts of one thing. */
const parts = new Set(['actions', 'capabilities', 'ceiling', 'defaultScopes', 'permissions', 'scopes'])

test('whatever takes a long list of things counts each of them, and the longest that it takes', () => {
  const lists = operations.flatMap((operation) => listsOf(operation).map((list) => ({ operation, ...list })))
  expect(lists.length).toBeGreaterThan(4)
  for (const { operation, field, most } of lists) expect(operation.cost?.each, operation.id).toEqual({ field, most })
})

const Lists = z.object({
  properties: z.record(z.string(), z.object({ type: z.string().optional(), maxItems: z.int().optional() })).default({}),
})

function listsOf({ body }: Operation): Array<{ field: string; most: number }> {
  if (!body) return []
  const { properties } = Lists.parse(z.toJSONSchema(body, { unrepresentable: 'any', io: 'input' }))
  return Object.entries(properties).flatMap(([field, { type, maxItems: most = Number.POSITIVE_INFINITY }]) =>
    type === 'array' && most > shortMax && !parts.has(field) ? [{ field, most }] : [],
  )
}
