import type { Answer } from './evaluator.ts'
import type { TenantPolicy } from './selection.ts'
import { defaultDeny, engineFault, type Effect } from './system-policies.ts'

export interface Reason {
  readonly policyId: string
  readonly title: string
  readonly effect: Effect
}

/** An answer with its reasons. `errors` holds every policy that could not be evaluated, whatever came of it. */
export interface Verdict {
  readonly decision: 'allow' | 'deny'
  readonly reasons: readonly Reason[]
  readonly errors: readonly { readonly policyId: string; readonly message: string }[]
  /** The engine itself failed: the deny says nothing about the request. */
  readonly fault?: true
}

export const faultVerdict: Verdict = { decision: 'deny', reasons: [engineFault], errors: [], fault: true }

/**
 * Reads the library's answer, in which a policy is known by its place among `policies`. Reasons are told in their order.
 *
 * The library passes over a forbid that errs, and may allow; here such a forbid denies. It also passes over a permit that
 * errs, which grants nothing: that is kept.
 */
export function readVerdict({ decision, ...answer }: Answer, policies: readonly TenantPolicy[]): Verdict {
  const erring = answer.errors
    .toSorted((one, other) => one.place - other.place)
    .map(({ place, message }) => ({ policy: policyAt(policies, place), message }))
  const errors = erring.map(({ policy, message }) => ({ policyId: policy.id, message }))
  const places = answer.reasons.toSorted((one, other) => one - other)
  const applying = places.map((place) => toReason(policyAt(policies, place)))
  const erringForbids = erring
    .filter(({ policy }) => policy.effect === 'forbid')
    .map(({ policy }) => toErringReason(policy))

  if (decision === 'allow' && erringForbids.length === 0) return { decision: 'allow', reasons: applying, errors }
  const denying = [...(decision === 'deny' ? applying : []), ...erringForbids]
  return { decision: 'deny', reasons: denying.length === 0 ? [defaultDeny] : denying, errors }
}

/** One object for each policy, since verdicts are kept. */
const reasons = new WeakMap<TenantPolicy, Reason>()

function toReason(policy: TenantPolicy): Reason {
  const { id, title, effect } = policy
  const reason = reasons.get(policy) ?? { policyId: id, title, effect }
  reasons.set(policy, reason)
  return reason
}

function toErringReason({ id, title }: TenantPolicy): Reason {
  return { policyId: id, title: `“${title}” could not be evaluated, and so forbids`, effect: 'forbid' }
}

function policyAt(policies: readonly TenantPolicy[], place: number): TenantPolicy {
  const policy = policies[place]
  if (!policy) throw new Error(`the library named a policy that is not in the set: ${place}`)
  return policy
}
