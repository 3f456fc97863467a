import { z } from 'zod'
import { CapabilityEntry, parseGrant, platformResourceType } from './capabilities.ts'
import { GrantConditions } from './conditions.ts'
import { IdentityIdSchema, idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery, pageRowsMax } from './pages.ts'
import { Instant } from './text.ts'

const QuotaPeriod = z.object({
  limit: z.int(),
  /** How many allowed decisions rested on the grant in this hour or day of UTC. */
  used: z.int(),
  left: z.int(),
  resetsAt: Instant,
})

/** How much of a grant’s quota is spent now. */
export const QuotaUse = z.object({ perHour: QuotaPeriod.optional(), perDay: QuotaPeriod.optional() })
export type QuotaUse = z.infer<typeof QuotaUse>

export const CapabilityGrant = z.object({
  grantId: idSchema('grant'),
  identityId: IdentityIdSchema,
  capability: z.string(),
  /** Under which circumstances it counts; null: under all. */
  conditions: GrantConditions.nullable(),
  /** Null: from when it was granted. */
  validFrom: Instant.nullable(),
  /** Null: until it is revoked. */
  expiresAt: Instant.nullable(),
  grantedBy: z.string(),
  grantedAt: Instant,
  /** Null: it has no quota. */
  quota: QuotaUse.nullable(),
})
export type CapabilityGrant = z.infer<typeof CapabilityGrant>

export const NewGrant = z
  .strictObject({
    /** Such as `file/docs/*:read`; a label grants nothing, and is given with the agent itself. */
    capability: CapabilityEntry.refine(
      (entry) => parseGrant(entry) !== undefined,
      'is a label; a grant is of the form type[/idPrefix*]:action',
    ),
    conditions: GrantConditions.optional(),
    validFrom: Instant.optional(),
    expiresAt: Instant.optional(),
  })
  .refine(({ validFrom, expiresAt }) => !validFrom || !expiresAt || new Date(validFrom) < new Date(expiresAt), {
    path: ['expiresAt'],
    message: 'is not after validFrom',
  })
  .refine(({ capability, conditions }) => !conditions?.quota || parseGrant(capability)?.type !== platformResourceType, {
    path: ['conditions', 'quota'],
    message: 'is for what is asked; the platform’s own operations are not counted',
  })

export type NewGrant = z.output<typeof NewGrant>

const Grants = {
  /** All that it holds by itself, not by roles: the entries of its grants, begun or not, and labels that grant nothing. */
  capabilities: z.array(z.string()),
  grants: z.array(CapabilityGrant),
}

const ofAgent = z.strictObject({ agentId: idSchema('agent') })
const ofIdentity = z.strictObject({ identityId: IdentityIdSchema })
const agentId = 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4'
const grantId = 'gnt_0198c5a1f3e07b2c8d4e6f708192a3b4'
const exampleGrant: z.input<typeof NewGrant> = {
  capability: 'file/docs/*:read',
  conditions: {
    timeWindow: { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '08:00', to: '18:00', timeZone: 'Europe/Vienna' },
    quota: { perHour: 100 },
  },
  expiresAt: '2099-12-31T23:59:59Z',
}

/** What the same operation is for agents and for any identity. */
const listing = {
  method: 'GET',
  status: 200,
  problems: ['forbidden', 'not-found'],
} as const
const granting = {
  method: 'POST',
  action: 'capabilities:grant',
  body: NewGrant,
  status: 201,
  response: CapabilityGrant,
  problems: ['forbidden', 'not-found', 'capability-exceeded', 'quota-spent', 'wrong-state'],
} as const
const revoking = {
  method: 'DELETE',
  action: 'capabilities:revoke',
  status: 200,
  response: CapabilityGrant,
  problems: ['forbidden', 'not-found'],
} as const

export const listAgentCapabilities = operation({
  ...listing,
  id: 'listAgentCapabilities',
  path: '/api/v1/agents/:agentId/capabilities',
  action: 'agents:read',
  summary:
    'Lists what an agent holds by itself: its grants, with conditions, times and what is left of quotas, and its labels.',
  params: ofAgent,
  response: z.object({ agentId: idSchema('agent'), ...Grants }),
  example: { params: { agentId } },
})

export const grantAgentCapability = operation({
  ...granting,
  id: 'grantAgentCapability',
  path: '/api/v1/agents/:agentId/capabilities',
  summary:
    'Grants an agent a capability that the caller holds itself; one that it has gets these conditions and times instead.',
  params: ofAgent,
  example: { params: { agentId }, body: exampleGrant },
})

