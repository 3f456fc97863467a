import { z } from 'zod'
import { Tokens } from './auth.ts'
import { CapabilityEntry, capabilitiesMax, parseGrant } from './capabilities.ts'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { Instant, Name } from './text.ts'

/** active: its tokens are good. revoked: ended by somebody. expired: it lasts 90 days. */
export const SdkTokenStatus = z.enum(['active', 'revoked', 'expired'])
export type SdkTokenStatus = z.infer<typeof SdkTokenStatus>

/** Most SDK tokens of one person that are active at once: more devices than anyone has. */
export const sdkTokensMax = 100

export const SdkToken = z.object({
  sdkTokenId: idSchema('sdkToken'),
  userId: idSchema('user'),
  device: z.string(),
  /** The capability entries that it is narrowed to; null: all that the person holds. */
  scopes: z.array(z.string()).nullable(),
  status: SdkTokenStatus,
  /** The session behind it; another one after each recovery. */
  sessionId: idSchema('session'),
  createdAt: Instant,
  expiresAt: Instant,
  revokedAt: Instant.nullable(),
  recoveredAt: Instant.nullable(),
  /** To the minute. */
  lastUsedAt: Instant.nullable(),
  /** How often its refresh token was traded for the next. */
  uses: z.int(),
})
export type SdkToken = z.infer<typeof SdkToken>

/** With its tokens, told once: the refresh token is traded for the next with each use. */
const SdkTokenWithSecrets = SdkToken.extend(Tokens.shape)
const secrets = ['accessToken', 'refreshToken']

const SdkTokenPath = z.strictObject({ sdkTokenId: idSchema('sdkToken') })
const examplePath = { sdkTokenId: 'sdk_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const

const Scope = CapabilityEntry.refine((entry) => parseGrant(entry) !== undefined, 'grants nothing; use type:action')

export const createSdkToken = operation({
  id: 'createSdkToken',
  method: 'POST',
  path: '/api/v1/sdk/tokens',
  action: 'self',
  selfAction: 'own-sdk-tokens:create',
  summary: 'Gives a device of the calling person tokens of its own for 90 days, narrowed to `scopes` if there are any.',
  body: z.strictObject({
    device: Name,
    scopes: z.array(Scope).max(capabilitiesMax).optional(),
  }),
  status: 201,
  response: SdkTokenWithSecrets,
  secrets,
  problems: ['forbidden', 'capability-exceeded', 'quota-spent'],
  example: { body: { device: 'laptop', scopes: ['agent-iam/agents*:read'] } },
})

export const listSdkTokens = operation({
  id: 'listSdkTokens',
  method: 'GET',
  path: '/api/v1/sdk/tokens',
  action: 'self',
  selfAction: 'own-sdk-tokens:read',
  summary: 'Lists the caller’s SDK tokens, newest first, never their secrets.',
  query: z.strictObject(pageQuery),
  status: 200,
  response: z.object({ sdkTokens: z.array(SdkToken), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

export const countSdkTokens = operation({
  id: 'countSdkTokens',
  method: 'GET',
  path: '/api/v1/sdk/tokens/count',
  action: 'self',
  selfAction: 'own-sdk-tokens:read',
  summary: 'Counts the caller’s SDK tokens.',
  status: 200,
  response: z.object({ active: z.int(), revoked: z.int(), expired: z.int(), total: z.int() }),
  problems: ['forbidden'],
  example: {},
})

export const getSdkToken = operation({
  id: 'getSdkToken',
  method: 'GET',
  path: '/api/v1/sdk/tokens/:sdkTokenId',
  action: 'self',
  selfAction: 'own-sdk-tokens:read',
  summary: 'Shows one of the caller’s SDK tokens: its device, last use and status.',
  params: SdkTokenPath,
  status: 200,
  response: SdkToken,
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

export const revokeSdkToken = operation({
  id: 'revokeSdkToken',
  method: 'DELETE',
  path: '/api/v1/sdk/tokens/:sdkTokenId',
  action: 'self',
  selfAction: 'own-sdk-tokens:revoke',
  summary: 'Ends an SDK token and all tokens of it, at once, on every instance.',
  params: SdkTokenPath,
  status: 200,
  response: SdkToken,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath },
})

export const revokeAllSdkTokens = operation({
  id: 'revokeAllSdkTokens',
  method: 'DELETE',
  path: '/api/v1/sdk/tokens',
  action: 'self',
  selfAction: 'own-sdk-tokens:revoke',
  summary: 'Ends all of the caller’s SDK tokens.',
  status: 200,
  response: z.object({ revoked: z.int() }),
  problems: ['forbidden'],
  example: {},
})

export const recoverSdkToken = operation({
  id: 'recoverSdkToken',
  method: 'POST',
  path: '/api/v1/sdk/tokens/:sdkTokenId/recover',
  action: 'self',
  selfAction: 'own-sdk-tokens:recover',
  summary: 'Gives the device of an SDK token, revoked or lost, new tokens; the person must have logged in otherwise.',
  params: SdkTokenPath,
  status: 200,
  response: SdkTokenWithSecrets,
  secrets,
  problems: ['forbidden', 'not-found', 'capability-exceeded', 'quota-spent'],
  example: { params: examplePath },
})
