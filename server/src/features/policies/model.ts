import type { PolicyId } from '@agent-iam/contract/ids'
import type { Effect } from './system-policies.ts'

/** A Cedar policy of a tenant, in force from the moment that it is stored. */
export interface Policy {
  readonly id: PolicyId
  readonly name: string
  readonly description: string
  readonly effect: Effect
  readonly cedar: string
  /** Its scope names neither principal, action nor resource. */
  readonly isUnscoped: boolean
  readonly createdBy: string
  readonly createdAt: Date
}

/** Most policies of a tenant: each is parsed once on every instance that serves it. */
export const policiesMax = 10_000

/** Most text of a tenant's policies together: what an instance holds for each tenant, and reads anew at each change. */
export const policyBytesMax = 4 * 1024 * 1024

/** Most policies of a tenant without any scope: every decision must look at all of them. */
export const unscopedPoliciesMax = 50

export {
  datetime,
  decimal,
  ip,
  neverExpires,
  reference,
  uid,
  type CedarJson,
  type CedarRequest,
  type Entity,
  type EntityUid,
} from './cedar-json.ts'
export type { Verdict } from './verdict.ts'
export { toRequestFacts } from './request-facts.ts'
