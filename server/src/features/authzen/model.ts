import type { Decision } from '@agent-iam/contract/authorization'
import { ActionName, ResourceType } from '@agent-iam/contract/authorization'
import {
  EvaluationItem,
  EvaluationRequest,
  type EvaluationResponse,
  type EvaluationsSemantic,
} from '@agent-iam/contract/authzen'
import { platformResourceType } from '@agent-iam/contract/capabilities'
import { IdentityIdSchema, type IdentityId } from '@agent-iam/contract/ids'
import type { OpenObject } from '@agent-iam/contract/json'
import { problems } from '@agent-iam/contract/problems'
import { notFound, type Problem } from '../../platform/problem.ts'
import { read } from '../../platform/route.ts'
import { readResource, type AskedCheck } from '../authorization/service.ts'
import { nounOf, nouns } from '../identities/model.ts'
import { toRequestFacts, type CedarJson } from '../policies/model.ts'

interface Named {
  readonly type: string
  readonly id: string
}

/** What a caller tells of itself, in AuthZEN's four places. */
interface Told {
  readonly subject?: { readonly properties?: OpenObject | undefined } | undefined
  readonly action?: { readonly properties?: OpenObject | undefined } | undefined
  readonly resource?: { readonly properties?: OpenObject | undefined } | undefined
  readonly context?: OpenObject | undefined
}

/**
 * A question in the standard's words as a check. Throws `not-found` for a subject that no identity of ours can be, and
 * `invalid-request` for an action or resource that no policy could name.
 */
export function toCheck(request: EvaluationRequest): AskedCheck {
  return {
    identityId: requireSubject(request.subject),
    subjectToken: undefined,
    action: read(ActionName, request.action.name, 'action.name'),
    resource: readResource({ type: request.resource.type, id: request.resource.id }),
    ...toContext(request),
  }
}

export function requireSubject(subject: Named): IdentityId {
  const id = findSubject(subject)
  if (id === undefined) throw notFound(subject.type, subject.id)
  return id
}

/** The subject's own type, or `identity` for any. Undefined where the id is none of ours, or is of another kind. */
function findSubject({ type, id }: Named): IdentityId | undefined {
  const found = IdentityIdSchema.safeParse(id).data
  if (found === undefined || type === 'identity') return found
  return isKind(type) && nouns[type] === nounOf(found) ? found : undefined
}

export function isKind(type: string): type is keyof typeof nouns {
  return Object.hasOwn(nouns, type)
}

/** Whether a type can be one of the tenant's own: else no policy names it, and nothing of it is registered. */
export function isNameable(resourceType: string): boolean {
  return ResourceType.safeParse(resourceType).success && resourceType !== platformResourceType
}

/**
 * What is told of subject, action and resource stands in `context.request` under these names, beside the context: so it
 * never passes for what is known here. As it was sent, for the log, and in Cedar's words.
 */
export function toContext({ subject, action, resource, context = {} }: Told): {
  context: OpenObject
  facts: Readonly<Record<string, CedarJson>>
} {
  const told = { subject: subject?.properties, action: action?.properties, resource: resource?.properties }
  const given = Object.entries(told).flatMap(([name, value]) => (value ? [[name, value] as const] : []))
  const whole = { ...context, ...Object.fromEntries(given) }
  return { context: whole, facts: toRequestFacts(whole) }
}

/** One of several evaluations, as it was sent, with what the whole request says for all. */
export function readEvaluation(item: unknown, defaults: EvaluationItem): EvaluationRequest {
  return withDefaults(read(EvaluationItem, item, 'evaluation'), defaults)
}

/**
 * One of several evaluations with what the whole request says for all. What it names itself replaces the default whole,
 * but for a type, id or name that it leaves out.
 */
export function withDefaults(item: EvaluationItem, defaults: EvaluationItem): EvaluationRequest {
  const merged = {
    subject: entityOf(item.subject, defaults.subject),
    action: item.action && { ...pick(defaults.action, 'name'), ...item.action },
    resource: entityOf(item.resource, defaults.resource),
    context: item.context ?? defaults.context,
  }
  return read(EvaluationRequest, { ...merged, action: merged.action ?? defaults.action }, 'evaluation')
}

type PartOfEntity = NonNullable<EvaluationItem['subject']>

function entityOf(own: PartOfEntity | undefined, byDefault: PartOfEntity | undefined): PartOfEntity | undefined {
  if (own === undefined) return byDefault
  return { ...pick(byDefault, 'type'), ...pick(byDefault, 'id'), ...own }
}

function pick<Key extends string>(from: { readonly [key in Key]?: string | undefined } | undefined, key: Key): object {
  return from?.[key] === undefined ? {} : { [key]: from[key] }
}

/** Whether no further one is asked for after this answer. */
export function ends(semantic: EvaluationsSemantic, { decision }: EvaluationResponse): boolean {
  return semantic === 'execute_all' ? false : decision === (semantic === 'permit_on_first_permit')
}

export function toEvaluation(decision: Decision): EvaluationResponse {
  const { decisionId, reason, reasons, basis, chain, trustScore, riskLevel, trustBasis, record } = decision
  return {
    decision: decision.allowed,
    context: {
      id: decisionId,
      reason_user: { en: reason },
      reason_admin: { en: reasons.map(({ policyId, title }) => `${policyId}: ${title}`).join('; ') },
      reasons,
      basis,
      ...(chain && { chain }),
      trustScore,
      riskLevel,
      trustBasis,
      record,
    },
  }
}

/** What could not be decided is denied (Authorization API 1.0 §7.2.1). */
export function toDenial({ code, detail }: Problem): EvaluationResponse {
  return { decision: false, context: { error: { status: problems[code].status, message: detail, code } } }
}
