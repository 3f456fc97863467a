import { Problem } from '../../platform/problem.ts'

/** Does so much at once of what is expensive, lets so much more wait in order, and turns the rest away. */
export class Turns {
  readonly #atOnce: number
  readonly #waitingMax: number
  readonly #waiting: Array<() => void> = []
  #running = 0

  constructor(atOnce: number, waitingMax: number) {
    this.#atOnce = atOnce
    this.#waitingMax = waitingMax
  }

  /** Throws `unavailable` when too many wait already. */
  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#atOnce) this.#running++
    else await this.#wait()
    try {
      return await work()
    } finally {
      // A turn is handed on without being given up, so nobody slips in between.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }

  async #wait(): Promise<void> {
    if (this.#waiting.length >= this.#waitingMax)
      throw new Problem('unavailable', 'too many passwords at once; try again in a second')
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}
