import { z } from 'zod'
import { agentChange, identityFilter, IdentityStatus, Reason, RegisterAgent, RiskLevel, TrustBasis } from './agents.ts'
import { IdentityIdSchema, idSchema } from './ids.ts'
import { OpenObject, ParsedJson } from './json.ts'
import { operation } from './operation.ts'
import { nextCursor } from './pages.ts'
import { CreateService } from './services.ts'
import { FreeText, Instant } from './text.ts'
import { ImportedUser } from './users.ts'

export const identityKinds = ['user', 'service', 'agent'] as const
export const IdentityKind = z.enum(identityKinds)
export type IdentityKind = z.infer<typeof IdentityKind>

/** Whoever acts: what all kinds have in common. What a kind has not is null. */
export const Identity = z.object({
  identityId: IdentityIdSchema,
  kind: IdentityKind,
  name: z.string(),
  type: z.string(),
  status: IdentityStatus,
  /** Of users. */
  email: z.string().nullable(),
  /** Who answers for a service or an agent. */
  owner: IdentityIdSchema.nullable(),
  /** Who takes over what a user owns, when the user leaves. */
  successor: idSchema('user').nullable(),
  /** Who lends an agent authority. */
  parent: IdentityIdSchema.nullable(),
  taskId: z.string().nullable(),
  taskScope: z.string().nullable(),
  isStopped: z.boolean(),
  stoppedBy: IdentityIdSchema.nullable(),
  /** Of agents. */
  trustScore: z.number().nullable(),
  trustBasis: TrustBasis.nullable(),
  riskLevel: RiskLevel.nullable(),
  /** Its own grants and labels; not what roles give. */
  capabilities: z.array(z.string()),
  metadata: OpenObject,
  tags: z.array(z.string()),
  createdAt: Instant,
  updatedAt: Instant,
  expiresAt: Instant.nullable(),
  /** Stored once a minute. */
  lastActivity: Instant.nullable(),
  revision: z.int(),
})
export type Identity = z.infer<typeof Identity>

/** A stopped identity, and how many agents that descend from it stop with it. */
export const StoppedIdentity = Identity.extend({ stoppedDescendants: z.int() })

/** An identity with only the fields that were asked for; these three are always there. */
export const SparseIdentity = Identity.partial().required({ identityId: true, kind: true, revision: true })
export type SparseIdentity = z.infer<typeof SparseIdentity>

/** `fields=name,status`: only these, and those that are always there. */
const Fields = z
  .string()
  .max(500)
  .transform((list) => list.split(','))
  .pipe(z.array(Identity.keyof()))
  .optional()

export const CreateIdentity = z.discriminatedUnion('kind', [
  RegisterAgent.extend({ kind: z.literal('agent') }),
  CreateService.extend({ kind: z.literal('service') }),
  ImportedUser.extend({ kind: z.literal('user') }),
])
export type CreateIdentity = z.output<typeof CreateIdentity>

/** Of an agent all but the description and the successor; of a service name, description, tags; of a user name, tags, successor. */
export const IdentityChange = z
  .strictObject({
    ...agentChange,
    description: FreeText.optional(),
    /** Null: nobody. */
    successor: idSchema('user').nullable().optional(),
  })
  .refine((body) => Object.keys(body).length > 0, 'give at least one field to change')
export type IdentityChange = z.output<typeof IdentityChange>

const IdentityPath = z.strictObject({ identityId: IdentityIdSchema })
const examplePath = { identityId: 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const

export const createIdentity = operation({
  id: 'createIdentity',
  method: 'POST',
  path: '/api/v1/identities',
  action: 'identities:create',
  summary:
    'Makes an identity: an agent as registerAgent does, a service as createService, an active user as importUsers does.',
  body: CreateIdentity,
  status: 201,
  response: Identity.extend({ issuer: z.string().optional(), privateKey: z.string().optional() }),
  hasRevision: true,
  secrets: ['privateKey'],
  problems: ['forbidden', 'capability-exceeded', 'already-exists', 'quota-spent', 'wrong-state'],
  example: { body: { kind: 'agent', name: 'weekly-report', capabilities: ['file/docs/*:read'] } },
})

export const listIdentities = operation({
  id: 'listIdentities',
  method: 'GET',
  path: '/api/v1/identities',
  action: 'identities:read',
  summary: 'Lists users, services and agents, of those kinds that the caller may read, a page at a time.',
  query: z.strictObject({ ...identityFilter, kind: IdentityKind.optional(), fields: Fields }),
  status: 200,
  response: z.object({ identities: z.array(SparseIdentity), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20, kind: 'agent', fields: 'name,status' } },
})

export const getIdentity = operation({
  id: 'getIdentity',
  method: 'GET',
  path: '/api/v1/identities/:identityId',
  action: 'identities:read',
  summary: 'Shows one identity.',
  params: IdentityPath,
  query: z.strictObject({ fields: Fields }),
  status: 200,
  response: SparseIdentity,
  hasRevision: true,
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath, query: { fields: 'name,status' } },
})

