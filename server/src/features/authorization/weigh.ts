import type { Transaction } from '../../platform/context.ts'
import type { Beat } from '../../platform/pulse.ts'
import { readResourceFacts } from '../resources/service.ts'
import { thresholdFor, type RegisteredResource } from '../resources/model.ts'
import { decideAlong, type ChainVerdict } from './chain.ts'
import type { Decider, Rules } from './decider.ts'
import type { Facts, Question } from './model.ts'

/** A question as it is asked in the end, what it is decided by, and the epoch of the oldest of that. */
export interface Prepared {
  readonly question: Question
  readonly epoch: number
  readonly changes: number
  readonly rules: Rules
  readonly registered: RegisteredResource | undefined
}

/** The same with its verdict. */
export interface Weighed extends Prepared {
  readonly verdict: ChainVerdict
}

interface Asked {
  readonly question: Question
  /** Others than those in force, to see what they would change. */
  readonly rules?: Rules
}

/** Reads what a question is decided by; the decision itself needs no transaction (`decideAlong`). */
export async function prepare(
  tx: Transaction,
  decider: Decider,
  facts: Facts,
  { question, rules }: Asked,
): Promise<Prepared> {
  const present = rules ?? (await decider.rulesFor(tx, facts))
  const { registered, epoch, changes } = await readRegistered(tx, present, question)
  const oldest = { epoch: Math.min(facts.epoch, epoch), changes: Math.min(facts.changes, changes) }
  return { question: completeQuestion(question, present, registered), ...oldest, rules: present, registered }
}

/**
 * Decides on facts that were just read, without recording anything or spending a quota. What takes long is done outside
 * the transaction, which is then run again (`OutsideTransaction`).
 */
export async function weigh(tx: Transaction, decider: Decider, facts: Facts, asked: Asked): Promise<Weighed> {
  const prepared = await prepare(tx, decider, facts, asked)
  const verdict = await decideAlong({ decider, rules: prepared.rules, ctx: tx }, facts, prepared.question)
  return { ...prepared, verdict }
}

/** Nothing is registered but of types that the tenant declares, so nobody is asked about others. */
export async function readRegistered(
  tx: Transaction,
  rules: Rules,
  { resource }: Question,
): Promise<{ registered: RegisteredResource | undefined } & Beat> {
  const isDeclared = rules.definitions.resources.types.has(resource.type)
  return isDeclared ? readResourceFacts(tx, resource) : { registered: undefined, epoch: Infinity, changes: Infinity }
}

/** The question with what the tenant tells of its resource, and of how far an agent must be trusted. */
export function completeQuestion(
  question: Question,
  { definitions }: Rules,
  registered: RegisteredResource | undefined,
): Question {
  const { types, thresholds } = definitions.resources
  const risk = types.get(question.resource.type)?.actions.get(question.action)
  return { ...question, registered, trustMin: thresholdFor(thresholds, registered?.labels ?? [], risk) }
}
