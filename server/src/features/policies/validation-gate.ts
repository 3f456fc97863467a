import { Problem } from '../../platform/problem.ts'

/** Lets in so many at once, lets so many more wait in order, and refuses the rest. */
export class ValidationGate {
  readonly #insideMax: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []
  #inside = 0

  constructor(insideMax: number, waitingMax: number) {
    this.#insideMax = insideMax
    this.#waitingMax = waitingMax
  }

  async pass<T>(task: () => Promise<T>): Promise<T> {
    await this.#enter()
    try {
      return await task()
    } finally {
      this.#leave()
    }
  }

  async #enter(): Promise<void> {
    if (this.#inside < this.#insideMax) {
      this.#inside += 1
      return
    }
    if (this.#waiting.length >= this.#waitingMax)
      throw new Problem('unavailable', 'too many policies are being checked; try again in a few seconds')
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Hands the place to whoever waits longest, so that nobody can slip in between. */
  #leave(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#inside -= 1
  }
}
