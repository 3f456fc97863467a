import { check } from '@agent-iam/contract/authorization'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer } from '../test-api.ts'
import type { TestServer } from '../test-server.ts'

/** How often an attack is made; the median of the runs counts. */
export const runs = 5

/** What a tenant that is not attacked measured. */
export interface Measured {
  readonly p99Ms: number
  /** Statuses of 400 and above: the tenant that is not attacked is refused nothing. */
  readonly failures: readonly number[]
}

let tenants = 0

/** A tenant that nobody attacks, another each time. */
export function calmTenant(server: TestServer): ReturnType<TestServer['tenant']> {
  return server.tenant(`calm-${++tenants}`)
}

type Send = () => Promise<Pick<Answer, 'status'>>

/** Sends one request after the other for so long, and measures each. */
export function measure(forMs: number, send: Send): Promise<Measured> {
  const endsAt = performance.now() + forMs
  return measureWhile(() => performance.now() < endsAt, send)
}

/** A percentile of fewer requests says nothing. */
const requestsMin = 50

/** The same until an attack is over. */
async function measureDuring(attacked: Promise<unknown>, send: Send): Promise<Measured> {
  const state = { isOver: false }
  const over = attacked.finally(() => (state.isOver = true))
  let sent = 0
  const measured = await measureWhile(() => !state.isOver || sent++ < requestsMin, send)
  await over
  return measured
}

async function measureWhile(isGoingOn: () => boolean, send: Send): Promise<Measured> {
  const waits: number[] = []
  const failures: number[] = []
  while (isGoingOn()) {
    const began = performance.now()
    const { status } = await send()
    waits.push(performance.now() - began)
    if (status >= 400) failures.push(status)
    // Sent without a pause, the measured requests alone would keep the process busy.
    await sleep(2)
  }
  return { p99Ms: percentile(waits, 0.99), failures }
}

/**
 * Attacks again and again, each time after a quiet span.
 *
 * @param attackOnce resolves once the attack is over
 */
export async function measureRuns(
  send: Send,
  attackOnce: (run: number) => Promise<unknown>,
): Promise<{ quiet: Measured[]; attacked: Measured[] }> {
  await measure(quietSpanMs, send)
  const quiet: Measured[] = []
  const attacked: Measured[] = []
  for (let run = 0; run < runs; run++) {
    quiet.push(await measure(quietSpanMs, send))
    attacked.push(await measureDuring(attackOnce(run), send))
  }
  return { quiet, attacked }
}

const quietSpanMs = 800

/** A check as a tenant asks that has nothing to do with the attack. */
export function checkOf(server: TestServer, token: string): Send {
  return () =>
    server.api.raw(
      { method: check.method, url: check.path, payload: '{"action":"read","resource":"file/docs/a"}' },
      { token },
    )
}

/**
 * Every attacker sends again a moment after it got an answer, until it is stopped. They begin one after the other, spread over
 * one pause: all of them run in the process that is measured, and what as many ordinary requests cost is not the attack.
 */
export function attack(senders: ReadonlyArray<() => Promise<unknown>>, pauseMs: number): { stop(): Promise<void> } {
  const end = new AbortController()
  const pause = (ms: number) => sleep(ms, undefined, { signal: end.signal }).catch(() => undefined)
  const all = senders.map(async (send, place) => {
    await pause((place * pauseMs) / senders.length)
    while (!end.signal.aborted) {
      await send()
      await pause(pauseMs)
    }
  })
  return {
    async stop() {
      end.abort()
      await Promise.all(all)
    },
  }
}

interface Verdict {
  readonly quietMs: number
  readonly attackedMs: number
  /** Three times the quiet time, or 50 ms where that is more. */
  readonly boundMs: number
  readonly failures: readonly number[]
}

/** The medians of the runs. It prints them: they are what the test is for. */
export function judge(attackName: string, quiet: readonly Measured[], attacked: readonly Measured[]): Verdict {
  const [quietMs, attackedMs] = [p99Of(quiet), p99Of(attacked)]
  const failures = attacked.flatMap((each) => each.failures)
  process.stdout.write(
    `second tenant: ${attackName}: p99 ${quietMs.toFixed(1)} ms, attacked ${attackedMs.toFixed(1)} ms, ${failures.length} refused\n`,
  )
  return { quietMs, attackedMs, boundMs: Math.max(50, 3 * quietMs), failures }
}

function p99Of(measured: readonly Measured[]): number {
  return median(measured.map(({ p99Ms }) => p99Ms))
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0
}

/** The processor's time of the busiest turn of the event loop: other processes on the machine do not count. */
export function watchTurns(): () => number {
  let busiest = 0
  let before = cpuMs()
  const timer = setInterval(() => {
    const now = cpuMs()
    busiest = Math.max(busiest, now - before)
    before = now
  }, 1)
  return () => {
    clearInterval(timer)
    return busiest
  }
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
