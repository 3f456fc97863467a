import type { Clock } from '../src/platform/clock.ts'

/** Real time, moved by the test: nobody waits for an hour, and no two moments are forced to be one. */
export class TestClock implements Clock {
  #aheadMs = 0
  #advancedSeconds = 0
  #stillAt: number | undefined

  now(): Date {
    return new Date(this.#stillAt ?? Date.now() + this.#aheadMs)
  }

  advance(seconds: number): void {
    this.#aheadMs += seconds * 1000
    this.#advancedSeconds += seconds
  }

  /** How far the test has moved time on, for what has a clock of its own. */
  get advancedSeconds(): number {
    return this.#advancedSeconds
  }

  /** Time stands still meanwhile, and goes on from there: for what must not age, however busy the machine is. */
  async still<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#stillAt = this.now().getTime()
    try {
      return await work()
    } finally {
      this.#aheadMs = this.#stillAt - Date.now()
      this.#stillAt = undefined
    }
  }
}
