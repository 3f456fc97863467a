import { asCaller, type Context, type Transaction } from '../../platform/context.ts'
import { recordAlone } from '../audit/service.ts'
import type { PolicyEngine, PolicySets, EngineFault } from '../policies/service.ts'
import type { CedarRequest, Verdict } from '../policies/model.ts'

/** Puts questions to the engine with the tenant's policies of the moment, and keeps what went wrong in it for the log. */
export class Decider {
  readonly #engine: PolicyEngine
  readonly #sets: PolicySets
  readonly #faults: EngineFault[]

  /** `faults` is filled by the engine's listener. */
  constructor(engine: PolicyEngine, sets: PolicySets, faults: EngineFault[]) {
    this.#engine = engine
    this.#sets = sets
    this.#faults = faults
  }

  async decide(tx: Transaction, policiesVersion: number, request: CedarRequest): Promise<Verdict> {
    return this.#engine.evaluate(await this.#sets.get(tx, policiesVersion), request)
  }

  /**
   * Records the faults since the last time: somebody must look. Not inside a transaction, and not twice at once. One
   * that could not be recorded, and those after it, are kept for the next time.
   */
  async recordFaults(ctx: Context): Promise<void> {
    for (let [fault] = this.#faults; fault; [fault] = this.#faults) {
      const { tenantId, version, blame } = fault
      const there = asCaller(ctx, { kind: 'system', tenantId: tenantId, address: '' })
      await recordAlone(there, { type: 'policy-engine.faulted', data: { policiesVersion: version, blame } })
      this.#faults.shift()
    }
  }
}
