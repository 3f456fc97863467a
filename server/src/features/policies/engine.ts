import type { TenantId } from '@agent-iam/contract/ids'
import { addSeconds, type Clock } from '../../platform/clock.ts'
import { OutsideTransaction } from '../../platform/outside-transaction.ts'
import { defaultSettings } from '../../platform/settings.ts'
import type { JobOwner } from '../../lib/fair-queue.ts'
import type { CedarRequest } from './cedar-json.ts'
import type { Cedar } from './cedar-instance.ts'
import { partsOfEffect, toSpoken, type Spoken } from './spoken.ts'
import { Evaluator, type Answer, type Outcome, type Stage } from './evaluator.ts'
import { LargeSets, type Overrun } from './large-sets.ts'
import type { PolicyFacts } from './policy-facts.ts'
import { PolicyIndexes } from './policy-indexes.ts'
import * as limits from './policy-limits.ts'
import { Quarantine } from './quarantine.ts'
import { unreadable } from './readable.ts'
import { isPlatformAction, selectPolicies, type PolicySet, type Selection } from './selection.ts'
import { estimateMicroseconds, largeParts, SmallParts } from './slice-parts.ts'
import { digestOf, makeSlice, type KnownPolicy, type PolicyIndex, type Slice } from './slices.ts'
import { systemPolicies, type Effect } from './system-policies.ts'
import { memoKey, VerdictMemo } from './verdict-memo.ts'
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
  readonly verdictsKept?: number
  /** What is estimated to take longer is evaluated in another thread. */
  readonly hereMicrosecondsMax?: number
  readonly load?: () => Cedar
}

/** What is evaluated, and in whose name. */
interface Case {
  readonly set: PolicySet
  /** Whom the evaluation counts against, should it have to wait. */
  readonly root: string
  readonly selection: Selection
  readonly slice: Slice
  readonly request: CedarRequest
}

type Failure = Exclude<Outcome<never>, { type: 'answered' }> | Overrun

/**
 * Decides by Cedar. Every doubt is a deny.
 *
 * Of a tenant's policies only those are evaluated whose scope lets the request through (`slices.ts`), in this thread as long as
 * they take no time to speak of, else in one for large sets. What was answered before is answered again without asking
 * (`verdict-memo.ts`). A trap leaves the library's instance unusable for everyone, so it is replaced before the next question;
 * whoever caused it is found by asking again, and nobody else notices.
 */
export class PolicyEngine {
  readonly #options: EngineOptions
  readonly #quarantine = new Quarantine()
  readonly #memo: VerdictMemo
  readonly #large = new LargeSets()
  readonly #indexes = new PolicyIndexes((set, texts) => this.#readTexts(set, texts))
  readonly #longReads = new OutsideTransaction<PolicyIndex | undefined>()
  readonly #longVerdicts = new OutsideTransaction<Verdict>()
  readonly #here: Evaluator
  readonly #system: readonly KnownPolicy[]
  readonly #systemSlice: Slice
  /** Without those that only the platform's own actions are in the scope of. */
  readonly #everyAction: readonly KnownPolicy[]
  readonly #everyActionSlice: Slice
  readonly #parts: SmallParts

  constructor(options: EngineOptions) {
    this.#options = options
    const { slots: slotsMax = limits.slotsMax, verdictsKept = defaultSettings.verdictsKept, load } = options
    this.#memo = new VerdictMemo(verdictsKept)
    this.#here = new Evaluator({ slotsMax, charactersMax: limits.preparedCharactersMax, load })
    this.#system = readSystemPolicies(this.#here)
    this.#systemSlice = makeSlice(this.#system)
    this.#everyAction = this.#system.filter(({ facts }) => !namesPlatformActionsOnly(facts))
    this.#everyActionSlice = makeSlice(this.#everyAction)
    this.#parts = new SmallParts(slotsMax)
  }

  /** How often a verdict was known already. */
  get memoCounts(): { readonly hits: number; readonly misses: number } {
    return this.#memo.counts
  }

