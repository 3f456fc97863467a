import type { RiskLevel, TrustBasis, IdentityStatus } from '@agent-iam/contract/agents'
import { platformResourceType } from '@agent-iam/contract/capabilities'
import type { EnrolmentTokenId, IdentityId, TenantId } from '@agent-iam/contract/ids'
import type { ProtectedResource } from '../../platform/context.ts'
import type { Beat } from '../../platform/pulse.ts'
import { plainAddress } from '../../platform/address-network.ts'
import {
  closureOf,
  conditionsHold,
  covers,
  type Held,
  type ResourceName,
  type RoleDefinition,
} from '../capabilities/model.ts'
import { riskLevelOf, type Lent } from '../identities/model.ts'
import type { RegisteredResource } from '../resources/model.ts'
import {
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
  type Presented,
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
  readonly grants: readonly Held[]
  /** Keys of its roles: a built-in one’s name, or the id of a tenant’s own. */
  readonly roles: readonly string[]
}

/** What a decision rests on, read in one snapshot. */
export interface Facts extends Beat {
  readonly policiesVersion: number
  /** Of what the tenant declares: roles, types of resources, thresholds of trust. */
  readonly definitionsVersion: number
  /** When the session ends; undefined where none was asked for. */
  readonly sessionExpiresAt: Date | undefined
  /** The next instant at which time alone changes what is held; undefined: never. */
  readonly edge: Date | undefined
  /**
   * Whose rights are intersected (DESIGN D6): who acts first, and after each who lends it authority, the nearest first.
   * None when the tenant has no such identity.
   */
  readonly hops: readonly ActingIdentity[]
  /** The root of the chain that acts: the use of shared resources counts against it. Empty where nobody acts. */
  readonly root: string
  /** Whether each who was asked for is there, with all who lend it authority. */
  readonly isChainWhole: boolean
  /** Whether the session lives and its own identity may act. */
  readonly isSessionAlive: boolean
  /** What the session is narrowed to. */
  readonly lent: Lent
  /** The kinds of credential that whoever acts presented; empty where only an id was named. */
  readonly presented: readonly Presented[]
}

/** What is asked of Cedar, still in the product's words. */
export interface Question {
  readonly tenantId: TenantId
  readonly action: string
  readonly resource: ResourceName
  readonly resourceFacts: Pick<ProtectedResource, 'owner' | 'identity' | 'ancestors' | 'returnsPrivateKey'>
  /** What the caller tells of itself, in Cedar's words. */
  readonly request: Readonly<Record<string, CedarJson>>
  readonly now: Date
  readonly address: string
  /** What the tenant registered of the resource; undefined: nothing. */
  readonly registered?: RegisteredResource | undefined
  /** The trust score that an agent needs at least, as the tenant’s thresholds say. */
  readonly trustMin?: number | undefined
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
  /** The kinds of credential on which the whole chain acts. */
  readonly presented: readonly Presented[]
}

/** The question whether a platform action may be done: its resource is `agent-iam/‹noun›[/‹id›]`. */
export function platformResource({ type, id }: ProtectedResource): ResourceName {
  return { type: platformResourceType, id: id === undefined ? type : `${type}/${id}` }
}

const principalTypes = { user: 'User', service: 'Service', agent: 'Agent' } as const

/** Asks for one identity of a chain, with the roles that its tenant knows. */
export function askForIdentity(
  identity: ActingIdentity,
  question: Question,
  hop: Hop & { readonly roles: readonly RoleDefinition[] },
): CedarRequest {
  const grants = coveringEntries(identity.grants, question)
  const roles = closureOf(identity.roles, hop.roles)
  const byRole = roles.map((role) => ({ role, entries: coveringEntries(role.permissions, question) }))
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
    parents: [...grants.map(permission), ...identity.roles.map((key) => uid('Role', key))],
  }
  const roleEntities = byRole.map(({ role, entries }) => ({
    uid: uid('Role', role.key),
    attrs: {},
    parents: [...role.inherits.map((key) => uid('Role', key)), ...entries.map(permission)],
  }))
  const covering = [...grants, ...byRole.flatMap(({ entries }) => entries)]
  const isExpired = identity.expiresAt !== undefined && identity.expiresAt <= question.now
  return ask({ principal, others: roleEntities, covering, hop, isExpired }, question)
}

