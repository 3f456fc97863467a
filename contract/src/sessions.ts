import { z } from 'zod'
import { Tokens } from './auth.ts'
import { IdentityIdSchema, idSchema } from './ids.ts'
import { OpenObject } from './json.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { Instant } from './text.ts'

/** How long a session may be refreshed: who comes back later logs in again. */
export const sessionSecondsMax = 12 * 3600
/** Shorter than this, a session would end before its first use. */
export const sessionSecondsMin = 60

/** Most text of a session's metadata: a page of sessions stays well under a megabyte. */
const metadataCharactersMax = 4000

const SessionMetadata = OpenObject.refine(
  (metadata) => JSON.stringify(metadata).length <= metadataCharactersMax,
  `is longer than ${metadataCharactersMax} characters`,
)

/** active: its tokens are good. ended: by somebody. expired: by itself. */
export const SessionStatus = z.enum(['active', 'ended', 'expired'])
export type SessionStatus = z.infer<typeof SessionStatus>

export const Session = z.object({
  sessionId: idSchema('session'),
  identityId: IdentityIdSchema,
  agentId: idSchema('agent').optional(),
  userId: idSchema('user').optional(),
  serviceId: idSchema('service').optional(),
  status: SessionStatus,
  /** How the identity was proved, such as `password` or `signature`. */
  method: z.string(),
  /** The session whose token began this one; it ends with that one. */
  parentSessionId: idSchema('session').nullable(),
  /** The OAuth client that holds the session; null where the identity itself does. */
  clientId: z.string().nullable(),
  /** The capability entries that it is narrowed to; null: all that the identity holds. */
  scope: z.array(z.string()).nullable(),
  device: z.string().nullable(),
  metadata: OpenObject,
  startTime: Instant,
  expiresAt: Instant,
  endedAt: Instant.nullable(),
  endReason: z.string().nullable(),
  /** Stored once a minute. */
  lastUsedAt: Instant.nullable(),
})
export type Session = z.infer<typeof Session>

const SessionPath = z.strictObject({ sessionId: idSchema('session') })
const examplePath = { sessionId: 'ses_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const
const exampleAgentId = 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4'

export const createSession = operation({
  id: 'createSession',
  method: 'POST',
  path: '/api/v1/sessions',
  action: 'self',
  selfAction: 'own-sessions:create',
  summary: 'Begins another session of the calling agent, with what its present one may do, no longer than that lasts.',
  body: z.strictObject({
    /** The caller: nobody acts as an agent but it. */
    agentId: idSchema('agent'),
    /** Seconds. */
    duration: z.int().min(sessionSecondsMin).max(sessionSecondsMax).default(3600),
    metadata: SessionMetadata.default({}),
  }),
  status: 201,
  response: Session.extend(Tokens.shape),
  secrets: ['accessToken', 'refreshToken'],
  signsTokens: true,
  problems: ['forbidden', 'quota-spent'],
  example: { body: { agentId: exampleAgentId, duration: 3600, metadata: { purpose: 'data-query' } } },
})

const identityFilters = ['agentId', 'userId', 'serviceId', 'identityId'] as const

export const listSessions = operation({
  id: 'listSessions',
  method: 'GET',
  path: '/api/v1/sessions',
  action: 'sessions:read',
  summary: 'Lists sessions, newest first: the caller’s and its agents’; with `sessions:read`, everybody’s.',
  query: z
    .strictObject({
      ...pageQuery,
      agentId: idSchema('agent').optional(),
      userId: idSchema('user').optional(),
      serviceId: idSchema('service').optional(),
      identityId: IdentityIdSchema.optional(),
      status: SessionStatus.optional(),
    })
    .refine(
      (query) => identityFilters.filter((name) => query[name] !== undefined).length <= 1,
      `give one of ${identityFilters.join(', ')}`,
    ),
  status: 200,
  response: z.object({
    sessions: z.array(Session),
    /** How many there are on all pages together. */
    total: z.int(),
    nextCursor,
  }),
  problems: ['forbidden'],
  example: { query: { agentId: exampleAgentId, status: 'active' } },
})

export const getSessionStatistics = operation({
  id: 'getSessionStatistics',
  method: 'GET',
  path: '/api/v1/sessions/statistics',
  action: 'sessions:read',
  summary: 'Counts sessions by status, kind of identity and method; those that ended over 30 days ago are forgotten.',
  status: 200,
  response: z.object({
    byStatus: z.record(SessionStatus, z.int()),
    /** Active ones. */
    byKind: z.record(z.enum(['user', 'service', 'agent']), z.int()),
    /** Active ones. */
    byMethod: z.record(z.string(), z.int()),
    /** The agents with most active sessions. */
    busiestAgents: z.array(z.object({ agentId: idSchema('agent'), active: z.int() })),
    startedInLastDay: z.int(),
  }),
  problems: ['forbidden'],
  example: {},
})

export const getSession = operation({
  id: 'getSession',
  method: 'GET',
  path: '/api/v1/sessions/:sessionId',
  action: 'sessions:read',
  summary: 'Shows one session.',
  params: SessionPath,
  status: 200,
  response: Session,
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

export const refreshSession = operation({
  id: 'refreshSession',
  method: 'POST',
  path: '/api/v1/sessions/:sessionId/refresh',
  action: 'public',
  bindsTokens: true,
  summary: 'Trades the refresh token of this session, once, for new tokens; the session ends when it would have.',
  params: SessionPath,
  body: z.strictObject({ refreshToken: z.string().max(200) }),
  status: 200,
  response: Tokens,
  problems: ['invalid-token', 'token-revoked', 'identity-inactive'],
  example: { params: examplePath, body: { refreshToken: 'rft_uE8wmXQh7kq1ZBvS3nTt0cYfLJd5a2oRGyPHb9KxVis' } },
})

export const updateSessionMetadata = operation({
  id: 'updateSessionMetadata',
  method: 'PATCH',
  path: '/api/v1/sessions/:sessionId/metadata',
  action: 'sessions:update',
  summary: 'Replaces the metadata of an active session.',
  params: SessionPath,
  body: z.strictObject({ metadata: SessionMetadata }),
  status: 200,
  response: Session,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath, body: { metadata: { purpose: 'data-query', location: 'cloud-region-1' } } },
})

export const endSession = operation({
  id: 'endSession',
  method: 'DELETE',
  path: '/api/v1/sessions/:sessionId',
  action: 'sessions:end',
  summary: 'Ends a session and those begun with its tokens, at once, on every instance.',
  params: SessionPath,
  status: 200,
  response: Session,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath },
})

export const endAgentSessions = operation({
  id: 'endAgentSessions',
  method: 'DELETE',
  path: '/api/v1/agents/:agentId/sessions',
  action: 'sessions:end',
  summary: 'Ends every session of an agent, at once, on every instance; its API keys keep theirs.',
  params: z.strictObject({ agentId: idSchema('agent') }),
  status: 200,
  response: z.object({ agentId: idSchema('agent'), ended: z.int() }),
  problems: ['forbidden', 'not-found'],
  example: { params: { agentId: exampleAgentId } },
})
