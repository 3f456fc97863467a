import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../../../test/databases.ts'
import { openServer, uuidOf, type TestServer } from '../../../test/test-server.ts'
import type { Context } from '../../platform/context.ts'
import { GroupCommitter } from './committer.ts'
import {
  actorBytesMax,
  encodeLeaf,
  EventNotStorableError,
  leafBytesMax,
  leafDepthMax,
  typeBytesMax,
} from './storable.ts'
import { appendLeaves } from './store.ts'

const undone = new Error('rolled back on purpose')

/** Letters, and what a database or a program may stumble over. */
const hostileText = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 20 }) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('\u0000', 'a\u0000b', '\ud800', '\udc00x', '\ud83d\ude00', '\\u0000', '\uffff'),
  },
)
const hugeText = fc.integer({ min: 1, max: leafBytesMax + 10_000 }).map((length) => 'x'.repeat(length))
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(-0, 5e-324, Number.MAX_VALUE, Number.NaN, Number.POSITIVE_INFINITY),
)
const nested = fc
  .tuple(fc.integer({ min: 1, max: leafDepthMax + 8 }), fc.boolean(), fc.constantFrom(1, 'deep', null))
  .map(([depth, isList, value]) => nest(depth, isList, value))

function nest(depth: number, isList: boolean, value: unknown): unknown {
  let outer = value
  for (let n = 0; n < depth; n++) outer = isList ? [outer] : { a: outer }
  return outer
}

const member = fc.oneof(
  { weight: 8, arbitrary: hostileText },
  { weight: 3, arbitrary: number },
  { weight: 2, arbitrary: nested },
  { weight: 1, arbitrary: hugeText },
  { weight: 1, arbitrary: fc.dictionary(hostileText, fc.oneof(hostileText, number, fc.array(hostileText))) },
)
/** Random letters: an index compresses what repeats. */
const longText = (most: number) =>
  fc.string({
    unit: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', '€'),
    minLength: 1,
    maxLength: most,
  })
const leafFields = fc.record({
  type: fc.oneof({ weight: 5, arbitrary: fc.constant('agent.updated') }, longText(typeBytesMax + 20), hostileText),
  actor: fc.oneof({ weight: 5, arbitrary: fc.constant('system') }, longText(actorBytesMax + 4000), hostileText),
  at: fc.oneof(
    { weight: 5, arbitrary: fc.constant('2030-01-01T00:00:00.000Z') },
    fc.date({ min: new Date(-70e12), max: new Date(300e12), noInvalidDate: true }).map((at) => at.toISOString()),
  ),
  resource: fc.oneof(fc.constant(null), hostileText, longText(3000)),
  data: fc.dictionary(hostileText, member, { maxKeys: 4 }),
})
type Fields = typeof leafFields extends fc.Arbitrary<infer Value> ? Value : never

