import type { Clock } from './clock.ts'

/** An answer that is fetched again when it is too old for the question, once, however many wait for it. */
export class KeptAnswer<Answer> {
  readonly #fetch: () => Promise<Answer>
  readonly #clock: Clock
  #kept: { readonly answer: Answer; readonly askedAt: number } | undefined
  #fetching: Promise<Answer> | undefined

  constructor(fetch: () => Promise<Answer>, clock: Clock) {
    this.#fetch = fetch
    this.#clock = clock
  }

  /** The answer, not older than that. */
  async get(secondsMax: number): Promise<Answer> {
    const age = this.#kept ? this.#now() - this.#kept.askedAt : Infinity
    // A clock that was set back makes no answer young.
    if (this.#kept && age >= 0 && age < secondsMax) return this.#kept.answer
    this.#fetching ??= this.#refetch()
    return this.#fetching
  }

  async #refetch(): Promise<Answer> {
    const askedAt = this.#now()
    try {
      const answer = await this.#fetch()
      this.#kept = { answer, askedAt }
      return answer
    } finally {
      this.#fetching = undefined
    }
  }

  #now(): number {
    return this.#clock.now().getTime() / 1000
  }
}
