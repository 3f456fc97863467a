import { parseGrant, platformResourceType, type GrantParts } from '@agent-iam/contract/capabilities'
import type { GrantConditions } from '@agent-iam/contract/conditions'
import type { AgentId, GrantId } from '@agent-iam/contract/ids'
import { memoized } from '../../lib/memoized.ts'

export { periodEnd, quotaLimits, type Period } from './quota.ts'

/** Entries that are taken apart once: each decision looks at all that are held, which are the same again and again. */
const entriesRemembered = 5_000
const partsOf = memoized(parseGrant, entriesRemembered)

/** A resource as a question names it; `id` is empty where the whole type is meant. */
export interface ResourceName {
  readonly type: string
  readonly id: string
}

export { conditionsHold, openConditions, unmetConditions } from './conditions.ts'

/** An entry that is held, by grant or by role, with the circumstances under which it counts; none: always. */
export interface Held {
  readonly entry: string
  /** Of what a quota is counted for; a role's permission has none. */
  readonly grantId?: GrantId
  /** The agent that granted it: it counts as far as that agent still has it. */
  readonly source?: AgentId
  readonly conditions?: GrantConditions
}

/** A role as it takes part in decisions. */
export interface RoleDefinition {
  /** A built-in role's name, or the id of a tenant's own. */
  readonly key: string
  readonly name: string
  readonly permissions: readonly Held[]
  /** Keys of the roles whose permissions it has too. */
  readonly inherits: readonly string[]
}

/**
 * The permissions of the built-in roles, written like capabilities. `agent-iam` is the platform itself: no `*` reaches
 * it, so that a role or capability holds power over the platform only where it says so.
 */
export const builtInRoles = {
  admin: ['*:*', 'agent-iam:*'],
  manager: ['*:*', 'agent-iam:read', 'agent-iam/agents*:*', 'agent-iam/enrolment-tokens*:*', 'agent-iam/identities*:*'],
  member: ['agent-iam/agents*:read', 'agent-iam/policies*:read'],
  viewer: ['agent-iam:read'],
  // Not the log, nor the outbox: who reads the links in that comes into anybody's account.
  operator: [
    'agent-iam/agents*:read',
    'agent-iam/agents*:suspend',
    'agent-iam/agents*:reactivate',
    'agent-iam/services*:read',
    'agent-iam/services*:suspend',
    'agent-iam/services*:reactivate',
    'agent-iam/sessions*:read',
    'agent-iam/sessions*:end',
    'agent-iam/signing-keys*:*',
    'agent-iam/limits*:*',
    'agent-iam/settings*:*',
    'agent-iam/tenant:read',
  ],
  auditor: ['agent-iam:read', 'agent-iam/decisions*:*', 'agent-iam/policies*:simulate'],
} as const satisfies Record<string, readonly string[]>

export type Role = keyof typeof builtInRoles

export function isRole(text: string): text is Role {
  return Object.hasOwn(builtInRoles, text)
}

export const builtInDefinitions: readonly RoleDefinition[] = Object.entries(builtInRoles).map(([name, entries]) => ({
  key: name,
  name,
  permissions: entries.map((entry) => ({ entry })),
  inherits: [],
}))

/** By their keys, made once for each list. */
const byKeyOf = new WeakMap<readonly RoleDefinition[], ReadonlyMap<string, RoleDefinition>>()

/** The roles of these keys and all that they inherit, each once. A key that nobody defines gives nothing. */
export function closureOf(keys: readonly string[], definitions: readonly RoleDefinition[]): RoleDefinition[] {
  if (keys.length === 0) return []
  const byKey = byKeyOf.get(definitions) ?? new Map(definitions.map((role) => [role.key, role]))
  byKeyOf.set(definitions, byKey)
  const reached = new Set(keys)
  for (const key of reached) for (const inherited of byKey.get(key)?.inherits ?? []) reached.add(inherited)
  return [...reached].flatMap((key) => byKey.get(key) ?? [])
}

/** Whether a grant covers an action on a resource. A label covers nothing. */
export function covers(entry: string, action: string, resource: ResourceName): boolean {
  const grant = partsOf(entry)
  if (!grant) return false
  return coversType(grant.type, resource.type) && coversId(grant.idPattern, resource.id) && coversAction(grant, action)
}

function coversType(type: string, wanted: string): boolean {
  return type === wanted || (type === '*' && wanted !== platformResourceType)
}

function coversId(pattern: string | undefined, id: string): boolean {
  if (pattern === undefined) return true
  return pattern.endsWith('*') ? id.startsWith(pattern.slice(0, -1)) : id === pattern
}

function coversAction(grant: GrantParts, action: string): boolean {
  return grant.action === '*' || grant.action === action
}

/**
 * Whether every right of one entry is a right of the other: what may be granted, delegated or enrolled. A label gives
 * no right, so it lies within everything.
 */
export function isWithin(entry: string, ceiling: string): boolean {
  const [inner, outer] = [partsOf(entry), partsOf(ceiling)]
  if (!inner) return true
  if (!outer) return false
  return (
    coversType(outer.type, inner.type) &&
    isPatternWithin(inner.idPattern, outer.idPattern) &&
    (outer.action === '*' || outer.action === inner.action)
  )
}

function isPatternWithin(inner: string | undefined, outer: string | undefined): boolean {
  if (outer === undefined) return true
  if (inner === undefined) return false
  return outer.endsWith('*') ? inner.startsWith(outer.slice(0, -1)) : inner === outer
}

/** What two sets of entries both give, written with as few entries as it takes. Labels give nothing. */
export function intersection(some: readonly string[], others: readonly string[]): string[] {
  const both = some.flatMap((one) => others.flatMap((other) => meet(one, other) ?? []))
  return [...new Set(both)].filter((entry, _, all) => !all.some((wider) => wider !== entry && isWithin(entry, wider)))
}

/** The one entry that says what two say both. */
function meet(one: string, other: string): string | undefined {
  const [a, b] = [partsOf(one), partsOf(other)]
  if (!a || !b) return undefined
  const [type, action] = [narrower(a.type, b.type), narrower(a.action, b.action)]
  const [pattern] = [a, b].filter((each, n) => isPatternWithin(each.idPattern, [b, a][n]?.idPattern))
  if (type === undefined || action === undefined || !pattern) return undefined
  if (!coversType(a.type, type) || !coversType(b.type, type)) return undefined
  return `${type}${pattern.idPattern === undefined ? '' : `/${pattern.idPattern}`}:${action}`
}

function narrower(one: string, other: string): string | undefined {
  if (one === '*' || one === other) return other
  return other === '*' ? one : undefined
}

/** The first entry that none of the ceiling's entries holds; undefined when all lie within. */
export function firstExcess(entries: readonly string[], ceiling: readonly string[]): string | undefined {
  return entries.find((entry) => !isLabel(entry) && !ceiling.some((outer) => isWithin(entry, outer)))
}

/** Labels are stored with the identity; grants are rows of their own. */
export function isLabel(entry: string): boolean {
  return partsOf(entry) === undefined
}
