import { z } from 'zod'
import { IdentityStatus } from './agents.ts'
import { CapabilityEntry, capabilitiesMax } from './capabilities.ts'
import { IdentityIdSchema, idSchema } from './ids.ts'
import { ParsedJson } from './json.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { FreeText, Instant, Name } from './text.ts'

/** Live secrets of one service: two, so that a rotation may overlap. */
export const serviceSecretsMax = 2
/** Live public keys of one service: enough for a rotation on two machines; each is tried where no `kid` chooses. */
export const serviceKeysMax = 4
/** Longest life of a secret: who runs a service for longer rotates it. */
export const serviceSecretDaysMax = 365
/** What a client secret begins with. */
export const serviceSecretPrefix = 'ais_'

const Entries = z.array(CapabilityEntry).max(capabilitiesMax)

export const Service = z.object({
  /** Its client id as well. */
  serviceId: idSchema('service'),
  name: z.string(),
  description: z.string(),
  status: IdentityStatus,
  /** Who answers for the service; may see, suspend and delete it. */
  owner: IdentityIdSchema,
  capabilities: z.array(z.string()),
  /** The scope of a token that is asked for without one; empty: all that the service holds. */
  defaultScopes: z.array(z.string()),
  createdAt: Instant,
  updatedAt: Instant,
  /** Stored once a minute. */
  lastActivity: Instant.nullable(),
})
export type Service = z.infer<typeof Service>

export const CreateService = z.strictObject({
  name: Name,
  description: FreeText.default(''),
  capabilities: Entries.default([]),
  /** Within the capabilities. */
  defaultScopes: Entries.default([]),
})
export type CreateService = z.output<typeof CreateService>

export const ServiceSecret = z.object({
  secretId: idSchema('secret'),
  /** Its first characters, to tell it by. */
  prefix: z.string(),
  createdBy: z.string(),
  createdAt: Instant,
  expiresAt: Instant,
})
export type ServiceSecret = z.infer<typeof ServiceSecret>

/** A JWK (RFC 7517): Ed25519, P-256, or RSA of 2048 bits and more. Only its public half may be sent. */
export const PublicJwk = z.record(z.string().max(50), ParsedJson)

export const ServiceKey = z.object({
  /** RFC 7638; names the key. */
  thumbprint: z.string(),
  kid: z.string().nullable(),
  /** The one algorithm (RFC 7518) that assertions by this key are signed with. */
  algorithm: z.string(),
  createdBy: z.string(),
  createdAt: Instant,
})
export type ServiceKey = z.infer<typeof ServiceKey>

const exampleId = 'svc_0198c5a1f3e07b2c8d4e6f708192a3b4'
const ServicePath = z.strictObject({ serviceId: idSchema('service') })
const examplePath = { serviceId: exampleId } as const
const Reason = z.strictObject({ reason: FreeText.optional() }).default({})
const exampleThumbprint = 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'

export const createService = operation({
  id: 'createService',
  method: 'POST',
  path: '/api/v1/services',
  action: 'services:create',
  summary: 'Makes a service: an identity for a program that is no agent. The caller owns it.',
  body: CreateService,
  status: 201,
  response: Service,
  problems: ['forbidden', 'capability-exceeded', 'already-exists', 'quota-spent'],
  example: { body: { name: 'billing', description: 'Sends the invoices', capabilities: ['file/invoices/*:read'] } },
})