  /**
   * @param root whom the evaluation counts against, should it have to wait for the thread for large sets. Inside a
   *   transaction that is run again after the wait (`OutsideTransaction`).
   */
  async evaluate(set: PolicySet, request: CedarRequest, root = 'nobody'): Promise<Verdict> {
    const selection = selectPolicies(set, request)
    if (selection !== 'none' && this.#quarantine.holds(set.tenantId, set.version, this.#options.clock.now()))
      return faultVerdict
    const why = unreadable(request)
    if (why !== undefined) return this.#report(set, 'request', why)
    const isOfPlatform = mayBeOfPlatform(request)
    const systemSlice = isOfPlatform ? this.#systemSlice : this.#everyActionSlice
    if (selection === 'none') return this.#judge({ set, root, selection, slice: systemSlice, request })

    const index = this.#indexes.find(set) ?? (await this.#index(set))
    if (!index) return faultVerdict
    const system = isOfPlatform ? this.#system : this.#everyAction
    const slice = index.slice(request, system, { onlyForbids: selection === 'forbids' })
    return this.#judge({ set, root, selection, slice, request })
  }

  /**
   * What each policy says of a request by itself: of those that can speak about it, the tenant's first, and of all only so
   * many. Of a set that rests nothing is asked.
   */
  async explain(
    set: PolicySet,
    request: CedarRequest,
    { most, root }: { readonly most: number; readonly root: string },
  ): Promise<Spoken> {
    const slice = await this.#explainable(set, request)
    const asked = { set, root, slice, request }
    const permit = await this.#hear(asked, 'permit')
    const forbid = await this.#hear(asked, 'forbid')
    const places = [...slice.policies.keys()]
    const told = [...places.slice(this.#system.length), ...places.slice(0, this.#system.length)].slice(0, most)
    return toSpoken(set, slice, { permit, forbid }, told)
  }

  async #explainable(set: PolicySet, request: CedarRequest): Promise<Slice> {
    const selection = selectPolicies(set, request)
    const rests = this.#quarantine.holds(set.tenantId, set.version, this.#options.clock.now())
    if (selection === 'none' || rests) return this.#systemSlice
    const index = this.#indexes.find(set) ?? (await this.#index(set))
    return index?.slice(request, this.#system, { onlyForbids: selection === 'forbids' }) ?? this.#systemSlice
  }

  /** What all of one effect say: asked apart, none is passed over because another one decides. */
  async #hear(asked: Omit<Case, 'selection'>, effect: Effect): Promise<Answer | undefined> {
    const { slice, request } = asked
    if (unreadable(request) !== undefined) return undefined
    const { system, own } = partsOfEffect(slice, effect, this.#system.length)
    const parts = own.places.length > 0 ? [system, own] : [system]
    const outcome = this.#isLong(asked)
      ? await this.#large.decide(ownerOf(asked), parts, request)
      : this.#here.decide(parts, request)
    return outcome.type === 'answered' ? outcome.answer : undefined
  }

  /** Lets go of the library and all it prepared. */
  async close(): Promise<void> {
    this.#here.close()
    await this.#large.close()
  }

  async #judge(asked: Case): Promise<Verdict> {
    const { set, slice, request } = asked
    const key = memoKey(set.tenantId, slice, request)
    const known = key === undefined ? undefined : this.#memo.find(key)
    if (known) return known

    const verdict = this.#isLong(asked)
      ? await this.#longVerdicts.run(longKey(asked), () => this.#ask(asked))
      : await this.#ask(asked)
    if (key !== undefined && !verdict.fault) this.#memo.keep(key, verdict)
    return verdict
  }

  async #ask(asked: Case): Promise<Verdict> {
    const outcome = await this.#attempt(asked)
    return outcome.type === 'answered' ? readVerdict(outcome.answer, asked.slice.policies) : this.#mend(asked, outcome)
  }

  async #attempt(asked: Case): Promise<Outcome<Answer> | Overrun> {
    const { slice, request } = asked
    if (this.#isLong(asked)) return this.#large.decide(ownerOf(asked), largeParts(slice), request)
    return this.#here.decide(
      this.#parts.of(slice, (key) => this.#here.holds(key)),
      request,
    )
  }

  #isLong({ slice, request }: Pick<Case, 'slice' | 'request'>): boolean {
    return estimateMicroseconds(slice, request) > (this.#options.hereMicrosecondsMax ?? limits.hereMicrosecondsMax)
  }

