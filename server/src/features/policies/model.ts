import type { PolicyId } from '@agent-iam/contract/ids'
import type { Effect } from './system-policies.ts'

/** A Cedar policy of a tenant, in force from the moment that it is stored. */
export interface Policy {
  readonly id: PolicyId
  readonly name: string
  readonly description: string
  readonly effect: Effect
  readonly cedar: string
  readonly createdBy: string
  readonly createdAt: Date
}

/** Most policies of a tenant: each is parsed once on every instance that serves it. */
export const policiesMax = 10_000

export {
  datetime,
  decimal,
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
