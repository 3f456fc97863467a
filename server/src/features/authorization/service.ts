/**
 * Authorization: the one decider (DESIGN D5), for the questions of users and for the platform's own operations. Every
 * answer to a question is an event that is durable before it is sent, and no answer is recorded that a narrowing has
 * overtaken (DESIGN D13): it is decided again.
 */
import type { Decision } from '@agent-iam/contract/authorization'
import type { DecisionId, IdentityId, SessionId } from '@agent-iam/contract/ids'
import {
  actingOf,
  actorOf,
  inTransaction,
  staleAttemptsMax,
  type Context,
  type EventRecord,
  type Transaction,
} from '../../platform/context.ts'
import { addSeconds } from '../../platform/clock.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { findDecision, recordEvent } from '../audit/service.ts'
import { nounOf, notNarrowed, type Lent } from '../identities/model.ts'
import { callerOfToken } from '../biscuits/service.ts'
import { requireSession } from '../sessions/service.ts'
import type { ChainVerdict } from './chain.ts'
import type { Decider } from './decider.ts'
import {
  coveringEntries,
  resourceText,
  trustOf,
  type ActingIdentity,
  type Facts,
  type Question,
  type Trust,
} from './model.ts'
import type { AskedCheck } from './read-question.ts'
import { insertResult, readFacts } from './store.ts'
import { weigh } from './weigh.ts'

export { createAuthorizer } from './authorizer.ts'
export { Decider, type Rules } from './decider.ts'
export { weigh, type Weighed } from './weigh.ts'
export { readFacts }

/** Decides, records, answers. Asking for another agent needs the permission `agents:check`, and so on. */
export async function check(ctx: Context, decider: Decider, asked: AskedCheck): Promise<Decision> {
  const subject = await findSubject(ctx, asked)
  const decisionId = ctx.newId('decision')
  for (let attempt = 1; attempt <= staleAttemptsMax; attempt++) {
    const decided = await decideOnce(ctx, decider, { asked, subject })
    const record = await recordDecision(ctx, { asked, decisionId, ...subject, ...decided })
    await decider.recordFaults(ctx)
    if (record) return toDecision(ctx, { ...decided, basis: subject.basis, decisionId, record })
  }
  throw new Problem('unavailable', 'rights are changing too fast to decide; try again')
}

interface Subject {
  /** Whose rights are intersected, who acts first; the last is the one for whom is asked. */
  readonly acting: readonly IdentityId[]
  readonly identityId: IdentityId
  /** The session that must live for the decision: the subject's own where its token was presented, else the caller's. */
  readonly sessionId: SessionId
  readonly basis: Decision['basis']
  /** The narrowing of the token; undefined where only an id was named, whose session nobody showed. */
  readonly lent?: Lent
}

/** For whom is asked: the caller itself, the holder of a token presented to it, or an identity by its id. */
async function findSubject(ctx: Context, asked: AskedCheck): Promise<Subject> {
  const caller = requireSession(ctx.caller)
  if (asked.subjectToken !== undefined) return findPresented(ctx, asked.subjectToken)
  const { sessionId, identityId: self } = caller
  const { identityId = self } = asked
  if (identityId !== self) return { acting: [identityId], identityId, sessionId, basis: 'identity' }
  const lent = { scope: caller.scope, blocks: caller.attenuation }
  return { acting: actingOf(caller), identityId, sessionId, basis: 'token', lent }
}

/** A token that is not good is a fault of what was sent, not of the caller's own credentials: never 401. */
async function findPresented(ctx: Context, token: string): Promise<Subject> {
  const presented = await callerOfToken(ctx, token).catch((error: unknown) => {
    throw error instanceof Problem && error.code !== 'unavailable' ? notPresentable(error.detail, error) : error
  })
  if (presented.tenantId !== ctx.caller.tenantId) throw notPresentable('it is of another issuer')
  const { identityId, sessionId, scope, attenuation: blocks } = presented
  return { acting: actingOf(presented), identityId, sessionId, basis: 'token', lent: { scope, blocks } }
}

function notPresentable(why: string, cause?: unknown): Problem {
  const errors = [{ field: 'subjectToken', message: why }]
  return new Problem('invalid-request', `subjectToken: ${why}`, { errors, cause })
}

