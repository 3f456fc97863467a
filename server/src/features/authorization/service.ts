/**
 * Authorization: the one decider (DESIGN D5), for the questions of users and for the platform's own operations. Every
 * answer to a question is an event that is durable before it is sent, and no answer is recorded that a narrowing has
 * overtaken (DESIGN D13): it is decided again.
 */
import type { Decision, Explanation } from '@agent-iam/contract/authorization'
import type { DecisionId } from '@agent-iam/contract/ids'
import { actorOf, inTransaction, staleAttemptsMax, type Context, type EventRecord } from '../../platform/context.ts'
import { addSeconds } from '../../platform/clock.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { findDecision, recordEvent } from '../audit/service.ts'
import { requireSession } from '../sessions/service.ts'
import { basisText, capabilityPolicy } from './basis.ts'
import type { ChainVerdict } from './chain.ts'
import { decideAndRecord, type Decided } from './decide.ts'
import type { Decider } from './decider.ts'
import { explain } from './explain.ts'
import { coveringEntries, trustOf, type ActingIdentity, type Question, type Trust } from './model.ts'
import { findSubject, type Subject } from './asked-for.ts'
import type { AskedCheck } from './read-question.ts'
import { insertResult, readFacts } from './store.ts'

export { createAuthorizer } from './authorizer.ts'
export { createDerivedGuard, type DerivedGuard } from './derived-guard.ts'
export { decideAlong } from './chain.ts'
export { RecentFacts } from './recent-facts.ts'
export { Decider, type Answered, type Rules } from './decider.ts'
export { findSubject, readAskedFor } from './asked-for.ts'
export { answerEach, orRefusal, readCheck, type OnRefused } from './bulk.ts'
export { readResource, type AskedCheck } from './read-question.ts'
export { weigh } from './weigh.ts'
export { verifyBiscuit, type VerifiedBiscuit } from './verify-biscuit.ts'
export { readFacts }

/** Decides, records, answers. Asking for another agent needs the permission `agents:check`, and so on. */
export async function check(ctx: Context, decider: Decider, asked: AskedCheck): Promise<Decision> {
  return (await settle(ctx, decider, asked)).decision
}

/** The same, and how the decision came about, of so many policies. */
export async function checkExplained(
  ctx: Context,
  decider: Decider,
  asked: AskedCheck,
  most: number,
): Promise<Decision & { explanation: Explanation }> {
  const { decision, decided } = await settle(ctx, decider, asked)
  return { ...decision, explanation: await explain(ctx, decider, decided, most) }
}

async function settle(
  ctx: Context,
  decider: Decider,
  asked: AskedCheck,
): Promise<{ decision: Decision; decided: Decided }> {
  const decisionId = ctx.newId('decision')
  for (let present = ctx, attempt = 1; attempt <= staleAttemptsMax; attempt++) {
    const subject = await findSubject(present, asked)
    const recent = attempt === 1 ? await decider.recent?.find(present, subject, asked.resource) : undefined
    const { decided, record } = await decideAndRecord(present, decider, { asked, subject, decisionId }, recent)
    await decider.recordFaults(present)
    if (record) decider.tell(present, { ...decided, decisionId })
    if (record)
      return { decided, decision: toDecision(present, { ...decided, basis: subject.basis, decisionId, record }) }
    present = (await present.renewCaller?.()) ?? present
  }
  throw new Problem('unavailable', 'rights are changing too fast to decide; try again')
}

function toDecision(
  ctx: Context,
  {
    verdict,
    identity,
    question,
    chain,
    basis,
    decisionId,
    record,
  }: Decided & Pick<Subject, 'basis'> & { decisionId: DecisionId; record: EventRecord },
): Decision {
  const trust: Trust = trustOf(identity)
  return {
    allowed: verdict.decision === 'allow',
    decision: verdict.decision,
    reason: reasonText(verdict, identity, question),
    reasons: verdict.reasons.map((reason) => ({ ...reason })),
    ...(chain.length > 1 && { chain: [...chain], ...(verdict.deniedBy && { deniedBy: verdict.deniedBy }) }),
    ...trust,
    basis,
    requestId: ctx.requestId,
    decisionId,
    record,
  }
}

/** The first reason for a person to read; of a capability or role, which one it was. */
function reasonText({ reasons, deniedBy }: ChainVerdict, identity: ActingIdentity, question: Question): string {
  const [first] = reasons
  if (deniedBy && deniedBy.hop > 0)
    return `${first?.title ?? 'no reason'}, for ${deniedBy.identityId}, without whose right ${identity.id} has none`
  if (!first) return 'no reason'
  const [grant] = first.policyId === capabilityPolicy ? coveringEntries(identity.grants, question) : []
  return grant === undefined ? basisText(first) : `${first.title}: ${grant}`
}

/** How long after a decision its outcome may be told. */
const resultSeconds = 86_400

export interface Result {
  readonly outcome: 'success' | 'failure'
  readonly durationMs: number
  readonly error?: string | undefined
}

/** What became of an allowed action, told by who asked: an event that says whose word it is. */
export async function reportResult(ctx: Context, decisionId: DecisionId, result: Result): Promise<EventRecord> {
  const { identityId, sessionId } = requireSession(ctx.caller)
  const event = await inTransaction(ctx, async (tx) => {
    const { isSessionAlive, epoch } = await readFacts(tx, [], sessionId)
    if (!isSessionAlive) throw new Problem('token-revoked', 'the session has ended; log in again')
    tx.grounds.epoch = epoch
    const decision = await findDecision(tx, decisionId)
    if (decision?.actor !== actorOf(ctx.caller)) throw notFound('decisions', decisionId)
    if (decision.decision !== 'allow') throw new Problem('wrong-state', 'the action was denied, so it has no result')
    if (addSeconds(decision.at, resultSeconds) < tx.clock.now())
      throw new Problem('wrong-state', 'the decision is over a day old')
    if (!(await insertResult(tx, decisionId))) throw new Problem('wrong-state', 'the result was reported already')
    const { outcome, durationMs, error } = result
    return recordEvent(tx, {
      type: 'action.reported',
      action: decision.action,
      resource: decision.resource,
      decisionId,
      chain: [identityId, ...requireSession(ctx.caller).actors],
      data: { outcome, durationMs, reportedBy: identityId.startsWith('agt_') ? 'agent' : 'caller' },
      ...(error !== undefined && { personal: { subject: 'month', fields: { error } } }),
    })
  })
  if (!event.record) throw new Error('a committed event has a record')
  return event.record
}
