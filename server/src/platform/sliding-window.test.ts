import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startRedis, type TestRedis } from '../../test/redis.ts'
import { SlidingWindows, spanMs, type Span, type WindowLimit } from './sliding-window.ts'
import { argumentsOf, readRoom, slidingWindowScript } from './sliding-window-script.ts'

const begin = Date.UTC(2026, 0, 1)
const one = (limit: number, span: Span = 'minute', cost = 1): WindowLimit => ({ key: 'k', span, limit, cost })

describe('a sliding window', () => {
  test('of a minute takes as many as its limit, and another once the first has left', () => {
    const windows = new SlidingWindows(100)
    const take = (seconds: number) => windows.take('g', [one(2)], begin + seconds * 1000)
    expect(take(0)).toEqual({ isAllowed: true, remaining: [1], tightest: 0, waitMs: 60_000 })
    expect(take(20)).toEqual({ isAllowed: true, remaining: [0], tightest: 0, waitMs: 40_000 })
    expect(take(59.999)).toEqual({ isAllowed: false, remaining: [0], tightest: 0, waitMs: 1 })
    expect(take(60).isAllowed).toBe(true)
    // The second is still there.
    expect(take(61)).toMatchObject({ isAllowed: false, waitMs: 19_000 })
  })

  test('of an hour forgets a use a minute late at most, and never early', () => {
    const windows = new SlidingWindows(100)
    const take = (minutes: number) => windows.take('g', [one(1, 'hour')], begin + minutes * 60_000)
    expect(take(0.5).isAllowed).toBe(true)
    expect(take(60.4)).toMatchObject({ isAllowed: false, waitMs: 36_000 })
    expect(take(60.99).isAllowed).toBe(false)
    expect(take(61).isAllowed).toBe(true)
  })

  test('that is full keeps the others from counting', () => {
    const windows = new SlidingWindows(100)
    const wide: WindowLimit = { key: 'wide', span: 'day', limit: 10, cost: 1 }
    for (let use = 0; use < 3; use++) windows.take('g', [wide, one(1)], begin)
    expect(windows.take('g', [{ ...wide, cost: 0 }], begin).remaining).toEqual([9])
  })

  test('that a use does not fit even when empty says to wait for its whole span', () => {
    const windows = new SlidingWindows(100)
    expect(windows.take('g', [one(3, 'minute', 4)], begin)).toEqual({
      isAllowed: false,
      remaining: [3],
      tightest: 0,
      waitMs: 60_000,
    })
  })

  test('of a key that many others came after begins anew, and others’ do not', () => {
    const windows = new SlidingWindows(2)
    const take = (key: string) => windows.take('g', [{ ...one(1), key }], begin).isAllowed
    expect([take('a'), take('b'), take('a'), take('c')]).toEqual([true, true, false, true])
    expect([take('a'), take('b')]).toEqual([false, true])
  })

  test('that is empty takes no memory, however many there were', () => {
    const windows = new SlidingWindows(1_000_000)
    const take = (key: string, seconds: number, span: Span) =>
      windows.take('g', [{ key, span, limit: 5, cost: 1 }], begin + seconds * 1000)
    for (let index = 0; index < 1000; index++) take(`${index}`, 0, index % 2 === 0 ? 'minute' : 'hour')
    expect(windows.size).toBe(1000)
    for (let index = 0; index < 500; index++) take('other', 61, 'minute')
    expect(windows.size).toBe(501)
    for (let index = 0; index < 500; index++) take('other', 3_661, 'hour')
    expect(windows.size).toBe(2)
  })

  test('never lets more than its limit into any span as long as it, and wastes no more than a sixtieth', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 400_000 }), { minLength: 50, maxLength: 150 })
    fc.assert(
      fc.property(
        steps,
        fc.integer({ min: 1, max: 20 }),
        fc.constantFrom<Span>('minute', 'hour'),
        (gaps, limit, span) => {
          const windows = new SlidingWindows(10)
          const passed: number[] = []
          let now = begin
          for (const gap of gaps) {
            now += span === 'minute' ? Math.floor(gap / 60) : gap
            const { isAllowed } = windows.take('g', [one(limit, span)], now)
            const within = (lengthMs: number) => passed.filter((at) => at > now - lengthMs).length
            // Full of those that passed within its length; refused only where a sixtieth more holds its limit.
            expect(isAllowed ? within(spanMs[span]) < limit : within((spanMs[span] * 61) / 60) >= limit).toBe(true)
            if (isAllowed) passed.push(now)
          }
        },
      ),
    )
  })
})

describe('the script in Redis', () => {
  let server: TestRedis
  let redis: Redis
  let runs = 0
  beforeAll(async () => {
    server = await startRedis()
    redis = new Redis(server.url)
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })

  test.each(['minute', 'hour', 'day'] as const)('keeps the uses of a %s as long as they count', async (span) => {
    const key = `script ${process.pid} ${Date.now()} ${runs++}`
    const take = (seconds: number, cost: number) =>
      redis.eval(slidingWindowScript, 1, key, ...argumentsOf([{ ...one(5, span), cost }], begin + seconds * 1000))
    await take(0, 1)
    await redis.pexpire(key, 1000)
    // Half a span later somebody looks, and somebody else uses it.
    await take(spanMs[span] / 2000, 0)
    await take(spanMs[span] / 2000, 1)
    expect(await redis.pttl(key)).toBeGreaterThan(spanMs[span] - 1000)
  })

  const step = fc.record({
    gapMs: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 0, max: 20_000 }) },
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 600_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 90_000_000 }) },
    ),
    cost: fc.integer({ min: 0, max: 4 }),
    keys: fc.subarray(['a', 'b', 'c'], { minLength: 1 }),
  })
  const limits = fc.record({
    a: fc.record({ span: fc.constant<Span>('minute'), limit: fc.integer({ min: 1, max: 8 }) }),
    b: fc.record({ span: fc.constant<Span>('hour'), limit: fc.integer({ min: 1, max: 8 }) }),
    c: fc.record({ span: fc.constantFrom<Span>('minute', 'day'), limit: fc.integer({ min: 1, max: 8 }) }),
  })

  test('answers as the process alone does, whatever is asked when', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(limits, fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }), async (limit, steps) => {
        const windows = new SlidingWindows(100)
        const group = `script ${process.pid} ${Date.now()} ${runs++}`
        let now = begin
        for (const { gapMs, cost, keys } of steps) {
          now += gapMs
          const asked = keys.map((key): WindowLimit => ({
            key,
            cost,
            ...limit[key === 'a' || key === 'b' ? key : 'c'],
          }))
          const names = asked.map(({ key, span }) => `${group}:${key}:${span}`)
          const answer = await redis.eval(slidingWindowScript, names.length, ...names, ...argumentsOf(asked, now))
          expect(readRoom(answer)).toEqual(windows.take(group, asked, now))
        }
      }),
      { numRuns: 100 },
    )
  })
})