export const revokeAgentCapability = operation({
  ...revoking,
  id: 'revokeAgentCapability',
  path: '/api/v1/agents/:agentId/capabilities/:grantId',
  summary: 'Takes a capability from an agent, and so from all that descend from it, with the next decision.',
  params: ofAgent.extend({ grantId: idSchema('grant') }),
  example: { params: { agentId, grantId } },
})

export const listIdentityCapabilities = operation({
  ...listing,
  id: 'listIdentityCapabilities',
  path: '/api/v1/identities/:identityId/capabilities',
  action: 'identities:read',
  summary: 'The same as for an agent, of any identity.',
  params: ofIdentity,
  response: z.object({ identityId: IdentityIdSchema, ...Grants }),
  example: { params: { identityId: agentId } },
})

export const grantIdentityCapability = operation({
  ...granting,
  id: 'grantIdentityCapability',
  path: '/api/v1/identities/:identityId/capabilities',
  summary: 'The same as for an agent, to any identity.',
  params: ofIdentity,
  example: { params: { identityId: agentId }, body: exampleGrant },
})

export const revokeIdentityCapability = operation({
  ...revoking,
  id: 'revokeIdentityCapability',
  path: '/api/v1/identities/:identityId/capabilities/:grantId',
  summary: 'The same as for an agent, from any identity.',
  params: ofIdentity.extend({ grantId: idSchema('grant') }),
  example: { params: { identityId: agentId, grantId } },
})

const CatalogueAction = z.object({
  action: z.string(),
  /** As its resource type declares it; null: no type does. */
  risk: z.enum(['low', 'medium', 'high', 'critical']).nullable(),
  description: z.string(),
  /** How many grants of it there are, on all resources of the type or some. */
  granted: z.int(),
  /** How many roles have it. */
  inRoles: z.int(),
})

/** Resource types and actions that a tenant knows; `*` stands where a grant says so. */
const CatalogueType = z.object({
  resourceType: z.string(),
  /** Whether the tenant declared it; else it is known from grants and roles only. */
  isDeclared: z.boolean(),
  description: z.string(),
  actions: z.array(CatalogueAction),
})
export type CatalogueType = z.infer<typeof CatalogueType>

export const getCapabilityCatalogue = operation({
  id: 'getCapabilityCatalogue',
  method: 'GET',
  path: '/api/v1/capabilities/catalog',
  action: 'capabilities:read',
  summary: 'Shows what there is to grant: resource types and their actions, declared or in use, and how often granted.',
  query: z.strictObject(pageQuery),
  status: 200,
  response: z.object({ resourceTypes: z.array(CatalogueType), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

const Limit = z.object({
  identityId: IdentityIdSchema,
  capability: z.string(),
  conditions: GrantConditions,
  quota: QuotaUse.nullable(),
})

/** One thing that an identity may do, and why. */
const Permission = z.object({
  /** A type, or a type with an id, of which a `*` at the end means whatever begins so. */
  resource: z.string(),
  action: z.string(),
  capability: z.string(),
  from: z.enum(['grant', 'role']),
  grantId: idSchema('grant').nullable(),
  /** The role that was assigned, a built-in one by name; null for a grant. */
  role: z.string().nullable(),
  /** The role that the one assigned inherits it from. */
  via: z.string().nullable(),
  grantedBy: z.string(),
  grantedAt: Instant,
  /** When the first ends of all that it rests on; null: nothing of it does by itself. */
  expiresAt: Instant.nullable(),
  conditions: GrantConditions.nullable(),
  quota: QuotaUse.nullable(),
  /** Conditions under which those hold it who lend the identity authority. */
  limits: z.array(Limit),
})
export type Permission = z.infer<typeof Permission>

export const listPermissions = operation({
  id: 'listPermissions',
  method: 'GET',
  path: '/api/v1/authz/permissions',
  action: 'self',
  selfAction: 'own-permissions:read',
  summary:
    'Lists what an identity may do by its grants and roles, as far as all may who lend it authority; without `agentId`, of the caller’s own session. Policies may allow or forbid more: a check tells.',
  query: z.strictObject({
    ...pageQuery,
    limit: pageQuery.limit.default(pageRowsMax),
    agentId: IdentityIdSchema.optional(),
  }),
  status: 200,
  response: z.object({
    agentId: IdentityIdSchema,
    /** Whether it and all who lend it authority may act; else it may do nothing now. */
    isActive: z.boolean(),
    /** Whether a Biscuit’s blocks narrow it further, which only a check can weigh. */
    isAttenuated: z.boolean(),
    permissions: z.array(Permission),
    nextCursor,
  }),
  problems: ['forbidden', 'not-found'],
  example: { query: { agentId } },
})
