import { z } from 'zod'
import { CapabilityEntry, capabilitiesMax } from './capabilities.ts'
import { IdentityIdSchema, idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { Instant, Name } from './text.ts'

const day = 86_400
/** Most agents that one enrolment token may register. */
export const enrolmentQuotaMax = 10_000
/** Longest life of an enrolment token. */
export const enrolmentSecondsMax = 30 * day

export const EnrolmentToken = z.object({
  enrolmentTokenId: idSchema('enrolmentToken'),
  name: z.string(),
  owner: IdentityIdSchema,
  /** Agent types it may register; empty: any. */
  allowedTypes: z.array(z.string()),
  /** Grants that lie within these may be asked for. */
  ceiling: z.array(z.string()),
  quota: z.int(),
  used: z.int(),
  createdAt: Instant,
  expiresAt: Instant,
  revokedAt: Instant.nullable(),
})
export type EnrolmentToken = z.infer<typeof EnrolmentToken>

export const createEnrolmentToken = operation({
  id: 'createEnrolmentToken',
  method: 'POST',
  path: '/api/v1/enrolment-tokens',
  action: 'enrolment-tokens:create',
  summary:
    'Makes a token that registers agents, within a ceiling, a quota and a time; the caller owns what it registers.',
  body: z.strictObject({
    name: Name,
    allowedTypes: z
      .array(z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/))
      .max(20)
      .default([]),
    ceiling: z.array(CapabilityEntry).max(capabilitiesMax).default([]),
    quota: z.int().min(1).max(enrolmentQuotaMax).default(10),
    ttlSeconds: z.int().min(60).max(enrolmentSecondsMax).default(day),
  }),
  status: 201,
  response: EnrolmentToken.extend({
    /** The token itself, only in this answer: send it as `Authorization: Bearer enr_…` to register agents. */
    token: z.string(),
  }),
  secrets: ['token'],
  problems: ['forbidden', 'capability-exceeded'],
  example: { body: { name: 'build farm', ceiling: ['file/docs/*:read'], quota: 20 } },
})

export const listEnrolmentTokens = operation({
  id: 'listEnrolmentTokens',
  method: 'GET',
  path: '/api/v1/enrolment-tokens',
  action: 'enrolment-tokens:read',
  summary: 'Lists enrolment tokens, newest first, never their secrets.',
  query: z.strictObject(pageQuery),
  status: 200,
  response: z.object({ enrolmentTokens: z.array(EnrolmentToken), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

export const revokeEnrolmentToken = operation({
  id: 'revokeEnrolmentToken',
  method: 'DELETE',
  path: '/api/v1/enrolment-tokens/:enrolmentTokenId',
  action: 'enrolment-tokens:revoke',
  summary: 'Ends an enrolment token; with `agents=revoke`, every agent that it registered as well.',
  params: z.strictObject({ enrolmentTokenId: idSchema('enrolmentToken') }),
  query: z.strictObject({ agents: z.enum(['keep', 'revoke']).default('keep') }),
  status: 200,
  response: z.object({ enrolmentToken: EnrolmentToken, revokedAgents: z.int() }),
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: { enrolmentTokenId: 'ent_0198c5a1f3e07b2c8d4e6f708192a3b4' }, query: { agents: 'keep' } },
})
