import { platformResourceType } from '@agent-iam/contract/capabilities'
import {
  actingOf,
  type Authorizer,
  type PlatformAction,
  type ProtectedResource,
  type Transaction,
} from '../../platform/context.ts'
import { CollectedNeeds } from '../../platform/outside-transaction.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import type { Verdict } from '../policies/model.ts'
import type { Decider } from './decider.ts'
import { guardRefusal, requireClassified } from './derived-guard.ts'
import { askForEnrolmentToken, platformResource, type Facts, type Question } from './model.ts'
import { presentedAlong, presentedBy } from './presented.ts'
import { readFacts } from './store.ts'
import { weigh } from './weigh.ts'

/**
 * The platform's own operations, decided by the same engine as everybody's questions. What may not be done to a thing
 * that may not even be read is `not-found`: its existence is not told.
 */
export function createAuthorizer(decider: Decider): Authorizer {
  return async (tx, action, resources) => {
    requireClassified(action)
    const facts = await readCaller(tx)
    for (const { resource, verdict } of await decideEach(decider, tx, facts, { action, resources })) {
      if (verdict.decision === 'deny') throw await refusalOf(decider, tx, { action, resource, facts, verdict })
      const fresh = verdict.reasons.map(({ policyId }) => policyId).filter((id) => !tx.grounds.policyIds.includes(id))
      tx.grounds.policyIds.push(...fresh)
    }
  }
}

interface Decided {
  readonly resource: ProtectedResource
  readonly verdict: Verdict
}

/** Up to the first that is denied. What the decisions need from outside the transaction is obtained together. */
async function decideEach(
  decider: Decider,
  tx: Transaction,
  facts: Facts,
  { action, resources }: { readonly action: PlatformAction; readonly resources: readonly ProtectedResource[] },
): Promise<readonly Decided[]> {
  const needs = new CollectedNeeds()
  const decided: Decided[] = []
  for (const resource of resources) {
    const verdict = await needs.attempt(() => decide(decider, tx, facts, { action, resource }))
    if (verdict) decided.push({ resource, verdict })
    if (verdict?.decision === 'deny') break
  }
  needs.requireNone()
  return decided
}

/** What is known of who asks; of a bearer of an enrolment token only the epoch and the versions of the rules are wanted. */
async function readCaller(tx: Transaction): Promise<Facts> {
  const { caller } = tx
  if (caller.kind !== 'identity' && caller.kind !== 'enrolment-token')
    throw new Problem('unauthenticated', 'log in first')
  const isIdentity = caller.kind === 'identity'
  const facts = await readFacts(tx, isIdentity ? actingOf(caller) : [], isIdentity ? caller.sessionId : undefined)
  if (isIdentity && (facts.hops.length === 0 || !facts.isSessionAlive))
    throw new Problem('token-revoked', 'the session has ended; log in again')
  // The oldest epoch of several counts: the append is checked against it.
  tx.grounds.epoch ??= facts.epoch
  return facts
}

interface Asked {
  readonly action: PlatformAction
  readonly resource: ProtectedResource
}

async function decide(decider: Decider, tx: Transaction, facts: Facts, { action, resource }: Asked): Promise<Verdict> {
  const { caller } = tx
  const question: Question = {
    tenantId: caller.tenantId,
    action,
    resource: platformResource(resource),
    resourceFacts: resource,
    request: {},
    now: tx.clock.now(),
    address: caller.address,
  }
  if (caller.kind === 'enrolment-token')
    return decider.evaluate(await decider.rulesFor(tx, facts), {
      request: askForEnrolmentToken(caller.enrolmentTokenId, question),
      root: caller.enrolmentTokenId,
    })
  // What was presented may be narrower than its session.
  const lent = caller.kind === 'identity' ? { scope: caller.scope, blocks: caller.attenuation } : facts.lent
  return (await weigh(tx, decider, { ...facts, lent, presented: presentedBy(caller) }, { question })).verdict
}

interface Refused extends Asked {
  readonly facts: Facts
  readonly verdict: Verdict
}

async function refusalOf(decider: Decider, tx: Transaction, refused: Refused): Promise<Problem> {
  const { action, resource, facts, verdict } = refused
  const why = verdict.reasons.map(({ title }) => title).join('; ')
  const policyIds = verdict.reasons.map(({ policyId }) => policyId)
  const options = { cause: { reasons: verdict.reasons, errors: verdict.errors }, policyIds }
  const guarded = guardRefusal(
    { action, presented: presentedAlong({ ...facts, presented: presentedBy(tx.caller) }) },
    options,
  )
  if (!guarded && (await mayOutsideScope(decider, tx, refused))) return outOfScope(action, options)
  const read: PlatformAction = `${resource.type}:read`
  const isVisible =
    resource.id === undefined ||
    (action !== read && (await decide(decider, tx, facts, { action: read, resource })).decision === 'allow')
  if (!isVisible) return notFound(resource.type, resource.id ?? '', options)
  return guarded ?? new Problem('forbidden', `${action} is not allowed to this caller: ${why}`, options)
}

/** Whether the identity may, though this session of its may not: then what is missing is told. */
async function mayOutsideScope(decider: Decider, tx: Transaction, { facts, ...asked }: Refused): Promise<boolean> {
  const { caller } = tx
  if (caller.kind !== 'identity' || (caller.scope ?? caller.attenuation) === undefined) return false
  const whole: Transaction = { ...tx, caller: { ...caller, scope: undefined, attenuation: undefined } }
  return (await decide(decider, whole, facts, asked)).decision === 'allow'
}

function outOfScope(action: PlatformAction, options: { cause: unknown; policyIds: string[] }): Problem {
  const entry = `${platformResourceType}/${action.replace(':', '*:')}`
  const detail = `the session’s scope lacks ${entry}; ask for a token that has it`
  return new Problem('insufficient-scope', detail, { ...options, scope: entry })
}
