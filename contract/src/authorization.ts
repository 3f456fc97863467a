import { z } from 'zod'
import { RiskLevel, TrustBasis } from './agents.ts'
import { idSchema, IdentityIdSchema } from './ids.ts'
import { OpenObject, ParsedJson } from './json.ts'
import { operation } from './operation.ts'
import { nextCursor } from './pages.ts'
import { ProblemDocument } from './problems.ts'
import { FreeText, Sha256 } from './text.ts'

/** Longest resource, type and id together. */
export const resourceCharactersMax = 1024

/** Text that means something to callers, and that the log can keep. */
export const CallersText = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => value.isWellFormed() && !value.includes('\u0000'), 'holds a NUL or half a character')

/** What is done, such as `read`. A colon would make it look like one of the platform's own actions. */
export const ActionName = CallersText(100).refine((value) => !value.includes(':'), 'may not hold a colon')

/** A kind of resource, as the tenant names it. */
export const ResourceType = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'is 1 to 64 letters, digits, dots, dashes or underscores')

/** `type`, `type/id` (the id is all after the first slash), or both apart. */
export const ResourceReference = z.union([
  CallersText(resourceCharactersMax),
  z.strictObject({ type: ResourceType, id: CallersText(resourceCharactersMax) }),
])

/** An entity in Cedar's spelling: `AgentIam::Agent::"agt_…"`, or its parts. */
export const EntityReference = z.union([
  CallersText(resourceCharactersMax + 100),
  z.strictObject({ type: CallersText(100), id: CallersText(resourceCharactersMax + 100) }),
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

/** A grant, or a permission of a role, that covers what was asked, but under conditions that are not met. */
export const UnmetPermission = z.object({
  source: z.enum(['grant', 'role']),
  /** The id of the grant or of the role; a built-in role has its name for one. */
  id: z.string(),
  /** The capability of the grant, or the name of the role. */
  title: z.string(),
  conditions: z.array(z.enum(['timeWindow', 'addresses', 'resourcePrefix', 'quota'])),
})
export type UnmetPermission = z.infer<typeof UnmetPermission>

export const DecisionReason = z.object({
  /** A policy of the tenant (`pol_…`) or of the system (`system:…`). */
  policyId: z.string(),
  title: z.string(),
  effect: z.enum(['permit', 'forbid']),
  /** Of an allow: the roles of who acts whose permissions cover it. */
  roles: z.array(z.object({ id: z.string(), name: z.string() })).optional(),
  /**
   * Of a deny because nothing permits it: what of who acts covers it, but only under conditions that are not met. The
   * conditions are named; their values are not included.
   */
  unmet: z.array(UnmetPermission).optional(),
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

/** What became of one policy in a decision. */
export const ExplainedPolicy = z.object({
  policyId: z.string(),
  title: z.string(),
  effect: z.enum(['permit', 'forbid']),
  /** `out-of-scope`: its head names another principal, action or resource. */
  result: z.enum(['matched', 'not-matched', 'error', 'out-of-scope']),
  /** What it reads. Without the permission `decisions:explain` only the paths are told, not what stood there. */
  values: z.array(
    z.object({
      path: z.string(),
      value: z.json().optional(),
      isAbsent: z.literal(true).optional(),
      redacted: z.literal(true).optional(),
    }),
  ),
})
export type ExplainedPolicy = z.infer<typeof ExplainedPolicy>

/** How a decision came about, hop by hop: who acts is hop 0. */
export const Explanation = z.object({
  hops: z.array(
    z.object({
      hop: z.int(),
      identityId: IdentityIdSchema,
      decision: z.enum(['allow', 'deny']),
      reasons: z.array(DecisionReason),
      policies: z.array(ExplainedPolicy),
      /** Policies beyond those that are told. */
      untold: z.int(),
    }),
  ),
})
export type Explanation = z.infer<typeof Explanation>

/** What a search counts against limits: a page of it takes as many decisions as some dozen checks. */
export const searchCost = 20

/** Most checks in one request. */
export const bulkChecksMax = 100

const explain = z.strictObject({ explain: z.enum(['true', 'false']).default('false') })

/** With `?explain=true`, how it came about. */
export const ExplainedDecision = Decision.extend({ explanation: Explanation.optional() })
export type ExplainedDecision = z.infer<typeof ExplainedDecision>

export const check = operation({
  id: 'check',
  cost: { explained: 10 },
  method: 'POST',
  path: '/api/v1/authz/check',
  action: 'self',
  selfAction: 'decisions:check',
  summary:
    'Decides whether an identity may do something, with reasons; the answer’s record is durable before it is sent.',
  query: explain,
  body: z.union([PlainCheck, CedarCheck]),
  status: 200,
  response: ExplainedDecision,
  problems: ['forbidden', 'not-found', 'invalid-token'],
  example: { query: {}, body: { resource: 'file/docs/guide.md', action: 'read', context: { purpose: 'indexing' } } },
})

export const bulkCheck = operation({
  id: 'bulkCheck',
  cost: { each: { field: 'checks', most: bulkChecksMax }, explained: 4 },
  method: 'POST',
  path: '/api/v1/authz/bulk-check',
  action: 'self',
  selfAction: 'decisions:check',
  summary: `Decides up to ${bulkChecksMax} checks, each by itself and with a record of its own; answers in their order.`,
  query: explain,
  // Checks are read one by one, so that a bad one harms no other.
  body: z.strictObject({
    checks: z
      .array(z.union([PlainCheck, CedarCheck, z.record(z.string(), ParsedJson)]))
      .min(1)
      .max(bulkChecksMax),
  }),
  // A check may hold a token.
  bodyBytesMax: 1_048_576,
  status: 200,
  response: z.object({
    results: z.array(
      z.object({
        /** What the check would have been answered with by itself. */
        status: z.int(),
        decision: ExplainedDecision.optional(),
        problem: ProblemDocument.optional(),
      }),
    ),
  }),
  problems: ['forbidden'],
  example: {
    query: {},
    body: {
      checks: [
        { resource: 'file/docs/guide.md', action: 'read' },
        { resource: 'file/docs/guide.md', action: 'write' },
      ],
    },
  },
})

const WhoCan = z.strictObject({
  action: ActionName,
  resource: ResourceReference,
  context: Context,
  kind: z.enum(['user', 'service', 'agent']).optional(),
  limit: z.int().min(1).max(50).default(50),
  cursor: z.string().max(2000).optional(),
})
export type WhoCan = z.output<typeof WhoCan>

const WhoCanAnswer = z.object({
  identities: z.array(
    z.object({
      identityId: IdentityIdSchema,
      kind: z.enum(['user', 'service', 'agent']),
      name: z.string(),
      reasons: z.array(DecisionReason),
      trustScore: z.number().nullable(),
      riskLevel: RiskLevel.nullable(),
    }),
  ),
  /** How many were decided for this page; a page may hold few of them, even none, and others follow. */
  decided: z.int(),
  nextCursor,
})
export type WhoCanAnswer = z.infer<typeof WhoCanAnswer>

export const whoCan = operation({
  id: 'whoCan',
  cost: { base: searchCost },
  method: 'POST',
  path: '/api/v1/authz/who-can',
  action: 'decisions:search',
  summary: 'Lists the identities that may do something to a resource, and by what, each of them decided.',
  body: WhoCan,
  status: 200,
  response: WhoCanAnswer,
  problems: ['forbidden'],
  example: { body: { action: 'read', resource: 'file/docs/guide.md' } },
})

export const reportResult = operation({
  id: 'reportResult',
  method: 'POST',
  path: '/api/v1/authz/decisions/:decisionId/result',
  action: 'self',
  selfAction: 'decisions:report',
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
