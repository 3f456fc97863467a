import type { Transaction } from '../../platform/context.ts'
import type { Beat } from '../../platform/pulse.ts'
import { readResourceFacts } from '../resources/service.ts'
import { thresholdFor, type RegisteredResource } from '../resources/model.ts'
import { decideAlong, type ChainVerdict } from './chain.ts'
import type { Decider, Rules } from './decider.ts'
import type { Facts, Question } from './model.ts'

/** A verdict, with the question as it was asked in the end, and the epoch of the oldest of what it rests on. */
export interface Weighed {
  readonly verdict: ChainVerdict
  readonly question: Question
  readonly epoch: number
  readonly changes: number
  readonly rules: Rules
  readonly registered: RegisteredResource | undefined
}

/**
 * Decides on facts that were just read, without recording anything or spending a quota.
 *
 * @param rules others than those in force, to see what they would change
 */
export async function weigh(
  tx: Transaction,
  decider: Decider,
  facts: Facts,
  { question, rules }: { readonly question: Question; readonly rules?: Rules },
): Promise<Weighed> {
  const present = rules ?? (await decider.rulesFor(tx, facts))
  const { registered, epoch, changes } = await readRegistered(tx, present, question)
  const complete = completeQuestion(question, present, registered)
  const verdict = await decideAlong({ decider, rules: present, ctx: tx }, facts, complete)
  const oldest = { epoch: Math.min(facts.epoch, epoch), changes: Math.min(facts.changes, changes) }
  return { verdict, question: complete, ...oldest, rules: present, registered }
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