/** JSON with what is in the value, also where that is no JSON: what the database gets if nobody looks. */
function rawJson(value: unknown): string {
  if (typeof value === 'number') return Object.is(value, -0) ? '0' : String(value)
  if (Array.isArray(value)) return `[${value.map(rawJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return `{${Object.entries(value)
    .map(([name, child]) => `${JSON.stringify(name)}:${rawJson(child)}`)
    .join(',')}}`
}

describe.each(databases)('what the log stores on %s', (_name, open) => {
  let server: TestServer
  let ctx: Context

  beforeAll(async () => {
    server = await openServer(await open())
    ctx = server.inTenant(server.app.defaultTenantId)
  })
  afterAll(() => server.close())

  const whole = (fields: Fields) => ({ id: ctx.newId('event'), decisionId: null, requestId: null, ...fields })

  test('the validator accepts just what the database stores', async () => {
    let [accepted, refused] = [0, 0]
    await fc.assert(
      fc.asyncProperty(leafFields, async (fields) => {
        const isAccepted = accepts(whole(fields))
        if (isAccepted) accepted++
        else refused++
        expect(await isStored(whole(fields))).toBe(isAccepted)
      }),
      { numRuns: 400 },
    )
    expect(Math.min(accepted, refused)).toBeGreaterThan(40)
  }, 120_000)

  test.each([
    ['the deepest', { data: { a: nest(leafDepthMax - 2, true, 1) } }, true],
    ['one too deep', { data: { a: nest(leafDepthMax - 1, true, 1) } }, false],
    ['the deepest empty list', { data: { a: nest(leafDepthMax - 3, false, [[]]) } }, true],
    ['the longest actor', { actor: '€'.repeat(66) + 'ab' }, true],
    ['a longer actor', { actor: '€'.repeat(66) + 'abc' }, false],
    ['the longest type', { type: 'x'.repeat(typeBytesMax) }, true],
    ['a longer type', { type: 'x'.repeat(typeBytesMax + 1) }, false],
    ['the year 0', { at: '0000-01-01T00:00:00.000Z' }, false],
    ['the year 9999', { at: '9999-12-31T23:59:59.999Z' }, true],
    ['a NUL in a name', { data: { 'a\u0000': 1 } }, false],
    ['half a character', { data: { a: 'x\ud800' } }, false],
    ['text that looks like an escape', { data: { a: String.raw`\u0000` } }, true],
  ])('%s', async (_what, some, isGood) => {
    const fields = { type: 'agent.updated', actor: 'system', at: '2030-01-01T00:00:00.000Z', resource: null, data: {} }
    expect(accepts(whole({ ...fields, ...some }))).toBe(isGood)
    expect(await isStored(whole({ ...fields, ...some }))).toBe(isGood)
  })

  test('the largest leaf is stored, and none with a byte more', async () => {
    const fields = { type: 'agent.updated', actor: 'system', at: '2030-01-01T00:00:00.000Z', resource: null }
    const empty = encodeLeaf(whole({ ...fields, data: { a: '' } })).length
    for (const [more, isGood] of [
      [0, true],
      [1, false],
    ] as const) {
      const large = whole({ ...fields, data: { a: 'x'.repeat(leafBytesMax - empty + more) } })
      expect(accepts(large)).toBe(isGood)
      expect(await isStored(large)).toBe(isGood)
    }
  })

  test('of a batch with bad leaves all good ones are durable, in order, and each bad one fails alone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), async (goodness) => {
        const committer = new GroupCommitter(server.database.db)
        const leaves = goodness.map((isGood) => ({ isGood, bytes: isGood ? aLeaf('good') : aLeaf('bad\\u0000') }))
        // All but the first wait for it, and then are one batch.
        const ended = await Promise.allSettled(
          leaves.map(({ bytes }) => committer.commit(ctx.caller.tenantId, bytes, null)),
        )
        expect(ended.map(({ status }) => status === 'fulfilled')).toEqual(goodness)
        const reasons = ended.flatMap((each): unknown[] => (each.status === 'rejected' ? [each.reason] : []))
        expect(reasons.every((reason) => reason instanceof EventNotStorableError)).toBe(true)
        const landed = ended.flatMap((each) => (each.status === 'fulfilled' ? [each.value?.sequence] : []))
        expect(landed).toEqual(landed.toSorted((a = 0, b = 0) => a - b))
        expect(await storedFrom(landed[0])).toEqual(
          leaves.filter(({ isGood }) => isGood).map(({ bytes }) => hex(bytes)),
        )
      }),
      { numRuns: 25 },
    )
  }, 60_000)

  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

  function aLeaf(text: string): Uint8Array {
    const fields = { type: 'agent.updated', actor: 'system', at: '2030-01-01T00:00:00.000Z' }
    const { id } = { id: ctx.newId('event') }
    return Buffer.from(JSON.stringify({ ...fields, id, data: { text: 'TEXT' } }).replace('TEXT', text))
  }

  async function storedFrom(sequence: number | undefined): Promise<unknown[]> {
    if (sequence === undefined) return []
    const rows = await server.database.ask(
      `select encode(leaf, 'hex') as leaf from audit_events where tenant_id = $1 and sequence >= $2 order by sequence`,
      [uuidOf(ctx.caller.tenantId), sequence],
    )
    return rows.map(({ leaf }) => leaf)
  }

  function accepts(fields: Fields): boolean {
    try {
      return encodeLeaf(fields).length > 0
    } catch (error) {
      if (error instanceof EventNotStorableError) return false
      throw error
    }
  }

  /** Appends the event without asking the validator, and undoes it. */
  async function isStored(fields: Fields): Promise<boolean> {
    const leaf = Buffer.from(rawJson(fields))
    const append = ctx.db.transaction(ctx.caller.tenantId, async (db) => {
      await appendLeaves({ db, caller: ctx.caller }, { leaves: [{ leaf, epoch: null }], narrows: false })
      throw undone
    })
    return append.then(
      () => false,
      (error: unknown) => {
        if (error === undone) return true
        if (error instanceof EventNotStorableError) return false
        throw error
      },
    )
  }
})
