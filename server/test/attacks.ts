import { setTimeout as sleep } from 'node:timers/promises'

/** What a tenant that is not attacked measured. */
export interface Measured {
  readonly p99Ms: number
  /** Statuses of 400 and above: the tenant that is not attacked is refused nothing. */
  readonly failures: readonly number[]
}

/** Sends one request after the other for so long, and measures each. */
export async function measure(forMs: number, send: () => Promise<{ readonly status: number }>): Promise<Measured> {
  const waits: number[] = []
  const failures: number[] = []
  for (const endsAt = performance.now() + forMs; performance.now() < endsAt;) {
    const began = performance.now()
    const { status } = await send()
    waits.push(performance.now() - began)
    if (status >= 400) failures.push(status)
    // Sent without a pause, the measured requests alone would keep the process busy.
    await sleep(10)
  }
  return { p99Ms: percentile(waits, 0.99), failures }
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

/** The bound of the second tenant: three times the quiet time, or 50 ms where that is more. */
export function boundMs(quietMs: number): number {
  return Math.max(50, 3 * quietMs)
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0
}
