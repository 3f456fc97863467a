import { z } from 'zod'
import { CapabilityEntry, capabilitiesMax } from './capabilities.ts'
import { IdentityIdSchema, idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { Instant, Name } from './text.ts'

/** What an API key begins with. */
export const apiKeyPrefix = 'aik_'
/** How much of a key is shown afterwards: its prefix and 48 bits, which tell keys apart and give nothing away. */
export const apiKeyShownCharacters = 12
/** Longest life of a key: who needs it for longer rotates it. */
export const apiKeyDaysMax = 365
/** Longest time for which the secret before still works after a rotation. */
export const apiKeyGraceSecondsMax = 86_400
/** Keys of one identity that have not ended: enough for a key a program. */
export const apiKeysMax = 50

export const ApiKey = z.object({
  apiKeyId: idSchema('apiKey'),
  name: z.string(),
  /** The first characters of the key, to tell it by. */
  prefix: z.string(),
  /** Whose key it is: who acts with it. */
  identityId: IdentityIdSchema,
  /** Who made it. */
  owner: IdentityIdSchema,
  /** What it is narrowed to; null: all that the identity holds. */
  scopes: z.array(z.string()).nullable(),
  status: z.enum(['active', 'disabled', 'expired', 'deleted']),
  createdAt: Instant,
  expiresAt: Instant,
  /** To the minute. */
  lastUsedAt: Instant.nullable(),
})
export type ApiKey = z.infer<typeof ApiKey>

const secret = {
  /** The key itself, only in this answer: send it as `Authorization: Bearer aik_…` or `X-API-Key: aik_…`. */
  key: z.string(),
}
const KeyPath = z.strictObject({ apiKeyId: idSchema('apiKey') })
const examplePath = { apiKeyId: 'apk_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const

export const CreateApiKey = z.strictObject({
  name: Name,
  /** Capability entries within what the identity and the caller hold; absent: all of it. */
  scopes: z.array(CapabilityEntry).min(1).max(capabilitiesMax).optional(),
  expiresInDays: z.int().min(1).max(apiKeyDaysMax).default(90),
  /** A service or an agent of the caller's that will act with the key; absent: the caller itself. */
  for: z.union([idSchema('service'), idSchema('agent')]).optional(),
})
export type CreateApiKey = z.output<typeof CreateApiKey>

export const createApiKey = operation({
  id: 'createApiKey',
  method: 'POST',
  path: '/api/v1/api-keys',
  action: 'self',
  selfAction: 'own-api-keys:create',
  summary: 'Makes an API key for the caller, or for a service or an agent that it owns. The key is told once.',
  body: CreateApiKey,
  status: 201,
  response: ApiKey.extend(secret),
  secrets: ['key'],
  problems: ['forbidden', 'insufficient-scope', 'not-found', 'capability-exceeded', 'quota-spent', 'wrong-state'],
  example: { body: { name: 'nightly report', scopes: ['agent-iam/agents*:read'], expiresInDays: 30 } },
})

export const listApiKeys = operation({
  id: 'listApiKeys',
  method: 'GET',
  path: '/api/v1/api-keys',
  action: 'self',
  selfAction: 'own-api-keys:read',
  summary: 'Lists API keys, newest first: those of the caller and those it made; with `whose=all`, everybody’s.',
  query: z.strictObject({ ...pageQuery, whose: z.enum(['own', 'all']).default('own') }),
  status: 200,
  response: z.object({ apiKeys: z.array(ApiKey), nextCursor }),
  problems: ['forbidden', 'insufficient-scope'],
  example: { query: { limit: 20 } },
})

export const getApiKey = operation({
  id: 'getApiKey',
  method: 'GET',
  path: '/api/v1/api-keys/:apiKeyId',
  action: 'api-keys:read',
  summary: 'Shows one API key, never its secret.',
  params: KeyPath,
  status: 200,
  response: ApiKey,
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

export const disableApiKey = operation({
  id: 'disableApiKey',
  method: 'POST',
  path: '/api/v1/api-keys/:apiKeyId/disable',
  action: 'api-keys:disable',
  summary: 'Stops an API key at once, on every instance, until it is enabled again.',
  params: KeyPath,
  status: 200,
  response: ApiKey,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath },
})

export const enableApiKey = operation({
  id: 'enableApiKey',
  method: 'POST',
  path: '/api/v1/api-keys/:apiKeyId/enable',
  action: 'api-keys:enable',
  summary: 'Lets a disabled API key act again.',
  params: KeyPath,
  status: 200,
  response: ApiKey,
  problems: ['forbidden', 'not-found', 'wrong-state', 'capability-exceeded'],
  example: { params: examplePath },
})

export const rotateApiKey = operation({
  id: 'rotateApiKey',
  method: 'POST',
  path: '/api/v1/api-keys/:apiKeyId/rotate',
  action: 'api-keys:rotate',
  summary: 'Gives an API key another secret, told once; the one before works for the grace, and no longer.',
  params: KeyPath,
  body: z.strictObject({ graceSeconds: z.int().min(0).max(apiKeyGraceSecondsMax).default(0) }).prefault({}),
  status: 200,
  response: ApiKey.extend(secret),
  secrets: ['key'],
  problems: ['forbidden', 'not-found', 'wrong-state', 'capability-exceeded'],
  example: { params: examplePath, body: { graceSeconds: 3600 } },
})

export const deleteApiKey = operation({
  id: 'deleteApiKey',
  method: 'DELETE',
  path: '/api/v1/api-keys/:apiKeyId',
  action: 'api-keys:delete',
  summary: 'Ends an API key for good, at once, on every instance.',
  params: KeyPath,
  status: 200,
  response: ApiKey,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath },
})
