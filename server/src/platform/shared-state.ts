import type { Clock } from './clock.ts'
import { SlidingWindows, type Room, type WindowLimit } from './sliding-window.ts'

/** Whose windows are counted together, in one step. Strangers' are apart: they bring as many addresses as they like. */
export type WindowGroup = `tenant ${string}` | `address ${string}`

/** What instances share for speed. It holds no truth: losing it loses no decision, revocation or quota. */
export interface SharedState {
  /**
   * Counts one more of `key` in the current window of so many seconds, over all instances; returns the count.
   * The window is fixed: it begins with the first count.
   */
  count(key: string, windowSeconds: number): Promise<number>
  /**
   * Counts one use in all of some sliding windows of a group, or in none when one has no room. Over all instances,
   * exactly; while they cannot be asked, each takes its share of every limit.
   */
  take(group: WindowGroup, windows: readonly WindowLimit[]): Promise<Room>
  /** Whether this is the first of `key` after so many seconds without one, on any instance. */
  isFirst(key: string, quietSeconds: number): Promise<boolean>
  /** How it is: `ok`, or what is wrong. */
  health(): Promise<{ status: 'ok' | 'degraded'; detail: string }>
  close(): Promise<void>
}

/** More keys than this at once are an attack: the oldest are dropped, and count anew. */
const keysMax = 50_000

/** Shared state of one process alone. */
export function inProcessState(clock: Clock): SharedState {
  const windows = new Map<string, { count: number; endsAt: number }>()
  const bursts = new Map<string, number>()
  const sliding = { tenant: new SlidingWindows(keysMax), address: new SlidingWindows(keysMax) }
  const nowMs = () => clock.now().getTime()
  return {
    count(key, windowSeconds) {
      const now = nowMs()
      const found = windows.get(key)
      const current = found && found.endsAt > now ? found : { count: 0, endsAt: now + windowSeconds * 1000 }
      current.count++
      if (!found && windows.size >= keysMax) dropOldest(windows)
      windows.set(key, current)
      return Promise.resolve(current.count)
    },
    take: (group, some) =>
      Promise.resolve(sliding[group.startsWith('address ') ? 'address' : 'tenant'].take(group, some, nowMs())),
    isFirst(key, quietSeconds) {
      const endsAt = bursts.get(key)
      if (endsAt === undefined && bursts.size >= keysMax) dropOldest(bursts)
      bursts.set(key, nowMs() + quietSeconds * 1000)
      return Promise.resolve(endsAt === undefined || endsAt <= nowMs())
    },
    health: () => Promise.resolve({ status: 'ok', detail: 'in process' }),
    close: () => Promise.resolve(),
  }
}

function dropOldest(windows: Map<string, unknown>): void {
  const [oldest] = windows.keys()
  if (oldest !== undefined) windows.delete(oldest)
}
