import { Redis } from 'ioredis'
import type { Log } from './log.ts'
import type { SharedState } from './shared-state.ts'

/** A Redis that does not answer within this is treated as lost: a request must not wait for what holds no truth. */
const commandTimeoutMs = 250

/** One step, so that two instances cannot both be first: count, and set the window's end with the first. */
const countScript = `
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count`

/**
 * Shared state in Redis; while Redis is lost, in `fallback`, with a warning when it goes and a word when it is back.
 */
export function redisState(url: string, fallback: SharedState, log: Log): SharedState {
  const redis = new Redis(url, {
    commandTimeout: commandTimeoutMs,
    maxRetriesPerRequest: 1,
    enableAutoPipelining: true,
  })
  let isLost = false
  const lost = (error: unknown) => {
    if (!isLost) log.warn({ error }, 'Redis is lost; counting per instance until it is back')
    isLost = true
  }
  redis.on('error', lost)
  redis.on('ready', () => {
    if (isLost) log.info({}, 'Redis is back')
    isLost = false
  })
  return {
    async count(key, windowSeconds) {
      try {
        // The braces keep all keys of one tag on one node of a cluster.
        return Number(await redis.eval(countScript, 1, `agent-iam:{${key}}`, windowSeconds))
      } catch (error) {
        lost(error)
        return fallback.count(key, windowSeconds)
      }
    },
    health: () => redisHealth(redis),
    async close() {
      redis.disconnect()
      await fallback.close()
    },
  }
}

async function redisHealth(redis: Redis): Promise<{ status: 'ok' | 'degraded'; detail: string }> {
  try {
    const policy = /maxmemory_policy:(\S+)/.exec(await redis.info('memory'))?.[1] ?? 'unknown'
    if (policy === 'noeviction') return { status: 'ok', detail: 'Redis' }
    return { status: 'degraded', detail: `Redis must run with maxmemory-policy noeviction, not ${policy}` }
  } catch {
    return { status: 'degraded', detail: 'Redis does not answer; limits hold per instance' }
  }
}
