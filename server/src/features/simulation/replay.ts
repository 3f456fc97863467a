import type { IdentityId } from '@agent-iam/contract/ids'
import type { NotExamined } from '@agent-iam/contract/simulation'
import type { Transaction } from '../../platform/context.ts'
import { toUuid } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import type { LoggedDecision } from '../audit/service.ts'
import type { Facts, Question } from '../authorization/model.ts'
import { readFacts, weigh, type Decider, type Rules } from '../authorization/service.ts'
import { notNarrowed } from '../identities/model.ts'
import { toRequestFacts, type Verdict } from '../policies/model.ts'
import { whyNotAgain } from './model.ts'
import type { Redraft } from './drafts.ts'
import { listParents } from './store/lineage.ts'

/** By whom the policies in force are asked, and by whom the drafts: what these do to their engine harms no live one. */
export interface Deciders {
  readonly live: Decider
  readonly draft: Decider
}

export interface Replayed {
  readonly logged: LoggedDecision
  readonly identityId: IdentityId
  readonly live: Verdict
  readonly would: Verdict
  /** What a policy or grant looks at, and the log does not keep. */
  readonly unknown: readonly Unknown[]
}

export type Outcome = { readonly replayed: Replayed } | { readonly notExamined: NotExamined }

const unknowns = ['address', 'presented'] as const
type Unknown = (typeof unknowns)[number]
const patternOf: Readonly<Record<Unknown, RegExp>> = { address: /\b(?:ip|address)\b/, presented: /\bpresented\b/ }

/** Decides recorded decisions again. Who acted, and by which policies, is read once for all of them. */
export class Replay {
  readonly #deciders: Deciders
  readonly #redraft: Redraft
  readonly #facts = new Map<string, Promise<Facts | undefined>>()
  #rules: { live: Rules; draft: Rules; unknown: readonly Unknown[] } | undefined

  constructor(deciders: Deciders, redraft: Redraft) {
    this.#deciders = deciders
    this.#redraft = redraft
  }

  async decide(tx: Transaction, logged: LoggedDecision): Promise<Outcome> {
    const why = whyNotAgain(logged)
    const request = logged.context && readRequest(logged.context)
    if (why) return { notExamined: why }
    if (!request) return { notExamined: 'context-gone' }
    const facts = await this.#factsOf(tx, logged.chain)
    const identityId = logged.chain.at(-1)
    if (!facts || identityId === undefined) return { notExamined: 'identity-gone' }
    const { live: liveRules, draft, unknown } = await this.#rulesFor(tx, facts)
    const question = questionOf(tx, logged, request)
    const live = await weigh(tx, this.#deciders.live, facts, { question, rules: liveRules })
    const would = await weigh(tx, this.#deciders.draft, facts, { question, rules: draft })
    if (live.verdict.fault || would.verdict.fault) return { notExamined: 'engine-fault' }
    const isConditioned = facts.hops.some(({ grants }) => grants.some(({ conditions }) => conditions?.addresses))
    return {
      replayed: {
        logged,
        identityId,
        live: live.verdict,
        would: would.verdict,
        unknown: isConditioned ? [...unknown, 'address'] : unknown,
      },
    }
  }

  /** As they are today, with no narrowing of the session: what is left of it was not denied by it. */
  async #factsOf(tx: Transaction, chain: readonly IdentityId[]): Promise<Facts | undefined> {
    const key = chain.join(' ')
    const known = this.#facts.get(key) ?? readFactsOf(tx, chain)
    this.#facts.set(key, known)
    return known
  }

  async #rulesFor(tx: Transaction, facts: Facts) {
    if (this.#rules) return this.#rules
    const live = await this.#deciders.live.rulesFor(tx, facts)
    const draft = { ...live, policies: this.#redraft(live.policies) }
    const texts = [...live.policies.policies, ...draft.policies.policies]
    const unknown = unknowns.filter((name) => texts.some(({ cedar }) => patternOf[name].test(cedar)))
    return (this.#rules = { live, draft, unknown })
  }
}

function questionOf(
  { caller: { tenantId } }: Transaction,
  { action, resource, at }: LoggedDecision,
  request: Question['request'],
): Question {
  const slash = resource.indexOf('/')
  const [type, id] = slash < 0 ? [resource, ''] : [resource.slice(0, slash), resource.slice(slash + 1)]
  return { tenantId, action, resource: { type, id }, resourceFacts: {}, request, now: at, address: '' }
}

async function readFactsOf(tx: Transaction, chain: readonly IdentityId[]): Promise<Facts | undefined> {
  const parents = await listParents(tx, chain)
  if (chain.some((id) => !parents.has(toUuid(id)))) return undefined
  const facts = await readFacts(tx, actingOf(chain, parents), undefined)
  return { ...facts, lent: notNarrowed }
}

/** Those of a chain with whom a walk to the root begins: who acts, and whoever is not the parent of the one before. */
function actingOf(chain: readonly IdentityId[], parents: ReadonlyMap<string, string | null>): IdentityId[] {
  const upwards = chain.toReversed()
  return upwards.filter((id, place) => {
    const before = upwards[place - 1]
    return before === undefined || parents.get(toUuid(before)) !== toUuid(id)
  })
}

/** Undefined for what could be sent once and is no context by now. */
function readRequest(context: NonNullable<LoggedDecision['context']>) {
  try {
    return toRequestFacts(context)
  } catch (error) {
    if (error instanceof Problem) return undefined
    throw error
  }
}