interface Decided {
  readonly epoch: number
  readonly verdict: ChainVerdict
  /** Who acts. */
  readonly identity: ActingIdentity
  /** All whose rights were asked for, from the root to who acts. */
  readonly chain: readonly IdentityId[]
  readonly question: Question
}

/** All that the decision rests on is read here, the facts first, so that their epoch is the oldest. */
async function decideOnce(
  ctx: Context,
  decider: Decider,
  { asked, subject }: { asked: AskedCheck; subject: Subject },
): Promise<Decided> {
  const { action, resource, facts: request } = asked
  return inTransaction(ctx, async (tx) => {
    const facts = await readFacts(tx, subject.acting, subject.sessionId)
    const [identity] = facts.hops
    if (!identity) throw notFound(nounOf(subject.identityId), subject.identityId)
    if (!facts.isSessionAlive) throw endedSession(ctx, subject)
    const isOwn = subject.basis === 'token' && subject.sessionId === requireSession(ctx.caller).sessionId
    if (!isOwn) await requireMayAskFor(tx, facts)
    const { tenantId, address } = ctx.caller
    const asking = { tenantId, action, resource, request, resourceFacts: {}, now: ctx.clock.now(), address }
    const lent = subject.lent ?? notNarrowed
    const { verdict, question, epoch } = await weigh(tx, decider, { ...facts, lent }, { question: asking })
    return { epoch, verdict, identity, question, chain: chainOf(facts) }
  })
}

/** As it is told: from the root to who acts. */
function chainOf({ hops }: Facts): IdentityId[] {
  return hops.map(({ id }) => id).toReversed()
}

function endedSession(ctx: Context, subject: Subject): Problem {
  if (requireSession(ctx.caller).sessionId !== subject.sessionId) return notPresentable('its session has ended')
  return new Problem('token-revoked', 'the session has ended; log in again')
}

/** Everyone may ask for itself. Whoever asks for another is authorised, which also sees that its own session lives. */
async function requireMayAskFor(tx: Transaction, { hops }: Facts): Promise<void> {
  const [identity, ...above] = hops
  if (!identity || identity.id === requireSession(tx.caller).identityId) return
  const { id, owner } = identity
  const noun = nounOf(id)
  const ancestors = above.map((each) => each.id)
  await tx.authorize(`${noun}:check`, { type: noun, id, identity: id, ancestors, ...(owner && { owner }) })
}

interface ToRecord extends Decided, Subject {
  readonly asked: AskedCheck
  readonly decisionId: DecisionId
}

async function recordDecision(ctx: Context, decided: ToRecord): Promise<EventRecord | undefined> {
  const { asked, basis, decisionId, epoch, verdict, identity, chain } = decided
  const { trustScore, riskLevel } = trustOf(identity)
  const errors = verdict.errors.map(({ policyId }) => policyId)
  const event = {
    type: 'decision.made' as const,
    id: ctx.newId('event'),
    at: ctx.clock.now(),
    action: asked.action,
    resource: resourceText(asked.resource),
    decision: verdict.decision,
    reasons: verdict.reasons.map(({ policyId }) => policyId),
    decisionId,
    chain: [...chain],
    data: {
      basis,
      trustScore,
      riskLevel,
      ...(verdict.deniedBy && chain.length > 1 && { deniedBy: verdict.deniedBy.identityId }),
      ...(errors.length > 0 && { erringPolicies: errors }),
    },
    ...(Object.keys(asked.context).length > 0 && {
      personal: { subject: 'month' as const, fields: { context: asked.context } },
    }),
  }
  return ctx.spine.commitAlone(ctx, event, epoch)
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

/** The first reason for a person to read; of a capability, which one it was. */
function reasonText({ reasons, deniedBy }: ChainVerdict, identity: ActingIdentity, question: Question): string {
  const [first] = reasons
  if (deniedBy && deniedBy.hop > 0)
    return `${first?.title ?? 'no reason'}, for ${deniedBy.identityId}, without whose right ${identity.id} has none`
  const [grant] = first?.policyId === 'system:capability' ? coveringEntries(identity.grants, question) : []
  return grant === undefined ? (first?.title ?? 'no reason') : `${first?.title}: ${grant}`
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
