import { z } from 'zod'
import { ProofOfPossession } from './agents.ts'
import { idSchema } from './ids.ts'
import { ParsedJson } from './json.ts'
import { operation } from './operation.ts'
import { Instant } from './text.ts'

/** Longest that a key which was replaced still logs in: who does not take up the new one in a week never will. */
export const keyGraceSecondsMax = 7 * 86_400
/** Unless said otherwise: a day, so that every copy of the agent has met the new key. */
export const keyGraceSeconds = 86_400
/** Keys that a list shows: the newest. */
export const agentKeysListed = 100

/** active: new logins use it. retiring: replaced, and good until it expires. */
export const AgentKeyStatus = z.enum(['active', 'retiring', 'expired', 'revoked'])

/** An Ed25519 public key of an agent. */
export const AgentKey = z.object({
  /** RFC 7638. */
  thumbprint: z.string(),
  /** 32 bytes, base64url. */
  publicKey: z.string(),
  algorithm: z.literal('Ed25519'),
  status: AgentKeyStatus,
  createdAt: Instant,
  /** When it stops, or stopped, logging in; null while it is the agent’s key. */
  expiresAt: Instant.nullable(),
})
export type AgentKey = z.infer<typeof AgentKey>

export const RotateAgentKey = z
  .strictObject({
    /** Ed25519: 32 raw bytes in base64url, an SPKI PEM, or a JWK. Absent: the server makes a pair. */
    publicKey: z.union([z.string().max(1000), z.record(z.string().max(50), ParsedJson)]).optional(),
    /** A signature over `rotationText` of agent-proofs.ts by the new key; needed with `publicKey`. */
    proof: ProofOfPossession.optional(),
    /** How long the old key still logs in. */
    graceSeconds: z.int().min(0).max(keyGraceSecondsMax).default(keyGraceSeconds),
    /** The old key is not to be trusted: it ends at once, and with it every session of the agent. */
    revokeOld: z.boolean().default(false),
  })
  .default({ graceSeconds: keyGraceSeconds, revokeOld: false })
export type RotateAgentKey = z.output<typeof RotateAgentKey>

const AgentPath = z.strictObject({ agentId: idSchema('agent') })
/** 43 characters of base64url: a SHA-256. */
export const Thumbprint = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'is 43 characters of base64url')
const exampleAgentId = 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4'
const exampleThumbprint = 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'

export const rotateAgentKey = operation({
  id: 'rotateAgentKey',
  method: 'POST',
  path: '/api/v1/agents/:agentId/rotate-key',
  action: 'agents:rotate-key',
  summary: 'Gives an agent a new key; the one before logs in until its grace ends, or ends now with every session.',
  params: AgentPath,
  body: RotateAgentKey,
  status: 201,
  response: z.object({
    agentId: idSchema('agent'),
    key: AgentKey,
    /** The key that it takes the place of; null when there was none. */
    replaced: AgentKey.nullable(),
    /** PKCS#8 PEM, only when the server made the key, and only in this answer. */
    privateKey: z.string().optional(),
  }),
  secrets: ['privateKey'],
  problems: ['forbidden', 'not-found', 'wrong-state', 'already-exists', 'capability-exceeded'],
  example: { params: { agentId: exampleAgentId }, body: { graceSeconds: 3600 } },
})

export const listAgentKeys = operation({
  id: 'listAgentKeys',
  method: 'GET',
  path: '/api/v1/agents/:agentId/keys',
  action: 'agents:read',
  summary: 'Lists an agent’s public keys, the newest first, and says how often they were rotated.',
  params: AgentPath,
  status: 200,
  response: z.object({ keys: z.array(AgentKey), rotations: z.int() }),
  problems: ['forbidden', 'not-found'],
  example: { params: { agentId: exampleAgentId } },
})

export const revokeAgentKey = operation({
  id: 'revokeAgentKey',
  method: 'DELETE',
  path: '/api/v1/agents/:agentId/keys/:thumbprint',
  action: 'agents:revoke-key',
  summary: 'Ends a key at once, and every session of the agent with it: whoever had the key may have begun them.',
  params: z.strictObject({ ...AgentPath.shape, thumbprint: Thumbprint }),
  status: 200,
  response: AgentKey,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: { agentId: exampleAgentId, thumbprint: exampleThumbprint } },
})
