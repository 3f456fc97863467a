import { z } from 'zod'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { Instant, SearchText, Sha256 } from './text.ts'

/** Most leaves of one page: a thousand leaves are well under a megabyte. */
export const leavesMax = 1000

/** Most rows that are compared at once: a tenth of a second on a machine that does nothing else. */
export const comparedMax = 2000
/** Most differences that one answer lists. */
export const differencesMax = 100
/** What opens the personal fields of events: a right beside that of reading the log, whose operations do not need it. */
export const readPersonalAction = 'audit:read-personal'

export const AuditEvent = z.object({
  log: idSchema('log'),
  sequence: z.int(),
  leafHash: Sha256,
  id: idSchema('event'),
  type: z.string(),
  at: Instant,
  /** Who acted: an identity's id, `anonymous` or `system`. */
  actor: z.string(),
  /** The identities from the root to the one that acted. */
  chain: z.array(z.string()),
  action: z.string().nullable(),
  resource: z.string().nullable(),
  decision: z.enum(['allow', 'deny']).nullable(),
  /** Policy ids, or the code of a refusal. */
  reasons: z.array(z.string()),
  requestId: z.string().nullable(),
  decisionId: z.string().nullable(),
  traceId: z.string().nullable(),
  /** The session in which the actor acted; at a login, the one that it started. Null in events of version 1. */
  session: z.string().nullable(),
  /** What authenticated the actor: the id of an API key, an SDK token, an enrolment token, a secret or a passkey, or the thumbprint of a key or certificate. */
  credential: z.string().nullable(),
  /** The OAuth client that acted for the actor. */
  client: z.string().nullable(),
  data: z.record(z.string(), z.json()),
  /** The sealed fields, opened; null unless `personalState` is `opened`. */
  personal: z.record(z.string(), z.json()).nullable(),
  /**
   * `none`: the event has no personal fields. `sealed`: the caller does not have the right `agent-iam/audit:read-personal`.
   * `erased`: the key of the data subject was destroyed.
   */
  personalState: z.enum(['none', 'opened', 'sealed', 'erased']),
})
export type AuditEvent = z.infer<typeof AuditEvent>

export const AuditHead = z.object({
  log: idSchema('log'),
  /** How many events the log holds; the last one's sequence is one less. */
  size: z.int(),
  /** SHA-256 over all leaf hashes so far: chain(n) = SHA-256(chain(n−1) ‖ leafHash(n)); 32 zero bytes before the first. */
  chain: Sha256,
  epoch: z.int(),
})
export type AuditHead = z.infer<typeof AuditHead>

export const listAuditEvents = operation({
  id: 'listAuditEvents',
  cost: { base: 5 },
  method: 'GET',
  path: '/api/v1/audit/logs',
  action: 'audit:read',
  summary: 'Lists events, newest first, by any of the filters together.',
  query: z.strictObject({
    ...pageQuery,
    type: SearchText(100).optional(),
    actor: SearchText(100).optional(),
    resource: SearchText(1200).optional(),
    decision: z.enum(['allow', 'deny']).optional(),
    decisionId: idSchema('decision').optional(),
    requestId: SearchText(100).optional(),
    since: Instant.optional(),
    until: Instant.optional(),
  }),
  status: 200,
  response: z.object({ events: z.array(AuditEvent), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20, decision: 'deny' } },
})

export const getAuditHead = operation({
  id: 'getAuditHead',
  method: 'GET',
  path: '/api/v1/audit/head',
  action: 'audit:read',
  summary: 'Shows how long the log is and the hash of its chain.',
  status: 200,
  response: AuditHead,
  problems: ['forbidden'],
  example: {},
})

export const listAuditLeaves = operation({
  id: 'listAuditLeaves',
  cost: { base: 5 },
  method: 'GET',
  path: '/api/v1/audit/leaves',
  action: 'audit:read',
  summary: 'Gives the stored bytes of each event in order, for a verifier that recomputes every hash itself.',
  query: z.strictObject({
    /** The sequence to begin with. */
    from: z.coerce.number().int().min(0).default(0),
    limit: z.coerce.number().int().min(1).max(leavesMax).default(leavesMax),
  }),
  status: 200,
  response: z.object({
    head: AuditHead,
    leaves: z.array(z.object({ sequence: z.int(), leaf: z.base64(), leafHash: Sha256, chain: Sha256 })),
  }),
  problems: ['forbidden'],
  example: { query: { from: 0, limit: 100 } },
})

export const listAuditDifferences = operation({
  id: 'listAuditDifferences',
  method: 'GET',
  path: '/api/v1/audit/differences',
  action: 'audit:read',
  summary: 'Compares the columns that searches use with the stored bytes of each event, and lists what differs.',
  query: z.strictObject({
    /** The sequence to begin with. */
    from: z.coerce.number().int().min(0).default(0),
    limit: z.coerce.number().int().min(1).max(comparedMax).default(comparedMax),
  }),
  status: 200,
  response: z.object({
    head: AuditHead,
    /** The sequence to go on with; null when the end of the log was reached. */
    next: z.int().nullable(),
    /** In the order of sequences, the first hundred. */
    differences: z.array(z.object({ sequence: z.int(), column: z.string() })),
  }),
  problems: ['forbidden'],
  example: { query: { from: 0, limit: 100 } },
})
