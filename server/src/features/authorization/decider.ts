import type { DecisionId, TenantId } from '@agent-iam/contract/ids'
import { asCaller, type Context, type Transaction } from '../../platform/context.ts'
import { WorkQueue } from '../../platform/work-queue.ts'
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

/** A request, and whom the work that it makes counts against. */
export interface CedarAsked {
  readonly request: CedarRequest
  readonly root: string
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

/**
 * Decisions that take from quotas: each has a connection while it waits for others that want the same quota. The limits at
 * once leave connections to others; more waiting than this take longer than anybody waits for an answer.
 */
const reservingLimits = {
  jobs: 'decisions with quotas',
  atOnce: { total: 6, tenant: 3, root: 3 },
  waitingMax: { total: 2_000, tenant: 1_000, root: 1_000 },
  waitMsMax: 30_000,
  // A transaction waits for locks for five seconds at most.
  honestMs: 5_000,
  budgetMs: { tenant: 10_000, root: 10_000 },
  halfLifeMs: 10_000,
}

/** Puts questions to the engine with the tenant's rules of the moment, and keeps what went wrong in it for the log. */
export class Decider {
  readonly #engine: PolicyEngine
  readonly #sets = new PolicySets()
  readonly #definitions = new DefinitionsCache()
  /** What was read before, where that may be used. */
  readonly recent: RecentFacts | undefined
  readonly reserving = new WorkQueue(reservingLimits)
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
  async explain({ policies }: Rules, asked: CedarAsked, most: number): Promise<Spoken> {
    return this.#engine.explain(policies, asked.request, { most, root: asked.root })
  }

  async evaluate({ policies }: Rules, { request, root }: CedarAsked): Promise<Verdict> {
    return this.#engine.evaluate(policies, request, root)
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
