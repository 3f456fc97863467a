import type { Clock } from './clock.ts'

/** What instances share for speed. It holds no truth: losing it loses no decision, revocation or quota. */
export interface SharedState {
  /**
   * Counts one more of `key` in the current window of so many seconds, over all instances; returns the count.
   * The window is fixed: it begins with the first count.
   */
  count(key: string, windowSeconds: number): Promise<number>
  /** How it is: `ok`, or what is wrong. */
  health(): Promise<{ status: 'ok' | 'degraded'; detail: string }>
  close(): Promise<void>
}

/** More keys than this at once are an attack: the oldest are dropped, and count anew. */
const keysMax = 50_000

/** Shared state of one process alone. */
export function inProcessState(clock: Clock): SharedState {
  const windows = new Map<string, { count: number; endsAt: number }>()
  return {
    count(key, windowSeconds) {
      const now = clock.now().getTime()
      const found = windows.get(key)
      const current = found && found.endsAt > now ? found : { count: 0, endsAt: now + windowSeconds * 1000 }
      current.count++
      if (!found && windows.size >= keysMax) dropOldest(windows)
      windows.set(key, current)
      return Promise.resolve(current.count)
    },
    health: () => Promise.resolve({ status: 'ok', detail: 'in process' }),
    close: () => Promise.resolve(),
  }
}

function dropOldest(windows: Map<string, unknown>): void {
  const [oldest] = windows.keys()
  if (oldest !== undefined) windows.delete(oldest)
}
