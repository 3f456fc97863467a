import type { DecisionId, IdentityId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type EventDraft, type EventRecord } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { notNarrowed } from '../identities/model.ts'
import { requireSession } from '../sessions/service.ts'
import { isOwn, readAskedFor, type Subject } from './asked-for.ts'
import { basisIds } from './basis.ts'
import { decideAlong, type ChainVerdict } from './chain.ts'
import type { Decider, Rules } from './decider.ts'
import { resourceText, trustOf, type ActingIdentity, type Facts, type Question } from './model.ts'
import { keepAsker, mayAskAgain } from './may-ask.ts'
import type { AskedCheck } from './read-question.ts'
import type { Grounds } from './recent-facts.ts'
import { reserve, type QuotaSpent } from './reservation.ts'
import { completeQuestion, prepare } from './weigh.ts'

/** A question on its way to an answer. */
export interface Asking {
  readonly asked: AskedCheck
  readonly subject: Subject
  readonly decisionId: DecisionId
}

export interface Decided {
  readonly epoch: number
  readonly verdict: ChainVerdict
  /** Who acts. */
  readonly identity: ActingIdentity
  /** All whose rights were asked for, from the root to who acts. */
  readonly chain: readonly IdentityId[]
  readonly question: Question
  readonly facts: Facts
  readonly rules: Rules
}

/** A decision, and where it lies in the log; nowhere, when a narrowing overtook it. */
export interface Settled {
  readonly decided: Decided
  readonly record: EventRecord | undefined
}

/**
 * Decides and records.
 *
 * @param grounds what was read before, where that will do: the log refuses what has been narrowed since
 */
export async function decideAndRecord(
  ctx: Context,
  decider: Decider,
  asking: Asking,
  grounds: Grounds | undefined,
): Promise<Settled> {
  const known = grounds && (await decideOn(ctx, decider, asking, grounds))
  const decided = known ?? (await decideOnce(ctx, decider, asking))
  if (isReserving(decided)) return decideReserving(ctx, decider, asking, decided.facts.root)
  const event = { ...decisionEvent(asking, decided), id: ctx.newId('event'), at: ctx.clock.now() }
  return { decided, record: await ctx.spine.commitAlone(ctx, event, decided.epoch) }
}

/**
 * All that the decision rests on is read in one transaction, the facts first, so that their epoch is the oldest. It is
 * decided after that transaction, since an evaluation may have to wait; the log refuses what was narrowed meanwhile.
 */
async function decideOnce(ctx: Context, decider: Decider, { asked, subject }: Asking): Promise<Decided> {
  const read = await inTransaction(ctx, async (tx) => {
    const facts = await readAskedFor(tx, subject)
    const prepared = await prepare(tx, decider, facts, { question: questionOf(tx, asked) })
    decider.recent?.keep(tx, { ...prepared, facts }, { subject, resource: asked.resource })
    if (!isOwn(tx, subject)) await keepAsker(tx, decider)
    // A caller that was looked up a moment before may have lost its session since.
    const epoch = Math.min(prepared.epoch, requireSession(tx.caller).asOf ?? Infinity)
    return { ...prepared, facts, epoch }
  })
  const { facts, rules, question } = read
  const verdict = await decideAlong({ decider, rules, ctx }, facts, question)
  return { ...read, verdict, identity: facts.identity, chain: chainOf(facts) }
}

/**
 * The session is the same, but the token may be narrower than that of whoever asked before. Undefined unless it is known as
 * well that the caller may ask: whoever may not is told by reading it all.
 */
async function decideOn(
  ctx: Context,
  decider: Decider,
  { asked, subject }: Asking,
  { facts: known, rules, registered, epoch }: Grounds,
): Promise<Decided | undefined> {
  if (!isOwn(ctx, subject) && !(await mayAskAgain(ctx, decider, known))) return undefined
  const facts = { ...known, lent: subject.lent ?? notNarrowed, presented: subject.presented }
  const question = completeQuestion(questionOf(ctx, asked), rules, registered)
  const verdict = await decideAlong({ decider, rules, ctx }, facts, question)
  return { epoch, verdict, question, facts, rules, identity: known.identity, chain: chainOf(known) }
}

