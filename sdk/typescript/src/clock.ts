/** What tells the time; a test gives its own. */
export interface Clock {
  now(): Date
}

/** The machine's clock. */
// oxlint-disable-next-line house/ask-the-clock -- this is the clock
export const systemClock: Clock = { now: () => new Date() }
