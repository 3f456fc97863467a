import { Redis } from 'ioredis'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import type { SharedState } from './shared-state.ts'
import type { Room, WindowLimit } from './sliding-window.ts'
import { argumentsOf, readRoom, slidingWindowDigest, slidingWindowScript } from './sliding-window-script.ts'

/** A Redis that does not answer within this is treated as lost: a request must not wait for what holds no truth. */
const commandTimeoutMs = 250
/** While it is lost, one request in this time asks it again; the others do not wait for it. */
const askAgainMs = 1_000

/** One step, so that two instances cannot both be first: count, and set the window's end with the first. */
const countScript = `
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count`

interface RedisStateOptions {
  /** How many instances are alive: while Redis is lost, each takes its share of every limit. */
  readonly instances?: () => number
  /** Instead of the clock of Redis, for tests that move time. */
  readonly clock?: Clock
}

/**
 * Shared state in Redis; while Redis is lost, in `fallback`, with a warning when it goes and a word when it is back.
 */
export function redisState(url: string, fallback: SharedState, log: Log, options: RedisStateOptions = {}): SharedState {
  const { instances = () => 1, clock } = options
  const redis = new Redis(url, {
    maxRetriesPerRequest: 1,
    enableAutoPipelining: true,
  })
  const reach = watch(redis, log)
  return {
    count: (key, windowSeconds) =>
      reach.ask(
        // The braces keep all keys of one tag on one node of a cluster.
        async () => Number(await redis.eval(countScript, 1, `agent-iam:{${key}}`, windowSeconds)),
        () => fallback.count(key, windowSeconds),
      ),
    take: (group, windows) =>
      reach.ask(
        () => takeInRedis(redis, group, windows, clock?.now().getTime()),
        () => fallback.take(group, shareOf(windows, instances())),
      ),
    isFirst: (key, quietSeconds) =>
      reach.ask(
        async () => (await redis.set(`agent-iam:{${key}}`, '1', 'EX', quietSeconds, 'GET')) === null,
        () => fallback.isFirst(key, quietSeconds),
      ),
    async health() {
      const health = await redisHealth(redis)
      if (health.isAnswering) reach.answered()
      return { status: health.status, detail: health.detail }
    },
    async close() {
      redis.disconnect()
      await fallback.close()
    },
  }
}

interface Reach {
  /** Asks Redis; meanwhile, while it is lost. */
  ask<Answer>(inRedis: () => Promise<Answer>, meanwhile: () => Promise<Answer>): Promise<Answer>
  /** It has answered. */
  answered(): void
}

/** Knows whether Redis is lost, and says so once each time. */
function watch(redis: Redis, log: Log): Reach {
  let lostAt: number | undefined
  const lost = (error: unknown) => {
    if (lostAt === undefined) log.warn({ error }, 'Redis is lost; each instance takes its share of every limit')
    lostAt = performance.now()
  }
  const answered = () => {
    if (lostAt !== undefined) log.info({}, 'Redis is back')
    lostAt = undefined
  }
  redis.on('error', lost)
  redis.on('ready', answered)
  return {
    answered,
    async ask(inRedis, meanwhile) {
      const now = performance.now()
      if (lostAt !== undefined && now - lostAt < askAgainMs) return meanwhile()
      // Whoever comes while this one waits need not wait too.
      if (lostAt !== undefined) lostAt = now
      try {
        const answer = await inTime(inRedis())
        answered()
        return answer
      } catch (error) {
        lost(error)
        return meanwhile()
      }
    },
  }
}

/** Rejects when there is no answer in time. One that lies there unread, because this process was busy, is not late. */
async function inTime<Answer>(answer: Promise<Answer>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // What has arrived is read between a timer and what is set to come at once after it.
    const late = () => setImmediate(() => reject(new Error(`Redis did not answer within ${commandTimeoutMs} ms`)))
    const timer = setTimeout(late, commandTimeoutMs)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** At least one each: nobody is shut out for good. */
function shareOf(windows: readonly WindowLimit[], instances: number): WindowLimit[] {
  return windows.map((window) => ({ ...window, limit: Math.max(1, Math.floor(window.limit / instances)) }))
}

async function takeInRedis(redis: Redis, group: string, windows: readonly WindowLimit[], nowMs = 0): Promise<Room> {
  const keys = windows.map(({ key, span }) => `agent-iam:{${group}}:${key}:${span}`)
  const given = [keys.length, ...keys, ...argumentsOf(windows, nowMs)] as const
  try {
    return readRoom(await redis.evalsha(slidingWindowDigest, ...given))
  } catch (error) {
    // Redis forgets scripts when it starts anew.
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return readRoom(await redis.eval(slidingWindowScript, ...given))
  }
}

async function redisHealth(redis: Redis): Promise<{ isAnswering: boolean; status: 'ok' | 'degraded'; detail: string }> {
  try {
    const policy = /maxmemory_policy:(\S+)/.exec(await inTime(redis.info('memory')))?.[1] ?? 'unknown'
    if (policy === 'noeviction') return { isAnswering: true, status: 'ok', detail: 'Redis' }
    const detail = `Redis must run with maxmemory-policy noeviction, not ${policy}`
    return { isAnswering: true, status: 'degraded', detail }
  } catch {
    const detail = 'Redis does not answer; each instance takes its share of every limit'
    return { isAnswering: false, status: 'degraded', detail }
  }
}