  async #mend(asked: Case, failure: Failure): Promise<Verdict> {
    const { set } = asked
    if (failure.type === 'trapped') return this.#askAgain(asked)
    if (failure.type !== 'overran') return this.#refuse(set, failure)
    this.#rest(set)
    return this.#report(set, 'set', failure.cause)
  }

  /** A worn instance may trap at anything, so only what traps a fresh one is to blame. */
  async #askAgain(asked: Case): Promise<Verdict> {
    const second = await this.#attempt(asked)
    if (second.type === 'trapped') return this.#condemn(asked, second)
    if (second.type !== 'answered') return this.#mend(asked, second)

    this.#report(asked.set, 'instance', 'the instance trapped, a fresh one answered')
    return readVerdict(second.answer, asked.slice.policies)
  }

  /**
   * A set that cannot even be prepared rests until it changes. One that traps at a request rests for a while only, or one
   * odd request would stop its tenant for good. A request that traps the system's policies too is at fault by itself.
   */
  async #condemn(asked: Case, { stage, cause }: { stage: Stage; cause: string }): Promise<Verdict> {
    const { set, selection, request } = asked
    if (selection === 'none') return this.#report(set, 'request', cause)
    if (stage === 'prepare') {
      this.#quarantine.add(set.tenantId, set.version)
      return this.#report(set, 'set', cause)
    }
    const alone = await this.#attempt({ ...asked, slice: this.#systemSlice, request })
    if (alone.type === 'trapped') return this.#report(set, 'request', cause)

    this.#rest(set)
    return this.#report(set, 'set', cause)
  }

  #rest(set: PolicySet): void {
    this.#quarantine.add(set.tenantId, set.version, addSeconds(this.#options.clock.now(), limits.restAfterTrapSeconds))
  }

  /** The library said no, and is well: an unreadable set stays unreadable, an unreadable request concerns no other. */
  #refuse(set: PolicySet, failure: Failure): Verdict {
    if (failure.type === 'wanting') throw new Error('policies were asked for that were given')
    const { stage, cause } = failure
    if (stage === 'prepare') this.#quarantine.add(set.tenantId, set.version)
    return this.#report(set, stage === 'prepare' ? 'set' : 'request', cause)
  }

  #report({ tenantId, version }: PolicySet, blame: EngineFault['blame'], cause: unknown): Verdict {
    this.#options.onFault?.({ tenantId, version, blame, cause })
    return faultVerdict
  }

  /** Undefined when the set cannot be read: it rests. A set of many policies is read in the thread for large sets. */
  async #index(set: PolicySet): Promise<PolicyIndex | undefined> {
    if (set.policies.length <= limits.readHereMax) return this.#readIndex(set)
    return this.#longReads.run(`${set.tenantId} ${set.version}`, () => this.#readIndex(set))
  }

  async #readIndex(set: PolicySet): Promise<PolicyIndex | undefined> {
    const first = await this.#indexes.make(set)
    // A worn instance may trap at anything.
    const outcome = first.type === 'trapped' ? await this.#indexes.make(set) : first
    if (outcome.type === 'answered') return outcome.answer
    if (outcome.type === 'wanting') throw new Error('reading wants nothing')

    // Of those who waited for it together, the first tells.
    if (this.#quarantine.holds(set.tenantId, set.version, this.#options.clock.now())) return undefined
    if (outcome.type === 'overran') this.#rest(set)
    else this.#quarantine.add(set.tenantId, set.version)
    this.#report(set, 'set', outcome.cause)
    return undefined
  }

  async #readTexts({ tenantId }: PolicySet, texts: readonly string[]) {
    // The set is its tenant's, whoever asks first.
    const owner = { tenantId, roots: [`policies of ${tenantId}`] }
    return texts.length > limits.readHereMax ? this.#large.read(owner, texts) : this.#here.read(texts)
  }
}

/** An action of the platform, or one that may lie below such: only action entities can say so. */
function mayBeOfPlatform({ action, entities }: CedarRequest): boolean {
  return isPlatformAction(action.id) || entities.some(({ uid }) => uid.type === action.type)
}

function namesPlatformActionsOnly({ scope: { actions } }: PolicyFacts): boolean {
  const nameOf = (key: string) => key.slice(key.indexOf('"') + 1)
  return actions !== undefined && [...actions.equals, ...actions.within].every((key) => isPlatformAction(nameOf(key)))
}

function ownerOf({ set, root }: Pick<Case, 'set' | 'root'>): JobOwner {
  return { tenantId: set.tenantId, roots: [root] }
}

/** The same at every attempt of a transaction: only the clock goes on. */
function longKey({ set, request }: Case): string {
  const { principal, action, resource, context, entities } = request
  const still = { ...context, now: undefined }
  return digestOf([set.tenantId, set.version, principal, action, resource, still, entities])
}

function readSystemPolicies(evaluator: Evaluator): KnownPolicy[] {
  const outcome = evaluator.read(systemPolicies.map(({ cedar }) => cedar))
  if (outcome.type !== 'answered') throw new Error('the system’s own policies cannot be read')
  return outcome.answer.flatMap((facts, place) => {
    const policy = systemPolicies[place]
    return policy ? [{ policy, digest: digestOf(policy.cedar), facts }] : []
  })
}
