import type { Transaction } from '../../platform/context.ts'
import { CollectedNeeds } from '../../platform/outside-transaction.ts'
import type { Facts } from '../authorization/model.ts'
import { weigh, type AskedCheck, type Decider } from '../authorization/service.ts'
import type { Verdict } from '../policies/model.ts'
import type { Part } from './page-token.ts'

/** Most decisions for one page: some twenty milliseconds, in which one transaction is held. */
export const decidedMax = 50
/** Longest that a page is searched for; what has not been decided by then is for the next one. */
const pageMs = 250

/** What of a question is the same for all candidates. */
export type Asking = Pick<AskedCheck, 'action' | 'resource' | 'facts'>

export interface Page<Result> {
  readonly results: readonly Result[]
  /** How many were decided, be they among the results or not. */
  readonly decided: number
  /** What was decided last; undefined where nobody is left. */
  readonly position: string | undefined
}

interface Seeking<Candidate, Result> {
  /** In order; one more than are decided tells that others follow. */
  readonly candidates: readonly Candidate[]
  readonly positionOf: (candidate: Candidate) => string
  /** Undefined for what is not permitted. */
  readonly decide: (candidate: Candidate) => Promise<Result | undefined>
}

/** Decides candidates until the page is full, or has taken long enough. Nothing is a result that was not decided. */
export async function seek<Candidate, Result>(
  { clock }: Transaction,
  { limit, after }: Part,
  { candidates, positionOf, decide }: Seeking<Candidate, Result>,
): Promise<Page<Result>> {
  const results: Result[] = []
  const needs = new CollectedNeeds()
  const endsAt = clock.now().getTime() + pageMs
  let decided = 0
  let position = after ?? ''
  for (const candidate of candidates.slice(0, decidedMax)) {
    if (results.length >= limit || (decided > 0 && clock.now().getTime() > endsAt)) break
    const result = await needs.attempt(() => decide(candidate))
    if (result !== undefined) results.push(result)
    decided++
    position = positionOf(candidate)
  }
  needs.requireNone()
  return { results, decided, position: decided === candidates.length ? undefined : position }
}

/** The verdict, on which what is recorded with this transaction rests: a narrowing meanwhile has it all decided anew. */
export async function decideCandidate(
  tx: Transaction,
  decider: Decider,
  facts: Facts,
  { action, resource, facts: request }: Asking,
): Promise<Verdict> {
  const { tenantId, address } = tx.caller
  const question = { tenantId, action, resource, request, resourceFacts: {}, now: tx.clock.now(), address }
  const { verdict, epoch } = await weigh(tx, decider, facts, { question })
  tx.grounds.epoch = Math.min(tx.grounds.epoch ?? epoch, epoch)
  return verdict
}
