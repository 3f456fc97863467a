import { platformResourceType } from '@agent-iam/contract/capabilities'
import type { Operation } from '@agent-iam/contract/operation'
import type { Caller, Context } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { notNarrowed } from '../identities/model.ts'
import {
  derivedGuardId,
  derivedRefusals,
  isDerived,
  privateKeyGuardId,
  type Derived,
  type Presented,
} from '../policies/model.ts'
import type { Decider } from './decider.ts'
import { askForIdentity, type ActingIdentity, type Question } from './model.ts'
import { presentedBy } from './presented.ts'

/** Refuses an operation to a caller whose credential is derived, before anything is read or done for it. */
export type DerivedGuard = (ctx: Context, operation: Operation) => Promise<void>

/**
 * Asks the guard of derived credentials about an operation, so that it holds for those too that no permission is asked
 * for. The policy alone is asked: what the caller may do beside is decided by the operation itself.
 */
export function createDerivedGuard(decider: Decider): DerivedGuard {
  return async (ctx, operation) => {
    const action = actionOf(operation)
    const { caller } = ctx
    const presented = presentedBy(caller)
    if (caller.kind !== 'identity' || !presented.some(isDerived) || requireClassified(action).length === 0) return
    const request = askForIdentity(bareIdentity(caller), bareQuestion(ctx, action), {
      ...bareHop,
      actor: caller.identityId,
      presented,
    })
    const { reasons, fault } = await decider.evaluateSystem(caller.tenantId, request)
    const policyIds = reasons.map(({ policyId }) => policyId)
    if (fault) throw new Problem('unavailable', 'the policies could not be evaluated; try again', { policyIds })
    if (policyIds.includes(derivedGuardId)) throw derivedRefusal({ action, presented }, { policyIds: [derivedGuardId] })
  }
}

/** The action that an operation is classified by. */
export function actionOf({ id, action, selfAction }: Operation): string {
  if (action !== 'self') return action
  if (selfAction === undefined) throw new Error(`operation ${id} does not say what it does`)
  return selfAction
}

/** The kinds of derived credential that an action is refused. An action that nobody classified is a fault of ours. */
export function requireClassified(action: string): readonly Derived[] {
  const kinds = derivedRefusals(action)
  if (!kinds) throw new Error(`${action} is in no class of derived-credentials.ts`)
  return kinds
}

interface Guarded {
  readonly action: string
  readonly presented: readonly Presented[]
}

interface RefusalOptions {
  readonly policyIds: readonly string[]
  readonly cause?: unknown
}

/** The refusal where a guard of credentials is among the reasons; undefined where none is. */
export function guardRefusal(guarded: Guarded, options: RefusalOptions): Problem | undefined {
  const isRefused = requireClassified(guarded.action).some((kind) => guarded.presented.includes(kind))
  if (isRefused && options.policyIds.includes(derivedGuardId)) return derivedRefusal(guarded, options)
  // Where something else forbids it too, that is the reason to tell.
  if (!options.policyIds.every((id) => id === privateKeyGuardId)) return undefined
  const detail =
    'a private key that the server makes is returned only to an enrolment token or to a person’s login: make the key ' +
    'pair where it is used, and send publicKey'
  return new Problem('forbidden', detail, options)
}

/** What to do instead. */
const advice: Readonly<Record<Derived, string>> = {
  'api-key': 'an API key may not do this: log in as a person, or as a service or agent with its own secret or key',
  exchanged: 'a token that acts for another may not do this: log in as yourself',
  attenuated: 'a token that was attenuated may not do this: use the whole token',
  'attenuated-parent':
    'an identity that was made with an attenuated token may not do this: let who made it do it with a whole token',
}

function derivedRefusal({ action, presented }: Guarded, options: RefusalOptions): Problem {
  const kind = requireClassified(action).find((each) => presented.includes(each)) ?? 'attenuated'
  const isNarrower = kind === 'attenuated' || kind === 'attenuated-parent'
  return new Problem(isNarrower ? 'insufficient-scope' : 'forbidden', `${action}: ${advice[kind]}`, options)
}

/** The caller without rights: the guard reads none. */
function bareIdentity({ identityId: id }: Caller & { kind: 'identity' }): ActingIdentity {
  const kind = isId('user', id) ? 'user' : isId('service', id) ? 'service' : 'agent'
  return {
    id,
    kind,
    name: '',
    type: '',
    status: 'active',
    expiresAt: undefined,
    trust: kind === 'agent' ? { score: 1, basis: 'initial' } : undefined,
    owner: undefined,
    lent: notNarrowed,
    grants: [],
    roles: [],
  }
}

function bareQuestion({ caller, clock }: Context, action: string): Question {
  const { tenantId, address } = caller
  const resource = { type: platformResourceType, id: '' }
  return { tenantId, action, resource, resourceFacts: {}, request: {}, now: clock.now(), address }
}

const bareHop = { hop: 0, isChainWhole: true, scopes: [], isWithinBlocks: true, roles: [] }
