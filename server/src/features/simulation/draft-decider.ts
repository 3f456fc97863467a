import { Decider } from '../authorization/service.ts'
import type { PolicyEngine } from '../policies/service.ts'

/**
 * Decides by drafts, in an engine of their own: what a draft does to it delays and quarantines nothing that is in force. It
 * is made when it is first needed, since it takes memory.
 */
export class DraftDecider {
  readonly #makeEngine: () => PolicyEngine
  #made: { readonly engine: PolicyEngine; readonly decider: Decider } | undefined

  constructor(makeEngine: () => PolicyEngine) {
    this.#makeEngine = makeEngine
  }

  get(): Decider {
    this.#made ??= this.#make()
    return this.#made.decider
  }

  #make() {
    const engine = this.#makeEngine()
    // Its faults are told in the answer; nobody else is concerned.
    return { engine, decider: new Decider(engine, { faults: [] }) }
  }

  async close(): Promise<void> {
    const made = this.#made
    this.#made = undefined
    await made?.engine.close()
  }
}
