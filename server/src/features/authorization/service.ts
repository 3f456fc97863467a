/**
 * Authorization: the one decider (DESIGN D5), for the questions of users and for the platform's own operations. Every
 * answer to a question is an event that is durable before it is sent, and no answer is recorded that a narrowing has
 * overtaken (DESIGN D13): it is decided again.
 */
import type { Decision } from '@agent-iam/contract/authorization'
import type { DecisionId, IdentityId } from '@agent-iam/contract/ids'
import { inTransaction, staleAttemptsMax, type Context, type EventRecord } from '../../platform/context.ts'
import { addSeconds } from '../../platform/clock.ts'
import { Problem } from '../../platform/problem.ts'
import { findDecision, recordEvent } from '../audit/service.ts'
import type { Verdict } from '../policies/model.ts'
import { callerOfAccessToken, requireSession } from '../sessions/service.ts'
import type { Decider } from './decider.ts'
import {
  askForIdentity,
  coveringEntries,
  resourceText,
  trustOf,
  type ActingIdentity,
  type Question,
  type Trust,
} from './model.ts'
import type { AskedCheck } from './read-question.ts'
import { insertResult, readFacts } from './store.ts'

export { createAuthorizer } from './authorizer.ts'
export { Decider } from './decider.ts'

/** Decides, records, answers. Asking for another agent needs the permission `agents:check`, and so on. */
export async function check(ctx: Context, decider: Decider, asked: AskedCheck): Promise<Decision> {
  const caller = requireSession(ctx.caller)
  const { identityId, basis } = await resolveSubject(ctx, asked, caller.identityId)
  const decisionId = ctx.newId('decision')
  for (let attempt = 1; attempt <= staleAttemptsMax; attempt++) {
    const decided = await decideOnce(ctx, decider, { asked, identityId })
    const record = await recordDecision(ctx, { asked, identityId, basis, decisionId, ...decided })
    await decider.recordFaults(ctx)
    if (record) return toDecision(ctx, { ...decided, basis, decisionId, record })
  }
  throw new Problem('unavailable', 'rights are changing too fast to decide; try again')
}

interface Subject {
  readonly identityId: IdentityId
  readonly basis: Decision['basis']
}

/** For whom is asked: the caller itself, the holder of a token presented to it, or an identity by its id. */
async function resolveSubject(ctx: Context, asked: AskedCheck, self: IdentityId): Promise<Subject> {
  const presented = asked.subjectToken && (await callerOfAccessToken(ctx, asked.subjectToken))
  if (presented && presented.tenantId !== ctx.caller.tenantId)
    throw new Problem('invalid-token', 'the presented token is of another issuer')
  const identityId = presented ? presented.identityId : (asked.identityId ?? self)
  if (identityId === self) return { identityId, basis: 'token' }
  await inTransaction(ctx, async (tx) => {
    const { identity } = await readFacts(tx, identityId, undefined)
    if (!identity) throw new Problem('not-found', `no identity ${identityId}`)
    const noun = `${identity.kind}s` as const
    await tx.authorize(`${noun}:check`, { type: noun, id: identityId })
  })
  return { identityId, basis: presented ? 'token' : 'identity' }
}

interface Decided {
  readonly epoch: number
  readonly verdict: Verdict
  readonly identity: ActingIdentity
  readonly question: Question
}

async function decideOnce(
  ctx: Context,
  decider: Decider,
  { asked, identityId }: { asked: AskedCheck; identityId: IdentityId },
): Promise<Decided> {
  const caller = requireSession(ctx.caller)
  const { action, resource, facts: request } = asked
  return inTransaction(ctx, async (tx) => {
    const { identity, isSessionAlive, epoch, policiesVersion } = await readFacts(tx, identityId, caller.sessionId)
    if (!isSessionAlive) throw new Problem('token-revoked', 'the session has ended; log in again')
    if (!identity) throw new Problem('not-found', `no identity ${identityId}`)
    const { tenantId, address } = ctx.caller
    const question = { tenantId, action, resource, request, resourceFacts: {}, now: ctx.clock.now(), address }
    const verdict = await decider.decide(tx, policiesVersion, askForIdentity(identity, question))
    return { epoch, verdict, identity, question }
  })
}

interface ToRecord extends Decided, Subject {
  readonly asked: AskedCheck
  readonly decisionId: DecisionId
}

async function recordDecision(ctx: Context, decided: ToRecord): Promise<EventRecord | undefined> {
  const { asked, identityId, basis, decisionId, epoch, verdict, identity } = decided
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
    chain: [identityId],
    data: { basis, trustScore, riskLevel, ...(errors.length > 0 && { erringPolicies: errors }) },
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
    ...trust,
    basis,
    requestId: ctx.requestId,
    decisionId,
    record,
  }
}

/** The first reason for a person to read; of a capability, which one it was. */
function reasonText({ reasons }: Verdict, identity: ActingIdentity, question: Question): string {
  const [first] = reasons
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
  const { identityId } = requireSession(ctx.caller)
  const event = await inTransaction(ctx, async (tx) => {
    const decision = await findDecision(tx, decisionId)
    if (decision?.actor !== identityId) throw new Problem('not-found', `no decision ${decisionId} that you asked for`)
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
      chain: [identityId],
      data: { outcome, durationMs, reportedBy: identityId.startsWith('agt_') ? 'agent' : 'caller' },
      ...(error !== undefined && { personal: { subject: 'month', fields: { error } } }),
    })
  })
  if (!event.record) throw new Error('a committed event has a record')
  return event.record
}
