import type { RiskLevel, TrustBasis, IdentityStatus } from '@agent-iam/contract/agents'
import { platformResourceType } from '@agent-iam/contract/capabilities'
import type { EnrolmentTokenId, IdentityId, TenantId } from '@agent-iam/contract/ids'
import type { ProtectedResource } from '../../platform/context.ts'
import { builtInRoles, covers, isRole, type ResourceName } from '../capabilities/model.ts'
import { riskLevelOf } from '../identities/model.ts'
import {
  datetime,
  decimal,
  neverExpires,
  reference,
  uid,
  type CedarJson,
  type CedarRequest,
  type Entity,
  type EntityUid,
} from '../policies/model.ts'

/** Who acts, with all that policies may ask of it. */
export interface ActingIdentity {
  readonly id: IdentityId
  readonly kind: 'user' | 'service' | 'agent'
  readonly name: string
  readonly type: string
  readonly status: IdentityStatus
  readonly expiresAt: Date | undefined
  /** Undefined for users and services: only agents have a trust score. */
  readonly trust: { readonly score: number; readonly basis: TrustBasis } | undefined
  readonly owner: IdentityId | undefined
  readonly grants: readonly string[]
  readonly roles: readonly string[]
}

/** What a decision rests on, read in one snapshot. */
export interface Facts {
  /** The epoch of the log that these facts belong to: a decision of an older one is not recorded (DESIGN D13). */
  readonly epoch: number
  readonly policiesVersion: number
  /** Undefined when the tenant has no such identity. */
  readonly identity: ActingIdentity | undefined
  /** Whether the caller's session lives and its own identity may act. */
  readonly isSessionAlive: boolean
  /** The entries that the session is narrowed to; undefined: not narrowed. */
  readonly scope: readonly string[] | undefined
}

/** What is asked of Cedar, still in the product's words. */
export interface Question {
  readonly tenantId: TenantId
  readonly action: string
  readonly resource: ResourceName
  readonly resourceFacts: Pick<ProtectedResource, 'owner' | 'identity'>
  /** What the caller tells of itself, in Cedar's words. */
  readonly request: Readonly<Record<string, CedarJson>>
  readonly now: Date
  readonly address: string
  /** The entries that the asking session is narrowed to; undefined: all that the identity holds. */
  readonly scope: readonly string[] | undefined
}

/** The question whether a platform action may be done: its resource is `agent-iam/‹noun›[/‹id›]`. */
export function platformResource({ type, id }: ProtectedResource): ResourceName {
  return { type: platformResourceType, id: id === undefined ? type : `${type}/${id}` }
}

const principalTypes = { user: 'User', service: 'Service', agent: 'Agent' } as const

/** Asks for an identity. */
export function askForIdentity(identity: ActingIdentity, question: Question): CedarRequest {
  const roles = identity.roles.filter(isRole)
  const grants = coveringEntries(identity.grants, question)
  const byRole = roles.map((role) => ({ role, entries: coveringEntries(builtInRoles[role], question) }))
  const principal: Entity = {
    uid: uid(principalTypes[identity.kind], identity.id),
    attrs: {
      ...principalAttributes(identity.id, question.tenantId, identity.expiresAt),
      status: identity.status,
      ...(identity.trust && {
        trustScore: decimal(identity.trust.score),
        type: identity.type,
        name: identity.name,
        owner: identity.owner ?? '',
      }),
    },
    parents: [...grants.map(permission), ...roles.map((role) => uid('Role', role))],
  }
  const roleEntities = byRole.map(({ role, entries }) => ({
    uid: uid('Role', role),
    attrs: {},
    parents: entries.map(permission),
  }))
  const covering = [...grants, ...byRole.flatMap(({ entries }) => entries)]
  return ask(principal, roleEntities, covering, question)
}

/** An enrolment token holds one permission: to register. */
const enrolmentEntries = [`${platformResourceType}/agents:register`]

/** Asks for the bearer of an enrolment token. */
export function askForEnrolmentToken(id: EnrolmentTokenId, question: Question): CedarRequest {
  const covering = coveringEntries(enrolmentEntries, question)
  const principal: Entity = {
    uid: uid('EnrolmentToken', id),
    attrs: { ...principalAttributes(id, question.tenantId, undefined), status: 'active' },
    parents: covering.map(permission),
  }
  return ask(principal, [], covering, question)
}

/** The entries among those held that cover what is asked. */
export function coveringEntries(entries: readonly string[], { action, resource }: Question): string[] {
  // Of a platform action `noun:verb`, the noun stands in the resource already.
  const verb = action.slice(action.indexOf(':') + 1)
  return entries.filter((entry) => covers(entry, verb, resource))
}

export interface Trust {
  readonly trustScore: number | null
  readonly riskLevel: RiskLevel | null
  readonly trustBasis: TrustBasis | null
}

export function trustOf({ trust }: ActingIdentity): Trust {
  if (!trust) return { trustScore: null, riskLevel: null, trustBasis: null }
  return { trustScore: trust.score, riskLevel: riskLevelOf(trust.score), trustBasis: trust.basis }
}

/** How a resource is written: `type` or `type/id`. */
export function resourceText({ type, id }: ResourceName): string {
  return id === '' ? type : `${type}/${id}`
}

function ask(
  principal: Entity,
  others: readonly Entity[],
  covering: readonly string[],
  question: Question,
): CedarRequest {
  const resource = resourceEntity(question)
  return {
    principal: principal.uid,
    action: uid('Action', question.action),
    resource: resource.uid,
    context: {
      request: { ...question.request },
      now: datetime(question.now),
      address: question.address,
      hop: 0,
      actor: principal.uid.id,
      inScope: question.scope === undefined || coveringEntries(question.scope, question).length > 0,
      coveredBy: covering.map((entry) => reference('Permission', entry)),
    },
    entities: [principal, ...others, resource],
  }
}

function resourceEntity({ resource, resourceFacts, tenantId }: Question): Entity {
  return {
    uid: uid('Resource', resourceText(resource)),
    attrs: {
      type: resource.type,
      id: resource.id,
      tenant: reference('Tenant', tenantId),
      ...(resourceFacts.owner && { owner: resourceFacts.owner }),
      ...(resourceFacts.identity && { identity: resourceFacts.identity }),
    },
    parents: [],
  }
}

function principalAttributes(id: string, tenantId: TenantId, expiresAt: Date | undefined) {
  return { id, tenant: reference('Tenant', tenantId), expiresAt: datetime(expiresAt ?? neverExpires) }
}

function permission(entry: string): EntityUid {
  return uid('Permission', entry)
}
