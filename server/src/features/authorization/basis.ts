/**
 * What a verdict rests on besides policies: of an allow the roles, of a deny the permissions whose conditions were not met.
 * It is added to copies: the reasons of a verdict are cached, and belong to no request.
 */
import type { DecisionReason, UnmetPermission } from '@agent-iam/contract/authorization'
import { covers, unmetConditions, type Held, type RoleDefinition } from '../capabilities/model.ts'
import type { Verdict } from '../policies/model.ts'
import { verbOf, type ActingIdentity, type Question } from './model.ts'

type Reason = Verdict['reasons'][number]

/** The policy that permits what a grant or a role covers. */
export const capabilityPolicy = 'system:capability'
const defaultDeny = 'system:default-deny'

/** Most that are named: a person reads them, and an answer has a size. */
const namedMax = 10

/** The reasons of an allow, with the roles that cover what was asked. */
export function withRoles(reasons: readonly Reason[], roles: readonly RoleDefinition[]): readonly DecisionReason[] {
  if (roles.length === 0) return reasons
  const named = roles.slice(0, namedMax).map(({ key, name }) => ({ id: key, name }))
  return reasons.map((reason) => (reason.policyId === capabilityPolicy ? { ...reason, roles: named } : reason))
}

/** The reasons of a deny because nothing permits it, with what would permit it under other circumstances. */
export function withUnmet(
  reasons: readonly Reason[],
  { grants }: ActingIdentity,
  { question, roles }: { readonly question: Question; readonly roles: readonly RoleDefinition[] },
): readonly DecisionReason[] {
  if (reasons[0]?.policyId !== defaultDeny) return reasons
  const ofGrants = grants.flatMap((held) =>
    toUnmet(held, question, { source: 'grant', id: held.grantId, title: held.entry }),
  )
  const ofRoles = roles.flatMap(({ key, name, permissions }) =>
    permissions.flatMap((held) => toUnmet(held, question, { source: 'role', id: key, title: name })),
  )
  const unmet = [...ofGrants, ...ofRoles].slice(0, namedMax)
  return unmet.length === 0 ? reasons : reasons.map((reason) => ({ ...reason, unmet }))
}

function toUnmet(
  { entry, conditions }: Held,
  question: Question,
  { source, id, title }: { source: UnmetPermission['source']; id: string | undefined; title: string },
): UnmetPermission[] {
  if (!conditions || !covers(entry, verbOf(question.action), question.resource)) return []
  const unmet = unmetConditions(conditions, question)
  return unmet.length === 0 ? [] : [{ source, id: id ?? entry, title, conditions: unmet }]
}

const conditionWords: Record<UnmetPermission['conditions'][number], string> = {
  timeWindow: 'the time',
  addresses: 'the address',
  resourcePrefix: 'the resource',
  quota: 'the quota',
}

/** A reason for a person to read: which role permits it, or what covers it under other circumstances. */
export function basisText({ policyId, title, roles: [role] = [], unmet: [unmet] = [] }: DecisionReason): string {
  if (role) return `${title}: role “${role.name}”`
  // A spent quota says so itself.
  if (!unmet || policyId !== defaultDeny) return title
  const what = unmet.source === 'grant' ? `the grant ${unmet.title}` : `the role “${unmet.title}”`
  const conditions = unmet.conditions.map((condition) => conditionWords[condition]).join(' and ')
  return `${title}: ${what} covers it, but its condition on ${conditions} is not met`
}

/** What of this an event records: ids, no names. */
export function basisIds(reasons: readonly DecisionReason[]): { roles?: string[]; unmet?: string[] } {
  const roles = reasons.flatMap((reason) => reason.roles ?? []).map(({ id }) => id)
  const unmet = reasons.flatMap((reason) => reason.unmet ?? []).map(({ id }) => id)
  return { ...(roles.length > 0 && { roles }), ...(unmet.length > 0 && { unmet: [...new Set(unmet)] }) }
}
