import type { RiskLevel, TrustBasis, IdentityStatus } from '@agent-iam/contract/agents'
import { platformResourceType } from '@agent-iam/contract/capabilities'
import type { EnrolmentTokenId, IdentityId, TenantId } from '@agent-iam/contract/ids'
import type { ProtectedResource } from '../../platform/context.ts'
import { builtInRoles, covers, isRole, type ResourceName } from '../capabilities/model.ts'
import { riskLevelOf, type Lent } from '../identities/model.ts'
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
  /** What the token that it was made with was narrowed to. */
  readonly lent: Lent
  readonly grants: readonly string[]
  readonly roles: readonly string[]
}

/** What a decision rests on, read in one snapshot. */
export interface Facts {
  /** The epoch of the log that these facts belong to: a decision of an older one is not recorded (DESIGN D13). */
  readonly epoch: number
  readonly policiesVersion: number
  /**
   * Whose rights are intersected (DESIGN D6): who acts first, and after each who lends it authority, the nearest first.
   * None when the tenant has no such identity.
   */
  readonly hops: readonly ActingIdentity[]
  /** Whether each who was asked for is there, with all who lend it authority. */
  readonly isChainWhole: boolean
  /** Whether the session lives and its own identity may act. */
  readonly isSessionAlive: boolean
  /** What the session is narrowed to. */
  readonly lent: Lent
}

/** What is asked of Cedar, still in the product's words. */
export interface Question {
  readonly tenantId: TenantId
  readonly action: string
  readonly resource: ResourceName
  readonly resourceFacts: Pick<ProtectedResource, 'owner' | 'identity' | 'ancestors'>
  /** What the caller tells of itself, in Cedar's words. */
  readonly request: Readonly<Record<string, CedarJson>>
  readonly now: Date
  readonly address: string
}

/** Where in the chain an identity is asked for, and what is known of its narrowing there. */
export interface Hop {
  /** 0 is who acts. */
  readonly hop: number
  readonly actor: string
  readonly isChainWhole: boolean
  /** Each set of entries that the question must lie within. */
  readonly scopes: ReadonlyArray<readonly string[]>
  /** Whether the blocks of every attenuated token on the way permit it. */
  readonly isWithinBlocks: boolean
}

/** The question whether a platform action may be done: its resource is `agent-iam/‹noun›[/‹id›]`. */
export function platformResource({ type, id }: ProtectedResource): ResourceName {
  return { type: platformResourceType, id: id === undefined ? type : `${type}/${id}` }
}

const principalTypes = { user: 'User', service: 'Service', agent: 'Agent' } as const

/** Asks for one identity of a chain. */
export function askForIdentity(identity: ActingIdentity, question: Question, hop: Hop): CedarRequest {
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
  return ask({ principal, others: roleEntities, covering, hop }, question)
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
  const hop = { hop: 0, actor: id, isChainWhole: true, scopes: [], isWithinBlocks: true }
  return ask({ principal, others: [], covering, hop }, question)
}

/** The entries among those held that cover what is asked. */
export function coveringEntries(entries: readonly string[], { action, resource }: Question): string[] {
  return entries.filter((entry) => covers(entry, verbOf(action), resource))
}

/** Of a platform action `noun:verb`, the noun stands in the resource already. */
export function verbOf(action: string): string {
  return action.slice(action.indexOf(':') + 1)
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

interface Asked {
  readonly principal: Entity
  readonly others: readonly Entity[]
  readonly covering: readonly string[]
  readonly hop: Hop
}

function ask({ principal, others, covering, hop }: Asked, question: Question): CedarRequest {
  const resource = resourceEntity(question)
  return {
    principal: principal.uid,
    action: uid('Action', question.action),
    resource: resource.uid,
    context: {
      request: { ...question.request },
      now: datetime(question.now),
      address: question.address,
      hop: hop.hop,
      actor: hop.actor,
      chainWhole: hop.isChainWhole,
      inScope: hop.scopes.every((entries) => coveringEntries(entries, question).length > 0),
      withinBlocks: hop.isWithinBlocks,
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
      ...(resourceFacts.ancestors && { ancestors: [...resourceFacts.ancestors] }),
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
