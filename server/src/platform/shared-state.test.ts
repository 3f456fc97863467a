import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../test/free-port.ts'
import { startOwnRedis, startRedis, type OwnRedis, type TestRedis } from '../../test/redis.ts'
import { TestClock } from '../../test/test-clock.ts'
import { createLog } from './log.ts'
import { redisState } from './redis-state.ts'
import { inProcessState, type SharedState } from './shared-state.ts'

const clock = new TestClock()
const silent = createLog('silent')
let keys = 0
/** A key that no other test, and no run before, has used. */
const aKey = () => `test ${process.pid} ${Date.now()} ${keys++}`

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

describe.each<[string, () => SharedState]>([
  ['in process', () => inProcessState(clock)],
  ['in Redis', () => redisState(redis.url, inProcessState(clock), silent)],
])('shared state %s', (_name, open) => {
  let state: SharedState
  beforeAll(() => {
    state = open()
  })
  afterAll(() => state.close())

  test('counts each key by itself, and loses none of many at once', async () => {
    const [one, other] = [aKey(), aKey()]
    const counts = await Promise.all(Array.from({ length: 50 }, () => state.count(one, 60)))
    expect(counts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => n + 1))
    expect(await state.count(other, 60)).toBe(1)
  })

  test('begins anew when the window has ended, which later counts do not prolong', async () => {
    const key = aKey()
    expect(await state.count(key, 1)).toBe(1)
    await sleep(600)
    expect(await state.count(key, 1)).toBe(2)
    await sleep(600)
    expect(await state.count(key, 1)).toBe(1)
  })

  test('takes of sliding windows no more than each has, of many at once', async () => {
    const group = `tenant ${aKey()}` as const
    const windows = [
      { key: 'one', span: 'minute', limit: 30, cost: 1 },
      { key: 'all', span: 'day', limit: 1000, cost: 2 },
    ] as const
    const rooms = await Promise.all(Array.from({ length: 50 }, () => state.take(group, windows)))
    expect(rooms.filter(({ isAllowed }) => isAllowed)).toHaveLength(30)
    const looked = await state.take(group, [{ ...windows[1], cost: 0 }])
    expect(looked).toMatchObject({ isAllowed: true, remaining: [940] })
    expect(await state.take(`tenant ${aKey()}`, windows)).toMatchObject({ remaining: [29, 998], tightest: 0 })
  })

  test('knows the first after a quiet time, of many at once', async () => {
    const key = aKey()
    const firsts = await Promise.all(Array.from({ length: 20 }, () => state.isFirst(key, 1)))
    expect(firsts.filter(Boolean)).toHaveLength(1)
    await sleep(600)
    expect(await state.isFirst(key, 1)).toBe(false)
    await sleep(600)
    // The one before prolonged it.
    expect(await state.isFirst(key, 1)).toBe(false)
    await sleep(1_100)
    expect(await state.isFirst(key, 1)).toBe(true)
  })

  test('is well', async () => {
    expect(await state.health()).toMatchObject({ status: 'ok' })
  })
})

test('two instances on one Redis count together, and two without do not', async () => {
  const open = () => redisState(redis.url, inProcessState(clock), silent)
  const [one, two, key] = [open(), open(), aKey()]
  expect([await one.count(key, 60), await two.count(key, 60)]).toEqual([1, 2])
  await Promise.all([one.close(), two.close()])
  const [three, four] = [inProcessState(clock), inProcessState(clock)]
  expect([await three.count(key, 60), await four.count(key, 60)]).toEqual([1, 1])
})

describe('when Redis', () => {
  let own: OwnRedis
  let state: SharedState
  const lines: string[] = []

  beforeAll(async () => {
    own = await startOwnRedis()
    state = redisState(
      own.url,
      inProcessState(clock),
      createLog('info', (line) => lines.push(line)),
    )
  })
  afterAll(async () => {
    await state.close()
    await own.stop()
  })

  test('may forget, health says so', async () => {
    const client = new Redis(own.url)
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru')
    expect(await state.health()).toEqual({
      status: 'degraded',
      detail: expect.stringMatching(/noeviction, not allkeys-lru/),
    })
    await client.config('SET', 'maxmemory-policy', 'noeviction')
    expect(await state.health()).toMatchObject({ status: 'ok' })
    client.disconnect()
  })

  test('has no answer, each of three instances takes a third of every limit, and of a limit of two one', async () => {
    const lost = redisState(`redis://127.0.0.1:${await freePort()}`, inProcessState(clock), silent, {
      instances: () => 3,
    })
    const group = `tenant ${aKey()}` as const
    const take = (key: string, limit: number) => lost.take(group, [{ key, span: 'minute', limit, cost: 1 }])
    const rooms = await Promise.all(Array.from({ length: 60 }, () => take('many', 100)))
    expect(rooms.filter(({ isAllowed }) => isAllowed)).toHaveLength(33)
    expect([(await take('few', 2)).isAllowed, (await take('few', 2)).isAllowed]).toEqual([true, false])
    await lost.close()
  })

  test('forgets its scripts, sliding windows go on as they were', async () => {
    const group = `tenant ${aKey()}` as const
    const take = () => state.take(group, [{ key: 'one', span: 'hour', limit: 5, cost: 1 }])
    expect(await take()).toMatchObject({ remaining: [4] })
    const client = new Redis(own.url)
    await client.script('FLUSH')
    client.disconnect()
    expect(await take()).toMatchObject({ remaining: [3] })
  })

  test('stalls, each instance counts for itself, without making anyone wait', async () => {
    const key = aKey()
    expect(await state.count(key, 600)).toBe(1)
    own.pause()
    const began = Date.now()
    expect([await state.count(key, 600), await state.count(key, 600)]).toEqual([1, 2])
    // Whoever comes once it is known to be lost waits not at all.
    await Promise.all(Array.from({ length: 100 }, () => state.count(aKey(), 600)))
    expect(Date.now() - began).toBeLessThan(1_000)
    expect(await state.health()).toMatchObject({ status: 'degraded' })
    own.resume()
  })

  test('is killed, counting goes on; once it is back, it counts again', async () => {
    const key = aKey()
    await own.kill()
    expect(await state.count(key, 600)).toBe(1)
    expect(lines.join('')).toEqual(expect.stringMatching(/Redis is lost/))
    await own.restart()
    await expect.poll(() => state.health(), { timeout: 20_000 }).toMatchObject({ status: 'ok' })
    const another = redisState(own.url, inProcessState(clock), silent)
    const [here, there] = [await state.count(key, 600), await another.count(key, 600)]
    expect(there).toBe(here + 1)
    await another.close()
  })
})