export const updateIdentity = operation({
  id: 'updateIdentity',
  method: 'PATCH',
  path: '/api/v1/identities/:identityId',
  action: 'identities:update',
  summary: 'Changes what is given, as far as its kind has it; a person changes their own name, tags and successor.',
  params: IdentityPath,
  body: IdentityChange,
  status: 200,
  response: Identity,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'capability-exceeded', 'already-exists', 'wrong-state'],
  example: { params: examplePath, body: { tags: ['nightly'] } },
})

export const deleteIdentity = operation({
  id: 'deleteIdentity',
  method: 'DELETE',
  path: '/api/v1/identities/:identityId',
  action: 'identities:delete',
  summary:
    'Ends an identity for good, and all agents that descend from it. What a user owns goes to the successor, or is suspended.',
  params: IdentityPath,
  status: 200,
  response: StoppedIdentity,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'wrong-state', 'capability-exceeded'],
  example: { params: examplePath },
})

/** What all the operations on an identity's life share. */
const life = {
  method: 'POST',
  params: IdentityPath,
  body: Reason,
  status: 200,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'wrong-state', 'capability-exceeded'],
} as const

export const verifyIdentity = operation({
  ...life,
  id: 'verifyIdentity',
  path: '/api/v1/identities/:identityId/verify',
  action: 'identities:verify',
  summary: 'Makes a pending agent active; users and services are never pending.',
  response: Identity,
  example: { params: examplePath, body: { reason: 'looked at its code' } },
})

export const suspendIdentity = operation({
  ...life,
  id: 'suspendIdentity',
  path: '/api/v1/identities/:identityId/suspend',
  action: 'identities:suspend',
  summary: 'Stops an identity, and all agents that descend from it, until it is reactivated.',
  response: StoppedIdentity,
  example: { params: examplePath, body: { reason: 'unusual reads' } },
})

export const reactivateIdentity = operation({
  ...life,
  id: 'reactivateIdentity',
  path: '/api/v1/identities/:identityId/reactivate',
  action: 'identities:reactivate',
  summary: 'Lets a suspended identity act again.',
  response: Identity,
  example: { params: examplePath, body: { reason: 'checked' } },
})

export const revokeIdentity = operation({
  ...life,
  id: 'revokeIdentity',
  path: '/api/v1/identities/:identityId/revoke',
  action: 'identities:revoke',
  summary: 'Revokes an identity for good, and all agents that descend from it; its name or address stays taken.',
  response: StoppedIdentity,
  example: { params: examplePath, body: { reason: 'its key leaked' } },
})

/** Most items of one bulk. */
export const bulkItemsMax = 1000
/** A bulk's body: a kilobyte for each item. */
const bulkBytesMax = 1_048_576

const onOne = { identityId: IdentityIdSchema, revision: z.int().min(1).optional() }

/** One item of a bulk. With a revision it is refused when the identity has changed since. */
export const BulkItem = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('create'), identity: CreateIdentity }),
  z.strictObject({ op: z.literal('update'), ...onOne, change: IdentityChange }),
  z.strictObject({ op: z.literal('suspend'), ...onOne, reason: FreeText.optional() }),
  z.strictObject({ op: z.literal('reactivate'), ...onOne, reason: FreeText.optional() }),
  z.strictObject({ op: z.literal('revoke'), ...onOne, reason: FreeText.optional() }),
])
export type BulkItem = z.output<typeof BulkItem>

export const bulkIdentities = operation({
  id: 'bulkIdentities',
  cost: { each: { field: 'items', most: bulkItemsMax } },
  method: 'POST',
  path: '/api/v1/identities/bulk',
  action: 'identities:bulk',
  summary: `Creates, updates, suspends, reactivates and revokes up to ${bulkItemsMax} identities, one after the other, each by itself.`,
  // Items are read one by one, so that a bad one harms no other.
  body: z.strictObject({
    items: z
      .array(z.record(z.string().max(50), ParsedJson))
      .min(1)
      .max(bulkItemsMax),
  }),
  bodyBytesMax: bulkBytesMax,
  status: 200,
  response: z.object({
    results: z.array(
      z.object({
        index: z.int(),
        /** What the item would have been answered with by itself. */
        status: z.int(),
        identity: Identity.extend({ issuer: z.string().optional(), privateKey: z.string().optional() }).optional(),
        problem: z
          .object({
            type: z.string(),
            title: z.string(),
            status: z.int(),
            code: z.string(),
            detail: z.string(),
            errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
          })
          .optional(),
      }),
    ),
    succeeded: z.int(),
    failed: z.int(),
  }),
  problems: ['forbidden', 'quota-spent'],
  example: {
    body: {
      items: [
        { op: 'create', identity: { kind: 'agent', name: 'indexer-1' } },
        { op: 'suspend', identityId: 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4', reason: 'unusual reads' },
      ],
    },
  },
})
