import { loadCedar } from '../src/features/policies/cedar-instance.ts'
import type { CedarRequest } from '../src/features/policies/cedar-json.ts'
import { selectPolicies, type PolicySet, type Selection } from '../src/features/policies/selection.ts'
import { systemPolicies } from '../src/features/policies/system-policies.ts'

/** What the engine must say, in ids; undefined: it must deny by a fault. */
export interface PlainVerdict {
  readonly decision: 'allow' | 'deny'
  readonly reasons: readonly string[]
  readonly errors: readonly string[]
}

const cedar = loadCedar()
/** Which set is prepared for each selection. */
const prepared = new Map<Selection, PolicySet>()

/**
 * The reference of what the engine does cleverly: one plain call of the library with all policies and the whole request, and
 * a forbid that errs denies.
 */
export function plainVerdict(set: PolicySet, request: CedarRequest): PlainVerdict | undefined {
  const selection = selectPolicies(set, request)
  const own = set.policies.filter(
    ({ effect }) => selection === 'all' || (selection === 'forbids' && effect === 'forbid'),
  )
  const policies = [...systemPolicies, ...own]
  if (prepared.get(selection) !== set) {
    const staticPolicies = Object.fromEntries(policies.map((policy) => [policy.id, policy.cedar]))
    // A set that cannot be read leaves the last one in its place.
    if (cedar.preparsePolicySet(selection, { staticPolicies }).type === 'failure') return undefined
    prepared.set(selection, set)
  }
  const answer = cedar.statefulIsAuthorized({ ...request, preparsedPolicySetId: selection })
  if (answer.type === 'failure') return undefined

  const { decision, diagnostics } = answer.response
  const erring = new Map(diagnostics.errors.map(({ policyId, error }) => [policyId, error.message]))
  const errors = policies.flatMap(({ id }) => (erring.has(id) ? [`${id}: ${erring.get(id)}`] : []))
  const erringForbids = policies.filter(({ id, effect }) => effect === 'forbid' && erring.has(id)).map(({ id }) => id)
  if (decision === 'allow' && erringForbids.length === 0)
    return { decision, reasons: diagnostics.reason.toSorted(), errors }

  const denying = [...(decision === 'deny' ? diagnostics.reason : []), ...erringForbids]
  return { decision: 'deny', reasons: denying.length === 0 ? ['system:default-deny'] : denying.toSorted(), errors }
}
