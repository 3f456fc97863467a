import { platformResourceType } from '@agent-iam/contract/capabilities'
import type { Authorizer, PlatformAction, ProtectedResource, Transaction } from '../../platform/context.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import type { CedarRequest, Verdict } from '../policies/model.ts'
import type { Decider } from './decider.ts'
import { askForEnrolmentToken, askForIdentity, platformResource, type Question } from './model.ts'
import { readFacts } from './store.ts'

/**
 * The platform's own operations, decided by the same engine as everybody's questions. What may not be done to a thing
 * that may not even be read is `not-found`: its existence is not told.
 */
export function createAuthorizer(decider: Decider): Authorizer {
  return async (tx, action, resource) => {
    const verdict = await decide(decider, tx, action, resource)
    if (verdict.decision === 'allow') {
      tx.grounds.policyIds.push(...verdict.reasons.map(({ policyId }) => policyId))
      return
    }
    throw await refusalOf(decider, tx, { action, resource, verdict })
  }
}

async function decide(
  decider: Decider,
  tx: Transaction,
  action: PlatformAction,
  resource: ProtectedResource,
): Promise<Verdict> {
  const { caller } = tx
  const question: Question = {
    tenantId: caller.tenantId,
    action,
    resource: platformResource(resource),
    resourceFacts: resource,
    request: {},
    now: tx.clock.now(),
    address: caller.address,
    scope: caller.kind === 'identity' ? caller.scope : undefined,
  }
  const { request, policiesVersion, epoch } = await askFor(tx, question)
  // The oldest epoch of several counts: the append is checked against it.
  tx.grounds.epoch ??= epoch
  return decider.decide(tx, policiesVersion, request)
}

async function askFor(
  tx: Transaction,
  question: Question,
): Promise<{ request: CedarRequest; policiesVersion: number; epoch: number }> {
  const { caller } = tx
  if (caller.kind === 'identity') {
    const { identity, isSessionAlive, ...facts } = await readFacts(tx, caller.identityId, caller.sessionId)
    if (!identity || !isSessionAlive) throw new Problem('token-revoked', 'the session has ended; log in again')
    return { request: askForIdentity(identity, question), ...facts }
  }
  if (caller.kind === 'enrolment-token') {
    // Of the facts only the epoch and the policies' version are wanted; no identity has a token's id.
    const facts = await readFacts(tx, `usr_${caller.enrolmentTokenId.slice(4)}`, undefined)
    return { request: askForEnrolmentToken(caller.enrolmentTokenId, question), ...facts }
  }
  throw new Problem('unauthenticated', 'log in first')
}

interface Refused {
  readonly action: PlatformAction
  readonly resource: ProtectedResource
  readonly verdict: Verdict
}

async function refusalOf(decider: Decider, tx: Transaction, { action, resource, verdict }: Refused): Promise<Problem> {
  const why = verdict.reasons.map(({ title }) => title).join('; ')
  const policyIds = verdict.reasons.map(({ policyId }) => policyId)
  const options = { cause: { reasons: verdict.reasons, errors: verdict.errors }, policyIds }
  if (await mayOutsideScope(decider, tx, action, resource)) return outOfScope(action, options)
  const read: PlatformAction = `${resource.type}:read`
  const isVisible =
    resource.id === undefined || (action !== read && (await decide(decider, tx, read, resource)).decision === 'allow')
  if (!isVisible) return notFound(resource.type, resource.id ?? '', options)
  return new Problem('forbidden', `${action} is not allowed to this caller: ${why}`, options)
}

/** Whether the identity may, though this session of its may not: then what is missing is told. */
async function mayOutsideScope(
  decider: Decider,
  tx: Transaction,
  action: PlatformAction,
  resource: ProtectedResource,
): Promise<boolean> {
  const { caller } = tx
  if (caller.kind !== 'identity' || caller.scope === undefined) return false
  const whole: Transaction = { ...tx, caller: { ...caller, scope: undefined } }
  return (await decide(decider, whole, action, resource)).decision === 'allow'
}

function outOfScope(action: PlatformAction, options: { cause: unknown; policyIds: string[] }): Problem {
  const entry = `${platformResourceType}/${action.replace(':', '*:')}`
  const detail = `the session’s scope lacks ${entry}; ask for a token that has it`
  return new Problem('insufficient-scope', detail, { ...options, scope: entry })
}
