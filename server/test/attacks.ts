import { setTimeout as sleep } from 'node:timers/promises'

/** What a tenant that is not attacked measured. */
export interface Measured {
  readonly p99Ms: number
  /** Statuses of 500 and above. */
  readonly failures: readonly number[]
}

/** Sends one request after the other, and measures each. */
export async function measure(times: number, send: () => Promise<{ readonly status: number }>): Promise<Measured> {
  const waits: number[] = []
  const failures: number[] = []
  for (let time = 0; time < times; time++) {
    const began = performance.now()
    const { status } = await send()
    waits.push(performance.now() - began)
    if (status >= 500) failures.push(status)
    await sleep(2)
  }
  return { p99Ms: percentile(waits, 0.99), failures }
}

/** Every attacker sends again a moment after it got an answer, until it is stopped. */
export function attack(senders: ReadonlyArray<() => Promise<unknown>>, pauseMs: number): { stop(): Promise<void> } {
  const end = new AbortController()
  const all = senders.map(async (send) => {
    while (!end.signal.aborted) {
      await send()
      await sleep(pauseMs)
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
