/** What the jobs of one tenant, or of one root, use. */
export interface Share {
  waiting: number
  waitingBytes: number
  running: number
  /** Milliseconds of work, which decay by half in each half-life. */
  usedMs: number
  /** The part of them by which jobs took longer than an honest job does. */
  excessMs: number
  /** When these two were true. */
  usedAt: number
}

/**
 * Beyond this number of shares, those used longest ago are forgotten. It bounds the memory of the server; a share that has
 * jobs is never forgotten.
 */
const idleSharesMax = 10_000
/** Less work than this is not worth remembering. */
const forgottenMs = 0.001

/** The shares of a queue by name, and what they used lately. */
export class FairShares {
  readonly #halfLifeMs: number
  readonly #nowMs: () => number
  /** The share that was used longest ago comes first. */
  readonly #shares = new Map<string, Share>()

  constructor(halfLifeMs: number, nowMs: () => number) {
    this.#halfLifeMs = halfLifeMs
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#shares.size
  }

  find(name: string): Share | undefined {
    return this.#shares.get(name)
  }

  /** The share to change. */
  touch(name: string): Share {
    const found = this.#shares.get(name)
    if (!found) this.#forget()
    const share = found ?? { waiting: 0, waitingBytes: 0, running: 0, usedMs: 0, excessMs: 0, usedAt: this.#nowMs() }
    this.#shares.delete(name)
    this.#shares.set(name, share)
    return share
  }

  /** Milliseconds of work that count against the share now. */
  usedMs(name: string): number {
    return this.#decayed(name, 'usedMs')
  }

  /** Milliseconds of excess that count against the share now. */
  excessMs(name: string): number {
    return this.#decayed(name, 'excessMs')
  }

  charge(name: string, work: Pick<Share, 'usedMs' | 'excessMs'>): void {
    const usedMs = this.usedMs(name) + work.usedMs
    const excessMs = this.excessMs(name) + work.excessMs
    Object.assign(this.touch(name), { usedMs, excessMs, usedAt: this.#nowMs() })
  }

  #decayed(name: string, what: 'usedMs' | 'excessMs'): number {
    const share = this.#shares.get(name)
    if (!share) return 0
    const left = share[what] * 2 ** (-Math.max(0, this.#nowMs() - share.usedAt) / this.#halfLifeMs)
    return left < forgottenMs ? 0 : left
  }

  /** Looks at a few of the oldest each time, so that no call takes long. */
  #forget(): void {
    const isFull = this.#shares.size >= idleSharesMax
    for (const name of firstOf(this.#shares.keys(), forgottenAtOnce)) {
      const share = this.#shares.get(name)
      if (!share || share.waiting > 0 || share.running > 0) continue
      if (isFull || this.usedMs(name) === 0) this.#shares.delete(name)
    }
  }
}

const forgottenAtOnce = 4

function firstOf<Item>(items: Iterable<Item>, count: number): Item[] {
  const first: Item[] = []
  for (const item of items) {
    if (first.length === count) break
    first.push(item)
  }
  return first
}
