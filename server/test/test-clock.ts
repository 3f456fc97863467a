import type { Clock } from '../src/platform/clock.ts'

/** Real time, moved by the test: nobody waits for an hour, and no two moments are forced to be one. */
export class TestClock implements Clock {
  #aheadMs = 0

  now(): Date {
    return new Date(Date.now() + this.#aheadMs)
  }

  advance(seconds: number): void {
    this.#aheadMs += seconds * 1000
  }
}
