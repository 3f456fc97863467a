import type { DecisionId, TenantId } from '@agent-iam/contract/ids'
import { Lines } from '../../lib/lines.ts'
import { asCaller, type Context, type Transaction } from '../../platform/context.ts'
import { recordAlone } from '../audit/service.ts'
import { PolicySets, type PolicyEngine, type PolicySet, type EngineFault } from '../policies/service.ts'
import type { CedarRequest, Spoken, Verdict } from '../policies/model.ts'
import { DefinitionsCache, type Definitions } from './definitions.ts'
import type { Facts, Question } from './model.ts'
import type { RecentFacts } from './recent-facts.ts'

/** What a tenant's decisions go by at one moment. */
export interface Rules {
  readonly policies: PolicySet
  readonly definitions: Definitions
}

/** An answer, with all that it rested on. */
export interface Answered {
  readonly decisionId: DecisionId
  readonly facts: Facts
  readonly question: Question
  readonly verdict: Verdict
  readonly rules: Rules
}

/** Costs next to nothing and never throws: the answer waits for it. */
export type Observer = (ctx: Context, answered: Answered) => void

/** Of one tenant, so that its quotas leave connections to others. They wait for its log in any case. */
const reservingAtOnce = 3
/** More waiting than this take longer than anybody waits for an answer. */
const reservingWaitingMax = 1_000

/** Puts questions to the engine with the tenant's rules of the moment, and keeps what went wrong in it for the log. */
export class Decider {
  readonly #engine: PolicyEngine
  readonly #sets = new PolicySets()
  readonly #definitions = new DefinitionsCache()
  /** What was read before, where that may be used. */
  readonly recent: RecentFacts | undefined
  /** Whoever reserves holds a connection while it waits for others who want the same quota. */
  readonly reserving = new Lines(reservingAtOnce, reservingWaitingMax)
  readonly #faults: EngineFault[]
  #observer: Observer = () => undefined

  /** `faults` is filled by the engine's listener. */
  constructor(
    engine: PolicyEngine,
    { recent, faults }: { readonly recent?: RecentFacts; readonly faults: EngineFault[] },
  ) {
    this.#engine = engine
    this.recent = recent
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

  /** From now on `observer` is told of every answer. */
  watch(observer: Observer): void {
    this.#observer = observer
  }

  tell(ctx: Context, answered: Answered): void {
    this.#observer(ctx, answered)
  }

  /** What each policy says of a request by itself, of so many. */
  async explain({ policies }: Rules, request: CedarRequest, most: number): Promise<Spoken> {
    return this.#engine.explain(policies, request, most)
  }

  async evaluate({ policies }: Rules, request: CedarRequest): Promise<Verdict> {
    return this.#engine.evaluate(policies, request)
  }

  /** Of the system's policies alone. */
  async evaluateSystem(tenantId: TenantId, request: CedarRequest): Promise<Verdict> {
    return this.#engine.evaluate({ tenantId, version: 'system', policies: [] }, request)
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
