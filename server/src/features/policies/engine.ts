import type { TenantId } from '@agent-iam/contract/ids'
import { isNestedDeeper } from '../../lib/nesting.ts'
import { addSeconds, type Clock } from '../../platform/clock.ts'
import type { CedarRequest } from './cedar-json.ts'
import { loadCedar, type Cedar } from './cedar-instance.ts'
import { contextDepthMax, restAfterTrapSeconds, slotsMax } from './policy-limits.ts'
import { Quarantine } from './quarantine.ts'
import { selectPolicies, systemSelection, withSystemPolicies } from './selection.ts'
import type { PolicySet, Selection, TenantPolicy } from './selection.ts'
import { Slots, type Slot } from './slots.ts'
import { faultVerdict, readVerdict, type Verdict } from './verdict.ts'

/** What went wrong inside the engine, and for whom to look. */
export interface EngineFault {
  readonly tenantId: TenantId
  readonly version: string
  /** `set`: it rests. `request`: only this one was denied. `instance`: the library itself was worn; the answer stands. */
  readonly blame: 'set' | 'request' | 'instance'
  readonly cause: unknown
}

interface EngineOptions {
  readonly clock: Clock
  readonly onFault?: (fault: EngineFault) => void
  /** Sets kept prepared at once. */
  readonly slots?: number
  readonly load?: () => Cedar
}

type Stage = 'prepare' | 'decide'
type Attempt =
  | { type: 'answered'; verdict: Verdict }
  | { type: 'refused'; stage: Stage; cause: unknown }
  | { type: 'trapped'; stage: Stage; cause: unknown }

/**
 * Decides by Cedar, in this thread. Every doubt is a deny.
 *
 * A trap leaves the library's instance unusable for everyone, so it is replaced before the next question; whoever caused it
 * is found by asking again, and nobody else notices.
 */
export class PolicyEngine {
  readonly #options: EngineOptions
  readonly #load: () => Cedar
  readonly #quarantine = new Quarantine()
  #cedar: Cedar | undefined
  #slots: Slots<readonly TenantPolicy[]>

  constructor(options: EngineOptions) {
    this.#options = options
    this.#load = options.load ?? loadCedar
    this.#cedar = this.#load()
    this.#slots = this.#emptySlots()
  }

  evaluate(set: PolicySet, request: CedarRequest): Verdict {
    const selection = selectPolicies(set, request)
    const usesSet = selection !== systemSelection
    if (usesSet && this.#quarantine.holds(set.tenantId, set.version, this.#options.clock.now())) return faultVerdict
    if (isNestedDeeper(request.context, contextDepthMax)) return this.#report(set, 'request', 'the context is too deep')

    const attempt = this.#attempt(selection, request)
    if (attempt.type === 'answered') return attempt.verdict
    return attempt.type === 'refused' ? this.#refuse(set, attempt) : this.#askAgain(set, selection, request)
  }

  /** Lets go of the library and all it prepared. */
  close(): void {
    this.#cedar = undefined
    this.#slots = this.#emptySlots()
  }

  /** A worn instance may trap at anything, so only what traps a fresh one is to blame. */
  #askAgain(set: PolicySet, selection: Selection, request: CedarRequest): Verdict {
    const second = this.#attempt(selection, request)
    if (second.type === 'refused') return this.#refuse(set, second)
    if (second.type === 'trapped') return this.#condemn(set, selection, request, second)

    this.#report(set, 'instance', 'the instance trapped, a fresh one answered')
    return second.verdict
  }

  /**
   * A set that cannot even be prepared rests until it changes. One that traps at a request rests for a while only, or one
   * odd request would stop its tenant for good. A request that traps the system's policies too is at fault by itself.
   */
  #condemn(
    set: PolicySet,
    selection: Selection,
    request: CedarRequest,
    trap: { stage: Stage; cause: unknown },
  ): Verdict {
    if (selection === systemSelection) return this.#report(set, 'request', trap.cause)
    if (trap.stage === 'prepare') {
      this.#quarantine.add(set.tenantId, set.version)
      return this.#report(set, 'set', trap.cause)
    }
    if (this.#attempt(systemSelection, request).type === 'trapped') return this.#report(set, 'request', trap.cause)

    this.#quarantine.add(set.tenantId, set.version, addSeconds(this.#options.clock.now(), restAfterTrapSeconds))
    return this.#report(set, 'set', trap.cause)
  }

  /** The library said no, and is well: an unreadable set stays unreadable, an unreadable request concerns no other. */
  #refuse(set: PolicySet, { stage, cause }: { stage: Stage; cause: unknown }): Verdict {
    if (stage === 'prepare') this.#quarantine.add(set.tenantId, set.version)
    return this.#report(set, stage === 'prepare' ? 'set' : 'request', cause)
  }

  #report({ tenantId, version }: PolicySet, blame: EngineFault['blame'], cause: unknown): Verdict {
    this.#options.onFault?.({ tenantId, version, blame, cause })
    return faultVerdict
  }

  #attempt(selection: Selection, request: CedarRequest): Attempt {
    let stage: Stage = 'prepare'
    try {
      const slot = this.#slots.find(selection.key, selection.version) ?? this.#prepare(selection)
      stage = 'decide'
      const answer = this.#instance().statefulIsAuthorized({ ...request, preparsedPolicySetId: slot.name })
      if (answer.type === 'failure') return { type: 'refused', stage, cause: answer.errors }
      return { type: 'answered', verdict: readVerdict(answer.response, slot.content) }
    } catch (cause) {
      if (cause instanceof UnreadableSet) return { type: 'refused', stage, cause: cause.cause }
      // Whatever is thrown out of the instance skipped its own clean-up: it is not to be used again.
      this.#replaceInstance()
      return { type: 'trapped', stage, cause }
    }
  }

  #prepare(selection: Selection): Slot<readonly TenantPolicy[]> {
    const policies = withSystemPolicies(selection)
    // Known to the library by their places: a tenant's own ids could collide with the system's, or be `__proto__`.
    const staticPolicies = Object.fromEntries(policies.map(({ cedar }, place) => [`${place}`, cedar]))
    return this.#slots.fill(selection.key, selection.version, (name) => {
      const answer = this.#instance().preparsePolicySet(name, { staticPolicies })
      if (answer.type === 'failure') throw new UnreadableSet(selection.key, { cause: answer.errors })
      return policies
    })
  }

  #instance(): Cedar {
    return (this.#cedar ??= this.#load())
  }

  #replaceInstance(): void {
    this.#cedar = this.#load()
    this.#slots = this.#emptySlots()
  }

  #emptySlots(): Slots<readonly TenantPolicy[]> {
    return new Slots(this.#options.slots ?? slotsMax)
  }
}

class UnreadableSet extends Error {}
