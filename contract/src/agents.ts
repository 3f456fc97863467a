import { z } from 'zod'
import { CapabilityEntry, capabilitiesMax } from './capabilities.ts'
import { IdentityIdSchema, idSchema } from './ids.ts'
import { Metadata, OpenObject, ParsedJson } from './json.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { FreeText, Instant, Name, nameCharactersMax, SearchText, Tag, Tags } from './text.ts'

/** pending: its key is not proved yet. deleted: gone for good, kept for the log's sake. */
export const identityStatuses = ['pending', 'active', 'suspended', 'revoked', 'deleted'] as const
export const IdentityStatus = z.enum(identityStatuses)
export type IdentityStatus = z.infer<typeof IdentityStatus>

/** Types that the product knows; any other text is as good. */
export const knownAgentTypes = ['worker', 'analytics', 'ml_model', 'mobile', 'assistant', 'service'] as const

export const riskLevels = ['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'] as const
export const RiskLevel = z.enum(riskLevels)
export type RiskLevel = z.infer<typeof RiskLevel>

/** Where a trust score comes from. */
export const TrustBasis = z.enum(['initial', 'administrator', 'computed'])
export type TrustBasis = z.infer<typeof TrustBasis>

export const AgentType = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'is 1 to 64 letters, digits, dots, dashes or underscores')
export const Capabilities = z.array(CapabilityEntry).max(capabilitiesMax)

export const Agent = z.object({
  agentId: idSchema('agent'),
  name: z.string(),
  type: z.string(),
  status: IdentityStatus,
  trustScore: z.number().min(0).max(1),
  trustBasis: TrustBasis,
  riskLevel: RiskLevel,
  /** Who answers for the agent; may see, suspend and revoke it. */
  owner: IdentityIdSchema,
  /** Who lends the agent authority; null: nobody does, and what it holds is its own. */
  parent: IdentityIdSchema.nullable(),
  /** What it was made for, in the words of who delegated to it. */
  taskId: z.string().nullable(),
  taskScope: z.string().nullable(),
  /** Whether somebody up the chain may not act, so that the agent may not either, whatever its own status. */
  isStopped: z.boolean(),
  /** The nearest of those. */
  stoppedBy: IdentityIdSchema.nullable(),
  capabilities: z.array(z.string()),
  metadata: OpenObject,
  tags: z.array(z.string()),
  /** RFC 7638 thumbprint of the agent's public key; null when it has none. */
  keyThumbprint: z.string().nullable(),
  createdAt: Instant,
  updatedAt: Instant,
  expiresAt: Instant.nullable(),
  /** Stored once a minute. */
  lastActivity: Instant.nullable(),
  /** Raised by each change; sent as `ETag` where one agent is shown. */
  revision: z.int(),
})
export type Agent = z.infer<typeof Agent>

/** An agent that was stopped, and how many that descend from it stop with it. */
export const StoppedAgent = Agent.extend({ stoppedDescendants: z.int() })
export type StoppedAgent = z.infer<typeof StoppedAgent>

/** A signature over `registrationText` of agent-proofs.ts, by the key that is registered. */
export const ProofOfPossession = z.strictObject({
  issuedAt: Instant,
  signature: z.base64url().max(100),
})

export const RegisterAgent = z.strictObject({
  name: Name,
  type: AgentType.default('worker'),
  capabilities: Capabilities.default([]),
  metadata: Metadata.default({}),
  tags: Tags.default([]),
  /** From when on it may do nothing. */
  expiresAt: Instant.optional(),
  /** Ed25519: 32 raw bytes in base64url, an SPKI PEM, or a JWK. Absent: the server makes a pair. */
  publicKey: z.union([z.string().max(1000), z.record(z.string().max(50), ParsedJson)]).optional(),
  proof: ProofOfPossession.optional(),
})
export type RegisterAgent = z.output<typeof RegisterAgent>

export const RegisteredAgent = Agent.extend({
  /** The issuer the agent logs in to: its SDK signs for no other. */
  issuer: z.string(),
  /** PKCS#8 PEM, only when the server made the key, and only in this answer. */
  privateKey: z.string().optional(),
})
export type RegisteredAgent = z.infer<typeof RegisteredAgent>

