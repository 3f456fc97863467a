import { asCaller, type Context, type Transaction } from '../../platform/context.ts'
import { recordAlone } from '../audit/service.ts'
import type { PolicyEngine, PolicySet, PolicySets, EngineFault } from '../policies/service.ts'
import type { CedarRequest, Verdict } from '../policies/model.ts'
import { DefinitionsCache, type Definitions } from './definitions.ts'
import type { Facts } from './model.ts'

/** What a tenant's decisions go by at one moment. */
export interface Rules {
  readonly policies: PolicySet
  readonly definitions: Definitions
}

/** Puts questions to the engine with the tenant's rules of the moment, and keeps what went wrong in it for the log. */
export class Decider {
  readonly #engine: PolicyEngine
  readonly #sets: PolicySets
  readonly #definitions = new DefinitionsCache()
  readonly #faults: EngineFault[]

  /** `faults` is filled by the engine's listener. */
  constructor(engine: PolicyEngine, sets: PolicySets, faults: EngineFault[]) {
    this.#engine = engine
    this.#sets = sets
    this.#faults = faults
  }

  /** The tenant's rules of the versions that were just read in this transaction. */
  async rulesFor(
    tx: Transaction,
    { policiesVersion, definitionsVersion }: Pick<Facts, 'policiesVersion' | 'definitionsVersion'>,
  ): Promise<Rules> {
    const policies = await this.#sets.get(tx, policiesVersion)
    return { policies, definitions: await this.#definitions.get(tx, definitionsVersion) }
  }

  async evaluate({ policies }: Rules, request: CedarRequest): Promise<Verdict> {
    return this.#engine.evaluate(policies, request)
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
