import { z } from 'zod'
import { ResourceType } from './authorization.ts'
import { idSchema, IdentityIdSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { Instant } from './text.ts'

/** Most in a minute: each is kept with its time, so that the minute is exact. */
export const perMinuteMax = 1_000_000
/** Most in an hour or a day: far beyond what one installation answers. */
const perLongerMax = 1_000_000_000

/** What requests have in common that are counted together. */
export const LimitDimension = z.enum(['tenant', 'identity', 'role', 'resource-type', 'address'])
export type LimitDimension = z.infer<typeof LimitDimension>

export const LimitSpan = z.enum(['minute', 'hour', 'day'])
export type LimitSpan = z.infer<typeof LimitSpan>

/** Each of them holds; what is null does not limit. */
const limits = {
  perMinute: z.int().min(1).max(perMinuteMax).nullable(),
  perHour: z.int().min(1).max(perLongerMax).nullable(),
  perDay: z.int().min(1).max(perLongerMax).nullable(),
}

const sentLimits = {
  perMinute: limits.perMinute.default(null),
  perHour: limits.perHour.default(null),
  perDay: limits.perDay.default(null),
}

type Limits = Readonly<Record<keyof typeof limits, number | null>>

const limitsSomething = ({ perMinute, perHour, perDay }: Limits) =>
  perMinute !== null || perHour !== null || perDay !== null
const nothingLimited = 'name at least one of perMinute, perHour and perDay'

export const RateLimit = z.object({
  rateLimitId: idSchema('rateLimit'),
  dimension: LimitDimension,
  /** Whom it is for; `*`: each that no other rule of the dimension names, by itself. */
  subject: z.string(),
  ...limits,
  /** Raised by every change; the same as the ETag. */
  revision: z.int(),
  createdBy: z.string(),
  createdAt: Instant,
  updatedAt: Instant,
})
export type RateLimit = z.infer<typeof RateLimit>

/** Longest subject: a resource type or an id. */
const subjectCharactersMax = 100
const each = z.literal('*')
const ipv6Network = z.cidrv6().refine((network) => network.endsWith('/64'))

/** Whom a rule may be for beside each by itself, and how that is said. */
const subjects: Readonly<Record<LimitDimension, readonly [z.ZodType, string]>> = {
  tenant: [each, 'is *: a tenant limits itself'],
  identity: [z.union([each, IdentityIdSchema]), 'is * or the id of an identity'],
  role: [z.union([each, idSchema('role'), z.string().regex(/^[a-z]{1,64}$/)]), 'is *, a built-in role or a role’s id'],
  'resource-type': [z.union([each, ResourceType]), 'is * or a type of resources'],
  address: [z.union([each, z.ipv4(), z.ipv6(), ipv6Network]), 'is * or an address; of IPv6, its /64 is meant'],
}

const RateLimitPath = z.strictObject({ rateLimitId: idSchema('rateLimit') })
const examplePath = { rateLimitId: 'lim_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const

export const createRateLimit = operation({
  id: 'createRateLimit',
  method: 'POST',
  path: '/api/v1/rate-limits',
  action: 'limits:create',
  summary:
    'Limits how often requests may come, by tenant, identity, role, resource type or address. In force within a second.',
  body: z
    .strictObject({
      dimension: LimitDimension,
      subject: z.string().max(subjectCharactersMax).default('*'),
      ...sentLimits,
    })
    .refine(limitsSomething, nothingLimited)
    .superRefine(({ dimension, subject }, refinement) => {
      const [schema, message] = subjects[dimension]
      if (!schema.safeParse(subject).success) refinement.addIssue({ code: 'custom', path: ['subject'], message })
    }),
  status: 201,
  response: RateLimit,
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'already-exists', 'quota-spent'],
  example: { body: { dimension: 'role', subject: 'viewer', perMinute: 100, perHour: 1000 } },
})

export const listRateLimits = operation({
  id: 'listRateLimits',
  method: 'GET',
  path: '/api/v1/rate-limits',
  action: 'limits:read',
  summary: 'Lists the tenant’s limits on requests, the first made first.',
  query: z.strictObject({ ...pageQuery, dimension: LimitDimension.optional() }),
  status: 200,
  response: z.object({ rateLimits: z.array(RateLimit), nextCursor }),
  problems: ['forbidden'],
  example: { query: { dimension: 'role' } },
})

export const getRateLimit = operation({
  id: 'getRateLimit',
  method: 'GET',
  path: '/api/v1/rate-limits/:rateLimitId',
  action: 'limits:read',
  summary: 'Returns one limit on requests.',
  params: RateLimitPath,
  status: 200,
  response: RateLimit,
  hasRevision: true,
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

export const updateRateLimit = operation({
  id: 'updateRateLimit',
  method: 'PUT',
  path: '/api/v1/rate-limits/:rateLimitId',
  action: 'limits:update',
  summary: 'Sets how many requests a limit lets through; for whom it is stays. What was counted counts on.',
  params: RateLimitPath,
  body: z.strictObject(sentLimits).refine(limitsSomething, nothingLimited),
  status: 200,
  response: RateLimit,
  hasRevision: true,
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath, body: { perMinute: 200 } },
})

export const deleteRateLimit = operation({
  id: 'deleteRateLimit',
  method: 'DELETE',
  path: '/api/v1/rate-limits/:rateLimitId',
  action: 'limits:delete',
  summary: 'Removes a limit on requests; whom it was for is limited by the next less specific one, if there is one.',
  params: RateLimitPath,
  status: 200,
  response: z.object({ rateLimitId: idSchema('rateLimit') }),
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

/** How it stands with one of the limits that hold for the caller. */
const Window = z.object({
  /** `requests`, of which a bulk counts as its items; `log-bytes`: what they added to the log. */
  measure: z.enum(['requests', 'log-bytes']),
  dimension: LimitDimension,
  subject: z.string(),
  span: LimitSpan,
  limit: z.int(),
  remaining: z.int(),
  /** When more is left than now; null while nothing is used. */
  moreAt: Instant.nullable(),
})

export const getRateLimitUsage = operation({
  id: 'getRateLimitUsage',
  method: 'GET',
  path: '/api/v1/rate-limits/usage',
  action: 'self',
  selfAction: 'own-limits:read',
  summary: 'Tells which limits on requests hold for the caller, and how much of each is left.',
  status: 200,
  response: z.object({ limits: z.array(Window) }),
  problems: ['forbidden'],
  example: {},
})