/** An enrolment token holds one permission: to register. */
const enrolmentEntries = [{ entry: `${platformResourceType}/agents:register` }]

/** Asks for the bearer of an enrolment token. */
export function askForEnrolmentToken(id: EnrolmentTokenId, question: Question): CedarRequest {
  const covering = coveringEntries(enrolmentEntries, question)
  const principal: Entity = {
    uid: uid('EnrolmentToken', id),
    attrs: { ...principalAttributes(id, question.tenantId, undefined), status: 'active' },
    parents: covering.map(permission),
  }
  const hop = {
    hop: 0,
    actor: id,
    isChainWhole: true,
    scopes: [],
    isWithinBlocks: true,
    presented: ['enrolment-token'] as const,
  }
  return ask({ principal, others: [], covering, hop, isExpired: false }, question)
}

/** The entries among those held that cover what is asked, here and now. */
export function coveringEntries(held: readonly Held[], question: Question): string[] {
  return [...new Set(coveringGrants(held, question).map(({ entry }) => entry))]
}

/** What of all that is held covers what is asked, here and now. */
export function coveringGrants(held: readonly Held[], question: Question): Held[] {
  const { action, resource } = question
  return held.filter(
    ({ entry, conditions }) =>
      covers(entry, verbOf(action), resource) && (!conditions || conditionsHold(conditions, question)),
  )
}

function isWithin(scope: readonly string[], { action, resource }: Question): boolean {
  return scope.some((entry) => covers(entry, verbOf(action), resource))
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
  readonly isExpired: boolean
}

function ask({ principal, others, covering, hop, isExpired }: Asked, question: Question): CedarRequest {
  const [resource, ...above] = resourceEntities(question)
  const address = plainAddress(question.address)
  return {
    principal: principal.uid,
    action: uid('Action', question.action),
    resource: resource.uid,
    context: {
      request: { ...question.request },
      now: datetime(question.now),
      weekday: weekdayOf(question.now),
      address: question.address,
      ...(address !== undefined && { ip: ip(address) }),
      hop: hop.hop,
      actor: hop.actor,
      chainWhole: hop.isChainWhole,
      inScope: hop.scopes.every((scope) => isWithin(scope, question)),
      expired: isExpired,
      presented: [...hop.presented],
      trustMin: decimal(question.trustMin ?? 0),
      withinBlocks: hop.isWithinBlocks,
      coveredBy: covering.map((entry) => reference('Permission', entry)),
    },
    entities: [principal, ...others, resource, ...above],
  }
}

/** The resource, and those that it lies in: each lies in the next. */
function resourceEntities({ resource, resourceFacts, tenantId, registered }: Question): [Entity, ...Entity[]] {
  const { owner = registered?.owner, identity, ancestors, returnsPrivateKey } = resourceFacts
  const above = registered?.ancestors ?? []
  const named = (name: ResourceName, n: number) => ({
    uid: uid('Resource', resourceText(name)),
    attrs: { type: name.type, id: name.id, tenant: reference('Tenant', tenantId) },
    parents: above.slice(n, n + 1).map((next) => uid('Resource', resourceText(next))),
  })
  const itself = named(resource, 0)
  const attrs = {
    ...itself.attrs,
    ...(owner && { owner }),
    ...(identity && { identity }),
    ...(ancestors && { ancestors: [...ancestors] }),
    ...(returnsPrivateKey && { returnsPrivateKey }),
    ...(registered && { labels: [...registered.labels], attributes: { ...registered.attributes } }),
  }
  return [{ ...itself, attrs }, ...above.map((name, n) => named(name, n + 1))]
}

/** As ISO 8601 counts: Monday is 1. */
function weekdayOf(instant: Date): number {
  return instant.getUTCDay() || 7
}

function principalAttributes(id: string, tenantId: TenantId, expiresAt: Date | undefined) {
  return { id, tenant: reference('Tenant', tenantId), expiresAt: datetime(expiresAt ?? neverExpires) }
}

function permission(entry: string): EntityUid {
  return uid('Permission', entry)
}
