/**
 * Sliding windows as one process counts them. `sliding-window-script.ts` is the same in Redis; a test holds the two
 * together.
 *
 * The minute is exact: each use is kept with its time. Hours and days are counted in sixty sub-windows, of which the one
 * that is leaving counts whole until it has left: a use is forgotten up to a sixtieth of the window late and never early,
 * so the limit is never exceeded. Time that goes back stands still.
 */
export type Span = 'minute' | 'hour' | 'day'

export const spanMs: Readonly<Record<Span, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }

/** Sub-windows of an hour or a day. */
export const subWindows = 60
/** The sub-window that is leaving is kept beside them. */
export const slots = subWindows + 1

export interface WindowLimit {
  /** Unlike that of any other window of its group. */
  readonly key: string
  readonly span: Span
  readonly limit: number
  /** How much this use counts; 0 only looks. */
  readonly cost: number
}

/** How it stands with some windows after a use was counted in all of them, or in none. */
export interface Room {
  /** False when one of them had no room; then nothing was counted. */
  readonly isAllowed: boolean
  /** What is left of each, in the order of the windows. */
  readonly remaining: readonly number[]
  /** Which of them has least left; when nothing was counted, which has no room for longest. */
  readonly tightest: number
  /** Until the tightest has more left; when nothing was counted, until it has room. */
  readonly waitMs: number
}

/** A use brings one key at most for each of its windows. */
const sweptAtOnce = 2

/** The windows of many keys. Those used longest ago make room for others beyond `keysMax`, and count anew. */
export class SlidingWindows {
  readonly #keysMax: number
  /** In the order of their last use, so that those come first that may be empty. */
  readonly #counters: Readonly<Record<Span, Map<string, Counter>>> = {
    minute: new Map(),
    hour: new Map(),
    day: new Map(),
  }

  constructor(keysMax: number) {
    this.#keysMax = keysMax
  }

  /** How many keys are remembered. */
  get size(): number {
    return Object.values(this.#counters).reduce((sum, { size }) => sum + size, 0)
  }

  take(group: string, windows: readonly WindowLimit[], nowMs: number): Room {
    const pairs = windows.map((window) => ({ window, counter: this.#counterOf(group, window) }))
    for (const { counter } of pairs) counter.forget(nowMs)
    const full = pairs.filter(({ window, counter }) => counter.count + window.cost > window.limit)
    if (full.length === 0) for (const { window, counter } of pairs) counter.add(window.cost, nowMs)
    for (const { window } of pairs) this.#sweep(this.#counters[window.span], nowMs)
    return {
      isAllowed: full.length === 0,
      remaining: pairs.map(leftOf),
      ...(full.length === 0 ? leastOf(pairs, nowMs) : longestOf(pairs, full, nowMs)),
    }
  }

  #counterOf(group: string, { key: name, span }: WindowLimit): Counter {
    const key = `${group} ${name}`
    const counters = this.#counters[span]
    const counter = counters.get(key) ?? makeCounter(span)
    // The map keeps the order in which keys came; this one is the last used.
    counters.delete(key)
    counters.set(key, counter)
    return counter
  }

  /** Drops a few of those used longest ago that are empty by now, or beyond the most: more than come with a use. */
  #sweep(counters: Map<string, Counter>, nowMs: number): void {
    let left = sweptAtOnce
    for (const [key, counter] of counters) {
      counter.forget(nowMs)
      if (left-- === 0 || (counter.count > 0 && counters.size <= this.#keysMax)) return
      counters.delete(key)
    }
  }
}

interface Pair {
  readonly window: WindowLimit
  readonly counter: Counter
}

function leftOf({ window, counter }: Pair): number {
  return Math.max(0, window.limit - counter.count)
}

function leastOf(pairs: readonly Pair[], nowMs: number): Pick<Room, 'tightest' | 'waitMs'> {
  let tightest = 0
  for (const [index, pair] of pairs.entries()) {
    const least = pairs[tightest]
    if (least && leftOf(pair) < leftOf(least)) tightest = index
  }
  return { tightest, waitMs: pairs[tightest]?.counter.waitMs(1, nowMs) ?? 0 }
}

function longestOf(pairs: readonly Pair[], full: readonly Pair[], nowMs: number): Pick<Room, 'tightest' | 'waitMs'> {
  let [tightest, waitMs] = [0, -1]
  for (const pair of full) {
    const { window, counter } = pair
    const over = counter.count + window.cost - window.limit
    // What is more than the limit by itself never has room.
    const wait = window.cost > window.limit ? spanMs[window.span] : counter.waitMs(over, nowMs)
    if (wait > waitMs) [tightest, waitMs] = [pairs.indexOf(pair), wait]
  }
  return { tightest, waitMs }
}

interface Counter {
  readonly count: number
  /** Drops what has left the window. */
  forget(nowMs: number): void
  add(cost: number, nowMs: number): void
  /** Until so many of the oldest uses have left; 0 where there are none. */
  waitMs(uses: number, nowMs: number): number
}

function makeCounter(span: Span): Counter {
  return span === 'minute' ? new EachUse() : new SubWindows(spanMs[span] / subWindows)
}

/** Uses that have left are cut off once there are so many of them, and they are most. */
const cutAt = 64

/** Every use with its time, the oldest first. */
class EachUse implements Counter {
  #times: number[] = []
  /** Where those begin that still count. */
  #first = 0

  get count(): number {
    return this.#times.length - this.#first
  }

  forget(nowMs: number): void {
    const times = this.#times
    while (this.#first < times.length && (times[this.#first] ?? 0) <= nowMs - spanMs.minute) this.#first++
    if (this.#first < cutAt || this.#first * 2 < times.length) return
    this.#times = times.slice(this.#first)
    this.#first = 0
  }

  add(cost: number, nowMs: number): void {
    const at = Math.max(nowMs, this.#times.at(-1) ?? 0)
    for (let use = 0; use < cost; use++) this.#times.push(at)
  }

  waitMs(uses: number, nowMs: number): number {
    if (this.count === 0) return 0
    const last = this.#times[this.#first + Math.min(uses, this.count) - 1] ?? nowMs
    return last + spanMs.minute - nowMs
  }
}

/** How many in each of the present sub-window and the sixty before it. */
class SubWindows implements Counter {
  readonly #lengthMs: number
  readonly #counts = Array.from({ length: slots }, () => 0)
  /** The number of the present sub-window since the epoch. */
  #present = 0
  count = 0

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs
  }

  forget(nowMs: number): void {
    const present = Math.floor(nowMs / this.#lengthMs)
    const last = Math.min(present, this.#present + slots)
    for (let number = this.#present + 1; number <= last; number++) {
      this.count -= this.#counts[number % slots] ?? 0
      this.#counts[number % slots] = 0
    }
    this.#present = Math.max(present, this.#present)
  }

  add(cost: number): void {
    this.#counts[this.#present % slots] = (this.#counts[this.#present % slots] ?? 0) + cost
    this.count += cost
  }

  waitMs(uses: number, nowMs: number): number {
    let left = Math.min(uses, this.count)
    if (left <= 0) return 0
    for (let number = Math.max(0, this.#present - subWindows); number <= this.#present; number++) {
      left -= this.#counts[number % slots] ?? 0
      if (left <= 0) return (number + slots) * this.#lengthMs - nowMs
    }
    return 0
  }
}
