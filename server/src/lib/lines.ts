/** A line that is full: whoever comes is turned away. */
export class LineFullError extends Error {
  override name = 'LineFullError'
}

/** Lets so many at once do their work for each key, so many more wait in order, and nobody wait for another key. */
export class Lines {
  readonly #atOnce: number
  readonly #waitingMax: number
  /** Of each key where somebody works, how many do, and who waits. */
  readonly #lines = new Map<string, { running: number; readonly waiting: Array<() => void> }>()

  constructor(atOnce: number, waitingMax: number) {
    this.#atOnce = atOnce
    this.#waitingMax = waitingMax
  }

  /** Throws `LineFullError` when too many wait already. */
  async take<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    await this.#enter(key)
    try {
      return await work()
    } finally {
      this.#leave(key)
    }
  }

  async #enter(key: string): Promise<void> {
    const line = this.#lines.get(key) ?? { running: 0, waiting: [] }
    this.#lines.set(key, line)
    if (line.running < this.#atOnce) line.running++
    else if (line.waiting.length >= this.#waitingMax) throw new LineFullError(`too many wait for ${key}`)
    else await new Promise<void>((resolve) => line.waiting.push(resolve))
  }

  /** A turn is handed on without being given up, so nobody slips in between. */
  #leave(key: string): void {
    const line = this.#lines.get(key)
    if (!line) return
    const next = line.waiting.shift()
    if (next) next()
    else if (--line.running === 0) this.#lines.delete(key)
  }
}
