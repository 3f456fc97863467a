import { z } from 'zod'
import { RiskLevel, TrustBasis } from './agents.ts'
import { idSchema, IdentityIdSchema } from './ids.ts'
import { OpenObject } from './json.ts'
import { operation } from './operation.ts'
import { FreeText, Sha256 } from './text.ts'

/** Longest resource, type and id together. */
export const resourceCharactersMax = 1024

const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => value.isWellFormed() && !value.includes('\u0000'), 'holds a NUL or half a character')

/** What is done, such as `read`. A colon would make it look like one of the platform's own actions. */
export const ActionName = text(100).refine((value) => !value.includes(':'), 'may not hold a colon')

/** A kind of resource, as the tenant names it. */
export const ResourceType = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'is 1 to 64 letters, digits, dots, dashes or underscores')

/** `type`, `type/id` (the id is all after the first slash), or both apart. */
export const ResourceReference = z.union([
  text(resourceCharactersMax),
  z.strictObject({ type: ResourceType, id: text(resourceCharactersMax) }),
])

/** An entity in Cedar's spelling: `AgentIam::Agent::"agt_…"`, or its parts. */
export const EntityReference = z.union([
  text(resourceCharactersMax + 100),
  z.strictObject({ type: text(100), id: text(resourceCharactersMax + 100) }),
])

const Context = OpenObject.default({})

/** What is asked, in the product's words. Without `agentId` and `subjectToken` the caller asks for itself. */
export const PlainCheck = z.strictObject({
  agentId: IdentityIdSchema.optional(),
  resource: ResourceReference,
  action: ActionName,
  context: Context,
  /** The token presented to an enforcement point, which then asks for its holder. */
  subjectToken: z.string().max(8192).optional(),
})

/** The same question in Cedar's words. */
export const CedarCheck = z.strictObject({
  principal: EntityReference,
  action: EntityReference,
  resource: EntityReference,
  context: Context,
})

/** Where an event lies in the audit log. */
export const AuditRecord = z.object({ log: idSchema('log'), sequence: z.int(), leafHash: Sha256 })
export type AuditRecord = z.infer<typeof AuditRecord>

export const DecisionReason = z.object({
  /** A policy of the tenant (`pol_…`) or of the system (`system:…`). */
  policyId: z.string(),
  title: z.string(),
  effect: z.enum(['permit', 'forbid']),
})
export type DecisionReason = z.infer<typeof DecisionReason>

export const Decision = z.object({
  allowed: z.boolean(),
  decision: z.enum(['allow', 'deny']),
  reason: z.string(),
  reasons: z.array(DecisionReason),
  /** Whose rights were intersected, from the root to who acts; absent where only one was asked for. */
  chain: z.array(IdentityIdSchema).optional(),
  /** Of a deny along a chain: who lacked the right; hop 0 is who acts. */
  deniedBy: z.object({ identityId: IdentityIdSchema, hop: z.int() }).optional(),
  /** Null for users and services. */
  trustScore: z.number().nullable(),
  riskLevel: RiskLevel.nullable(),
  trustBasis: TrustBasis.nullable(),
  /** `token`: the acting identity's own token was verified. `identity`: only its id was named. */
  basis: z.enum(['token', 'identity']),
  requestId: z.string(),
  decisionId: idSchema('decision'),
  record: AuditRecord,
})
export type Decision = z.infer<typeof Decision>

export const check = operation({
  id: 'check',
  method: 'POST',
  path: '/api/v1/authz/check',
  action: 'self',
  summary:
    'Decides whether an identity may do something, with reasons; the answer’s record is durable before it is sent.',
  body: z.union([PlainCheck, CedarCheck]),
  status: 200,
  response: Decision,
  problems: ['forbidden', 'not-found', 'invalid-token'],
  example: { body: { resource: 'file/docs/guide.md', action: 'read', context: { purpose: 'indexing' } } },
})

export const reportResult = operation({
  id: 'reportResult',
  method: 'POST',
  path: '/api/v1/authz/decisions/:decisionId/result',
  action: 'self',
  summary: 'Reports how an allowed action ended: once, within a day, by the identity that asked.',
  params: z.strictObject({ decisionId: idSchema('decision') }),
  body: z.strictObject({
    outcome: z.enum(['success', 'failure']),
    durationMs: z.number().min(0).max(86_400_000),
    error: FreeText.optional(),
  }),
  status: 201,
  response: z.object({ decisionId: idSchema('decision'), record: AuditRecord }),
  problems: ['not-found', 'wrong-state'],
  example: {
    params: { decisionId: 'dec_0198c5a1f3e07b2c8d4e6f708192a3b4' },
    body: { outcome: 'success', durationMs: 12 },
  },
})
