import { redisState } from '../src/platform/redis-state.ts'
import { createLog } from '../src/platform/log.ts'
import { inProcessState, type SharedState } from '../src/platform/shared-state.ts'
import type { TestClock } from './test-clock.ts'
import type { TestDatabase } from './databases.ts'

/**
 * What instances share, as where they run: Redis beside PostgreSQL, the process beside PGlite. One Redis serves all tests,
 * so a database's keys bear its name; and since Redis has a clock of its own, also how far the test has moved time on.
 */
export function testState({ kind, name }: TestDatabase, clock: TestClock): SharedState {
  const url = process.env['TEST_REDIS_URL']
  if (kind === 'PGlite' || url === undefined) return inProcessState(clock)
  const redis = redisState(url, inProcessState(clock), createLog('silent'), { clock })
  const keyOf = (key: string, seconds: number) => `${name} ${Math.floor(clock.advancedSeconds / seconds)} ${key}`
  return {
    ...redis,
    count: (key, seconds) => redis.count(keyOf(key, seconds), seconds),
    isFirst: (key, seconds) => redis.isFirst(keyOf(key, seconds), seconds),
    take: (group, windows) => redis.take(`${group} ${name}`, windows),
  }
}
