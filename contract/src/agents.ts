import { z } from 'zod'
import { CapabilityEntry, capabilitiesMax } from './capabilities.ts'
import { IdentityIdSchema, idSchema } from './ids.ts'
import { OpenObject } from './json.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { FreeText, Instant, Name, nameCharactersMax, SearchText } from './text.ts'

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

const AgentType = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'is 1 to 64 letters, digits, dots, dashes or underscores')
const Capabilities = z.array(CapabilityEntry).max(capabilitiesMax)

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
  capabilities: z.array(z.string()),
  metadata: OpenObject,
  /** RFC 7638 thumbprint of the agent's public key; null when it has none. */
  keyThumbprint: z.string().nullable(),
  createdAt: Instant,
  updatedAt: Instant,
  expiresAt: Instant.nullable(),
  lastActivity: Instant.nullable(),
})
export type Agent = z.infer<typeof Agent>

/** A signature over `registrationText` of agent-proofs.ts, by the key that is registered. */
export const ProofOfPossession = z.strictObject({
  issuedAt: Instant,
  signature: z.base64url().max(100),
})

export const RegisterAgent = z.strictObject({
  name: Name,
  type: AgentType.default('worker'),
  capabilities: Capabilities.default([]),
  metadata: OpenObject.default({}),
  /** Ed25519: 32 raw bytes in base64url, an SPKI PEM, or a JWK. Absent: the server makes a pair. */
  publicKey: z.union([z.string().max(1000), z.record(z.string().max(50), z.json())]).optional(),
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

const AgentPath = z.strictObject({ agentId: idSchema('agent') })
const examplePath = { agentId: 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const
const Reason = z.strictObject({ reason: FreeText.optional() }).default({})

export const registerAgent = operation({
  id: 'registerAgent',
  method: 'POST',
  path: '/api/v1/agents',
  action: 'agents:register',
  summary: 'Registers an agent: active when its key is proved or made here, else pending until its first login.',
  body: RegisterAgent,
  status: 201,
  response: RegisteredAgent,
  secrets: ['privateKey'],
  problems: ['forbidden', 'capability-exceeded', 'already-exists', 'quota-spent'],
  example: {
    body: {
      name: 'nightly-indexer',
      type: 'worker',
      capabilities: ['file/docs/*:read'],
      metadata: { version: '1.0.0' },
    },
  },
})

export const listAgents = operation({
  id: 'listAgents',
  method: 'GET',
  path: '/api/v1/agents',
  action: 'agents:read',
  summary: 'Lists agents by name, a page at a time.',
  query: z.strictObject({
    ...pageQuery,
    status: IdentityStatus.optional(),
    type: AgentType.optional(),
    owner: IdentityIdSchema.optional(),
    name: SearchText(nameCharactersMax).optional(),
  }),
  status: 200,
  response: z.object({ agents: z.array(Agent), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

export const getAgent = operation({
  id: 'getAgent',
  method: 'GET',
  path: '/api/v1/agents/:agentId',
  action: 'agents:read',
  summary: 'Shows one agent.',
  params: AgentPath,
  status: 200,
  response: Agent,
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

export const updateAgent = operation({
  id: 'updateAgent',
  method: 'PATCH',
  path: '/api/v1/agents/:agentId',
  action: 'agents:update',
  summary: 'Changes what is given; capabilities and metadata are replaced whole.',
  params: AgentPath,
  body: z
    .strictObject({
      name: Name.optional(),
      type: AgentType.optional(),
      capabilities: Capabilities.optional(),
      metadata: OpenObject.optional(),
    })
    .refine((body) => Object.keys(body).length > 0, 'give at least one field to change'),
  status: 200,
  response: Agent,
  problems: ['forbidden', 'not-found', 'capability-exceeded', 'already-exists', 'wrong-state'],
  example: { params: examplePath, body: { metadata: { version: '1.1.0' } } },
})

export const deleteAgent = operation({
  id: 'deleteAgent',
  method: 'DELETE',
  path: '/api/v1/agents/:agentId',
  action: 'agents:delete',
  summary:
    'Ends an agent for good: its key and grants end with it, its sessions are worth nothing, its name is free again.',
  params: AgentPath,
  status: 200,
  response: Agent,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath },
})

export const suspendAgent = operation({
  id: 'suspendAgent',
  method: 'POST',
  path: '/api/v1/agents/:agentId/suspend',
  action: 'agents:suspend',
  summary: 'Stops an agent at once, on every instance, until it is reactivated.',
  params: AgentPath,
  body: Reason,
  status: 200,
  response: Agent,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath, body: { reason: 'unusual reads' } },
})

export const reactivateAgent = operation({
  id: 'reactivateAgent',
  method: 'POST',
  path: '/api/v1/agents/:agentId/reactivate',
  action: 'agents:reactivate',
  summary: 'Lets a suspended agent act again.',
  params: AgentPath,
  body: Reason,
  status: 200,
  response: Agent,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath, body: { reason: 'checked' } },
})

export const setAgentTrust = operation({
  id: 'setAgentTrust',
  method: 'PUT',
  path: '/api/v1/agents/:agentId/trust',
  action: 'agents:set-trust',
  summary: 'Sets the trust score by hand; the score then says `administrator` as its basis.',
  params: AgentPath,
  body: z.strictObject({ trustScore: z.number().min(0).max(1), reason: FreeText.optional() }),
  status: 200,
  response: Agent,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath, body: { trustScore: 0.8, reason: 'reviewed' } },
})
