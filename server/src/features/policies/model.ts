import type { PolicyId } from '@agent-iam/contract/ids'
import type { PolicyStatus } from '@agent-iam/contract/policies'
import { Problem } from '../../platform/problem.ts'
import type { Effect } from './system-policies.ts'

/** A text that may be stored, and what is known of it. */
export interface PolicyText {
  readonly cedar: string
  readonly effect: Effect
  /** Its scope names neither principal, action nor resource. */
  readonly isUnscoped: boolean
}

/** What a policy said once; it never changes. */
export interface PolicyVersion extends PolicyText {
  readonly version: number
  readonly author: string
  readonly at: Date
  readonly comment: string
}

/** A Cedar policy of a tenant, with its latest text. */
export interface Policy extends PolicyText {
  readonly id: PolicyId
  readonly name: string
  readonly description: string
  readonly status: PolicyStatus
  /** The order in which reasons are told, the highest first. It decides nothing. */
  readonly priority: number
  /** The pack that brought it. */
  readonly pack: string | undefined
  readonly version: number
  /** The version that is in force; undefined unless the policy is active. */
  readonly activeVersion: number | undefined
  readonly revision: number
  readonly createdBy: string
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** What a change of a policy may say, beside its text. */
export interface PolicyHead {
  readonly name: string
  readonly description: string
  readonly priority: number
}

/** The policy with another head and text; the same text makes no version. */
export function revise(policy: Policy, head: Partial<PolicyHead>, text: PolicyText, at: Date): Policy {
  const version = text.cedar === policy.cedar ? policy.version : policy.version + 1
  return { ...policy, ...head, ...text, version, revision: policy.revision + 1, updatedAt: at }
}

/** Throws `wrong-state` when the latest version is in force already. */
export function activate(policy: Policy, at: Date): Policy {
  if (policy.activeVersion === policy.version)
    throw new Problem('wrong-state', `version ${policy.version} is in force already`)
  return { ...inForce(policy), revision: policy.revision + 1, updatedAt: at }
}

/** The policy with its latest version in force. */
export function inForce(policy: Policy): Policy {
  return { ...policy, status: 'active', activeVersion: policy.version }
}

/** Throws `wrong-state` unless it is in force. */
export function retire(policy: Policy, at: Date): Policy {
  if (policy.status !== 'active') throw new Problem('wrong-state', `the policy is ${policy.status}, not active`)
  return { ...policy, status: 'retired', activeVersion: undefined, revision: policy.revision + 1, updatedAt: at }
}

/** Most policies of a tenant that are in force: each is parsed once on every instance that serves it. */
export const policiesMax = 10_000

/** Most text in force together: what an instance holds for each tenant, and reads anew at each change. */
export const policyBytesMax = 4 * 1024 * 1024

/** Most policies in force without any scope: every decision must look at all of them. */
export const unscopedPoliciesMax = 50

/** Most policies of a tenant, drafts and retired ones too: twice what may be in force. */
export const documentsMax = 20_000

/** Versions kept of one policy, the one in force apart: more than anybody goes back. */
export const versionsKept = 200

/** Most text of all versions together: enough to write everything in force anew sixteen times. */
export const versionBytesMax = 64 * 1024 * 1024

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
export { derivedRefusals, isDerived, type Derived, type Presented } from './derived-credentials.ts'
export type { Spoken, SpokenPolicy } from './spoken.ts'
export { pathText, type ReadPath } from './syntax-paths.ts'
export { derivedGuardId, privateKeyGuardId } from './system-policies.ts'
export type { Verdict } from './verdict.ts'
export { readString } from './cedar-strings.ts'
export { toRequestFacts } from './request-facts.ts'
