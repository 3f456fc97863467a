import { Redis } from 'ioredis'
import { startOwnRedis } from '../../server/test/redis.ts'
import { systemClock } from '../../server/src/platform/clock.ts'
import { createLog } from '../../server/src/platform/log.ts'
import { redisState } from '../../server/src/platform/redis-state.ts'
import { inProcessState, type SharedState } from '../../server/src/platform/shared-state.ts'
import type { WindowLimit } from '../../server/src/platform/sliding-window.ts'
import { printBudget } from './report.ts'
import { latenciesOf, type Latencies } from './validation.ts'

/** The look at all limits of a request: six windows, of its tenant, agent, role and type of resource. */
export interface LimitFigures {
  /** On Redis, one after the other: what a request waits for. */
  readonly redis: Latencies
  /** A bare PING of the same Redis, one after the other: what the way there and back takes. */
  readonly ping: Latencies
  /** On Redis, so many at once, pipelined as they come. */
  readonly redisAtOnce: Latencies
  readonly inProcess: Latencies
}

const budgetMs = 1
const inProcessBudgetMs = 0.01
const agents = 1000
const warmUp = 2000
const measured = 20_000
export const atOnce = 64
/** Of each agent so many in a minute: what is measured is refused in part. */
const perAgent = Math.floor((measured + warmUp) / agents / 2)

export async function measureLimits(): Promise<LimitFigures> {
  const server = await startOwnRedis()
  const open = () => redisState(server.url, inProcessState(systemClock), createLog('error'))
  const states = [open(), open(), inProcessState(systemClock)] as const
  try {
    const redis = await measure(states[0], 'one by one', 1)
    const ping = await measurePing(server.url)
    const redisAtOnce = await measure(states[1], 'at once', atOnce)
    return { redis, ping, redisAtOnce, inProcess: await measure(states[2], 'alone', 1) }
  } finally {
    for (const state of states) await state.close()
    await server.stop()
  }
}

export function printLimits({ redis, ping, redisAtOnce, inProcess }: LimitFigures): void {
  console.log(
    `\nLimits: six windows of a request each, ${measured} requests of ${agents} agents, part of them refused:\n`,
  )
  printBudget('P5 p99 ms, limits on Redis', redis.p99Ms, { below: budgetMs })
  console.log(`a bare PING of it: p50 ${ping.p50Ms.toFixed(3)} ms, p99 ${ping.p99Ms.toFixed(3)} ms`)
  printBudget('P5 p50 ms, limits in process', inProcess.p50Ms, { below: inProcessBudgetMs })
  console.log(
    `on Redis, ${atOnce} at once: p50 ${redisAtOnce.p50Ms.toFixed(3)} ms, p99 ${redisAtOnce.p99Ms.toFixed(3)} ms`,
  )
}

async function measurePing(url: string): Promise<Latencies> {
  const redis = new Redis(url)
  const latencies: number[] = []
  for (let asked = 0; asked < measured; asked++) {
    const began = performance.now()
    await redis.ping()
    latencies.push(performance.now() - began)
  }
  redis.disconnect()
  return latenciesOf(latencies)
}

async function measure(state: SharedState, name: string, concurrency: number): Promise<Latencies> {
  const latencies: number[] = []
  let asked = 0
  let allowed = 0
  const worker = async () => {
    while (asked < warmUp + measured) {
      const number = asked++
      const began = performance.now()
      const { isAllowed } = await state.take(`tenant ${name}`, windowsOf(number % agents))
      if (number >= warmUp) latencies.push(performance.now() - began)
      if (isAllowed) allowed++
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  // Limits that let everything through, or were never asked, are fast.
  if (allowed !== perAgent * agents) throw new Error(`${allowed} got through, not ${perAgent * agents}`)
  return latenciesOf(latencies)
}

function windowsOf(agent: number): WindowLimit[] {
  const far = 1_000_000_000
  return [
    { key: 'tenant', span: 'hour', limit: far, cost: 1 },
    { key: 'tenant', span: 'day', limit: far, cost: 1 },
    { key: `identity ${agent}`, span: 'minute', limit: perAgent, cost: 1 },
    { key: `identity ${agent}`, span: 'hour', limit: far, cost: 1 },
    { key: `role member ${agent}`, span: 'minute', limit: perAgent * 2, cost: 1 },
    { key: `resource-type ${agent % 10}`, span: 'hour', limit: far, cost: 1 },
  ]
}