export const listServices = operation({
  id: 'listServices',
  method: 'GET',
  path: '/api/v1/services',
  action: 'services:read',
  summary: 'Lists services by name, a page at a time.',
  query: z.strictObject({ ...pageQuery, status: IdentityStatus.optional() }),
  status: 200,
  response: z.object({ services: z.array(Service), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

export const getService = operation({
  id: 'getService',
  method: 'GET',
  path: '/api/v1/services/:serviceId',
  action: 'services:read',
  summary: 'Shows one service.',
  params: ServicePath,
  status: 200,
  response: Service,
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

export const suspendService = operation({
  id: 'suspendService',
  method: 'POST',
  path: '/api/v1/services/:serviceId/suspend',
  action: 'services:suspend',
  summary: 'Stops a service at once, on every instance, until it is reactivated; its sessions end.',
  params: ServicePath,
  body: Reason,
  status: 200,
  response: Service,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath, body: { reason: 'unusual reads' } },
})

export const reactivateService = operation({
  id: 'reactivateService',
  method: 'POST',
  path: '/api/v1/services/:serviceId/reactivate',
  action: 'services:reactivate',
  summary: 'Lets a suspended service act again.',
  params: ServicePath,
  body: Reason,
  status: 200,
  response: Service,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath, body: { reason: 'checked' } },
})

export const deleteService = operation({
  id: 'deleteService',
  method: 'DELETE',
  path: '/api/v1/services/:serviceId',
  action: 'services:delete',
  summary: 'Ends a service for good, with its secrets, keys, grants and sessions; its name is free again.',
  params: ServicePath,
  status: 200,
  response: Service,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: examplePath },
})

export const createServiceSecret = operation({
  id: 'createServiceSecret',
  method: 'POST',
  path: '/api/v1/services/:serviceId/secrets',
  action: 'services:create-secret',
  summary: `Makes a client secret, told once. At most ${serviceSecretsMax} live at a time, so that a rotation may overlap.`,
  params: ServicePath,
  body: z.strictObject({ expiresInDays: z.int().min(1).max(serviceSecretDaysMax).default(90) }).prefault({}),
  status: 201,
  response: ServiceSecret.extend({
    /** The secret itself, only in this answer. */
    secret: z.string(),
  }),
  secrets: ['secret'],
  problems: ['forbidden', 'not-found', 'wrong-state', 'capability-exceeded', 'quota-spent'],
  example: { params: examplePath, body: { expiresInDays: 90 } },
})

export const listServiceSecrets = operation({
  id: 'listServiceSecrets',
  method: 'GET',
  path: '/api/v1/services/:serviceId/secrets',
  action: 'services:read',
  summary: 'Lists the live secrets of a service, never what they are.',
  params: ServicePath,
  status: 200,
  response: z.object({ secrets: z.array(ServiceSecret) }),
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

export const deleteServiceSecret = operation({
  id: 'deleteServiceSecret',
  method: 'DELETE',
  path: '/api/v1/services/:serviceId/secrets/:secretId',
  action: 'services:delete-secret',
  summary: 'Ends a secret, and every session that was begun with it.',
  params: ServicePath.extend({ secretId: idSchema('secret') }),
  status: 200,
  response: z.object({ secretId: idSchema('secret'), endedSessions: z.int() }),
  problems: ['forbidden', 'not-found'],
  example: { params: { ...examplePath, secretId: 'sec_0198c5a1f3e07b2c8d4e6f708192a3b4' } },
})

export const addServiceKey = operation({
  id: 'addServiceKey',
  method: 'POST',
  path: '/api/v1/services/:serviceId/keys',
  action: 'services:add-key',
  summary: 'Takes a public key, whose private half signs the assertions of private_key_jwt (RFC 7523).',
  params: ServicePath,
  body: z.strictObject({ jwk: PublicJwk }),
  status: 201,
  response: ServiceKey,
  problems: ['forbidden', 'not-found', 'wrong-state', 'capability-exceeded', 'already-exists', 'quota-spent'],
  example: {
    params: examplePath,
    body: { jwk: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' } },
  },
})

export const listServiceKeys = operation({
  id: 'listServiceKeys',
  method: 'GET',
  path: '/api/v1/services/:serviceId/keys',
  action: 'services:read',
  summary: 'Lists the public keys of a service.',
  params: ServicePath,
  status: 200,
  response: z.object({ keys: z.array(ServiceKey) }),
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

export const deleteServiceKey = operation({
  id: 'deleteServiceKey',
  method: 'DELETE',
  path: '/api/v1/services/:serviceId/keys/:thumbprint',
  action: 'services:delete-key',
  summary: 'Ends a public key, and every session that was begun with it.',
  params: ServicePath.extend({
    thumbprint: z.string().regex(/^[\w-]{43}$/, 'is an RFC 7638 thumbprint, 43 characters of base64url'),
  }),
  status: 200,
  response: z.object({ thumbprint: z.string(), endedSessions: z.int() }),
  problems: ['forbidden', 'not-found'],
  example: { params: { ...examplePath, thumbprint: exampleThumbprint } },
})
