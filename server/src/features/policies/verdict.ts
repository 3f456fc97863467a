import type { Response } from '@cedar-policy/cedar-wasm/nodejs'
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
 * Reads the library's answer, in which a policy is known by its place among `policies`.
 *
 * The library passes over a forbid that errs, and may allow; here such a forbid denies. It also passes over a permit that
 * errs, which grants nothing: that is kept.
 */
export function readVerdict({ decision, diagnostics }: Response, policies: readonly TenantPolicy[]): Verdict {
  const erring = diagnostics.errors.map(({ policyId, error }) => ({ policy: policyAt(policies, policyId), error }))
  const errors = erring.map(({ policy, error }) => ({ policyId: policy.id, message: error.message }))
  const applying = diagnostics.reason.map((place) => toReason(policyAt(policies, place)))
  const erringForbids = erring
    .filter(({ policy }) => policy.effect === 'forbid')
    .map(({ policy }) => toErringReason(policy))

  if (decision === 'allow' && erringForbids.length === 0) return { decision: 'allow', reasons: applying, errors }
  const denying = [...(decision === 'deny' ? applying : []), ...erringForbids]
  return { decision: 'deny', reasons: denying.length === 0 ? [defaultDeny] : denying, errors }
}

function toReason({ id, title, effect }: TenantPolicy): Reason {
  return { policyId: id, title, effect }
}

function toErringReason({ id, title }: TenantPolicy): Reason {
  return { policyId: id, title: `“${title}” could not be evaluated, and so forbids`, effect: 'forbid' }
}

function policyAt(policies: readonly TenantPolicy[], place: string): TenantPolicy {
  const policy = policies[Number(place)]
  if (!policy) throw new Error(`the library named a policy that is not in the set: ${place}`)
  return policy
}