function questionOf({ caller, clock }: Pick<Context, 'caller' | 'clock'>, asked: AskedCheck): Question {
  const { action, resource, facts: request } = asked
  const { tenantId, address } = caller
  return { tenantId, action, resource, request, resourceFacts: {}, now: clock.now(), address }
}

/** As it is told: from the root to who acts. */
function chainOf({ hops }: Facts): IdentityId[] {
  return hops.map(({ id }) => id).toReversed()
}

function isReserving({ verdict }: Decided): boolean {
  return verdict.used.some((held) => held.some(({ conditions }) => conditions?.quota))
}

/**
 * Decides anew when its turn has come, then takes from the quotas that the decision rests on and records it: both in one
 * transaction, or neither. Recorded nowhere when a narrowing came between.
 */
async function decideReserving(ctx: Context, decider: Decider, asking: Asking, root: string): Promise<Settled> {
  return decider.reserving.run({ tenantId: ctx.caller.tenantId, roots: [root] }, 0, async () => {
    // A caller that was looked up a moment before may be too old for the log, and would stay so however often this is run.
    const present = (await ctx.renewCaller?.()) ?? ctx
    const decided = await decideOnce(present, decider, asking)
    try {
      return await recordReserving(present, asking, decided)
    } catch (error) {
      if (error instanceof OvertakenError) return { decided, record: undefined }
      throw error
    }
  })
}

/** What was decided has been narrowed since: running the same transaction again would not help. */
class OvertakenError extends Error {}

async function recordReserving(ctx: Context, asking: Asking, decided: Decided): Promise<Settled> {
  let attempts = 0
  const { settled, event } = await inTransaction(ctx, async (tx) => {
    if (++attempts > 1) throw new OvertakenError()
    const { verdict, chain, epoch } = decided
    const spent = verdict.decision === 'allow' ? await reserve(tx, verdict.used) : undefined
    const after = spent ? { ...decided, verdict: quotaSpent(spent, chain) } : decided
    tx.grounds.epoch = epoch
    return { settled: after, event: recordEvent(tx, decisionEvent(asking, after)) }
  })
  return { decided: settled, record: event.record }
}

function quotaSpent({ hop, grantId, entry, until }: QuotaSpent, chain: readonly IdentityId[]): ChainVerdict {
  const identityId = chain.at(-1 - hop)
  if (!identityId) throw new Error(`nobody is at hop ${hop}`)
  const title = `The quota of ${entry} is spent until ${until.toISOString()}`
  const reason = { policyId: 'system:quota', title, effect: 'forbid' as const }
  const unmet = [{ source: 'grant' as const, id: grantId, title: entry, conditions: ['quota' as const] }]
  const reasons = [hop === 0 ? { ...reason, unmet } : reason]
  return { decision: 'deny', reasons, errors: [], deniedBy: { identityId, hop }, used: [] }
}

function decisionEvent({ asked, subject, decisionId }: Asking, { verdict, identity, chain }: Decided): EventDraft {
  const { trustScore, riskLevel } = trustOf(identity)
  const errors = verdict.errors.map(({ policyId }) => policyId)
  return {
    type: 'decision.made',
    action: asked.action,
    resource: resourceText(asked.resource),
    decision: verdict.decision,
    reasons: verdict.reasons.map(({ policyId }) => policyId),
    decisionId,
    chain: [...chain],
    data: {
      basis: subject.basis,
      trustScore,
      riskLevel,
      ...basisIds(verdict.reasons),
      ...(verdict.deniedBy && chain.length > 1 && { deniedBy: verdict.deniedBy.identityId }),
      ...(errors.length > 0 && { erringPolicies: errors }),
    },
    ...(Object.keys(asked.context).length > 0 && {
      personal: { subject: 'month', fields: { context: asked.context } },
      verbatim: ['context'],
    }),
  }
}
