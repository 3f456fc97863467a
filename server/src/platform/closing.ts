type Step = () => unknown

/** What was opened, to be closed in reverse order: all of it, whatever fails. (Node 22 has no AsyncDisposableStack.) */
export class Closing {
  readonly #steps: Step[] = []

  defer(step: Step): void {
    this.#steps.push(step)
  }

  /** Runs every step once; throws the first failure when all have been tried. */
  async close(): Promise<void> {
    const failures: unknown[] = []
    for (const step of this.#steps.splice(0).toReversed()) {
      try {
        await step()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  /** Runs work that opens things; should it fail, whatever it opened so far is closed before the failure is told. */
  static async whileOpening<Result>(work: (opened: Closing) => Promise<Result>): Promise<Result> {
    const opened = new Closing()
    try {
      return await work(opened)
    } catch (error) {
      // The first failure is the one to tell: those of closing follow from it.
      await opened.close().catch(() => undefined)
      throw error
    }
  }
}