export const agentPath = z.strictObject({ agentId: idSchema('agent') })
export const examplePath = { agentId: 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const
export const Reason = z.strictObject({ reason: FreeText.optional() }).default({})

export const registerAgent = operation({
  id: 'registerAgent',
  method: 'POST',
  path: '/api/v1/agents',
  action: 'agents:register',
  summary:
    'Registers an agent: active when its key is proved or made here, or metadata is given; else pending until its first login.',
  body: RegisterAgent,
  status: 201,
  response: RegisteredAgent,
  hasRevision: true,
  secrets: ['privateKey'],
  problems: ['forbidden', 'capability-exceeded', 'already-exists', 'quota-spent', 'wrong-state'],
  example: {
    body: {
      name: 'nightly-indexer',
      type: 'worker',
      capabilities: ['file/docs/*:read'],
      metadata: { version: '1.0.0', repository: 'https://git.example.com/nightly-indexer' },
      tags: ['nightly'],
    },
  },
})

/** Orders of a list, each also backwards with a `-` before it. What never was, or never will be, comes last. */
export const IdentitySort = z.enum([
  'name',
  '-name',
  'createdAt',
  '-createdAt',
  'expiresAt',
  '-expiresAt',
  'lastActivity',
  '-lastActivity',
])
export type IdentitySort = z.infer<typeof IdentitySort>

/** What lists of identities are narrowed by; all that is given must hold. */
export const identityFilter = {
  ...pageQuery,
  status: IdentityStatus.optional(),
  type: AgentType.optional(),
  owner: IdentityIdSchema.optional(),
  parent: IdentityIdSchema.optional(),
  tag: Tag.optional(),
  /** Text that the name or the e-mail address holds, whatever the case. */
  text: SearchText(nameCharactersMax).optional(),
  expiringBefore: Instant.optional(),
  sort: IdentitySort.default('name'),
}

export const listAgents = operation({
  id: 'listAgents',
  method: 'GET',
  path: '/api/v1/agents',
  action: 'agents:read',
  summary: 'Lists agents, by name unless `sort` says otherwise, a page at a time; deleted ones only by that status.',
  query: z.strictObject({
    ...identityFilter,
    /** Text that the name holds, whatever the case. */
    name: SearchText(nameCharactersMax).optional(),
  }),
  status: 200,
  response: z.object({ agents: z.array(Agent), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20, sort: '-createdAt' } },
})

export const getAgent = operation({
  id: 'getAgent',
  method: 'GET',
  path: '/api/v1/agents/:agentId',
  action: 'agents:read',
  summary: 'Shows one agent.',
  params: agentPath,
  status: 200,
  response: Agent,
  hasRevision: true,
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

/** What may change of an agent; what is absent stays. */
export const agentChange = {
  name: Name.optional(),
  type: AgentType.optional(),
  capabilities: Capabilities.optional(),
  metadata: Metadata.optional(),
  tags: Tags.optional(),
  /** Null: never. */
  expiresAt: Instant.nullable().optional(),
}

const AgentChange = z
  .strictObject(agentChange)
  .refine((body) => Object.keys(body).length > 0, 'give at least one field to change')

export const updateAgent = operation({
  id: 'updateAgent',
  method: 'PATCH',
  path: '/api/v1/agents/:agentId',
  action: 'agents:update',
  summary: 'Changes what is given; capabilities, metadata and tags are replaced whole.',
  params: agentPath,
  body: AgentChange,
  status: 200,
  response: Agent,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'capability-exceeded', 'already-exists', 'wrong-state'],
  example: { params: examplePath, body: { metadata: { version: '1.1.0' } } },
})

export const putAgent = operation({
  id: 'putAgent',
  method: 'PUT',
  path: '/api/v1/agents/:agentId',
  action: 'agents:update',
  summary: 'The same as `PATCH`, for clients that know only `PUT`: what is not given stays.',
  params: agentPath,
  body: AgentChange,
  status: 200,
  response: Agent,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'capability-exceeded', 'already-exists', 'wrong-state'],
  example: { params: examplePath, body: { capabilities: ['file/docs/*:read'] } },
})

export const deleteAgent = operation({
  id: 'deleteAgent',
  method: 'DELETE',
  path: '/api/v1/agents/:agentId',
  action: 'agents:delete',
  summary:
    'Ends an agent for good, and all that descend from it: key and grants go, its sessions end, its name is free again.',
  params: agentPath,
  status: 200,
  response: StoppedAgent,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath },
})

/** What the operations on an agent's life share. */
export const agentLife = {
  method: 'POST',
  params: agentPath,
  body: Reason,
  status: 200,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'wrong-state'],
} as const

export const suspendAgent = operation({
  ...agentLife,
  id: 'suspendAgent',
  path: '/api/v1/agents/:agentId/suspend',
  action: 'agents:suspend',
  summary: 'Stops an agent and all that descend from it at once, on every instance, until it is reactivated.',
  response: StoppedAgent,
  example: { params: examplePath, body: { reason: 'unusual reads' } },
})

export const reactivateAgent = operation({
  ...agentLife,
  id: 'reactivateAgent',
  path: '/api/v1/agents/:agentId/reactivate',
  action: 'agents:reactivate',
  summary: 'Lets a suspended agent act again, and with it those below it that were not stopped themselves.',
  response: Agent,
  example: { params: examplePath, body: { reason: 'checked' } },
})

export const setAgentTrust = operation({
  id: 'setAgentTrust',
  method: 'PUT',
  path: '/api/v1/agents/:agentId/trust',
  action: 'agents:set-trust',
  summary: 'Sets the trust score by hand; the score then says `administrator` as its basis.',
  params: agentPath,
  body: z.strictObject({ trustScore: z.number().min(0).max(1), reason: FreeText.optional() }),
  status: 200,
  response: Agent,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath, body: { trustScore: 0.8, reason: 'reviewed' } },
})
