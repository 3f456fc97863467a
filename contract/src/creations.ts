import { z } from 'zod'
import { FreshProof } from './factors.ts'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { Instant } from './text.ts'

/** What may be confirmed. A grant or a role needs no confirmation: the person gives it again. */
export const creationKinds = ['agent', 'service', 'secret', 'apiKey', 'enrolmentToken', 'client'] as const
export type CreationKind = (typeof creationKinds)[number]

/** How the session was begun that made it. */
export const sourceMethods = ['oauth', 'api-key', 'token-exchange'] as const

const CreationId = z.union([
  idSchema('agent'),
  idSchema('service'),
  idSchema('secret'),
  idSchema('apiKey'),
  idSchema('enrolmentToken'),
  idSchema('client'),
])
export type CreationId = z.output<typeof CreationId>

/** Something that an OAuth client, an exchanged token or an API key of the person made, and with which it ends. */
export const Creation = z.object({
  creationId: CreationId,
  kind: z.enum(creationKinds),
  /** Of a client secret its first characters. */
  name: z.string(),
  /** Of which service a client secret is; null for the other kinds. */
  serviceId: idSchema('service').nullable(),
  createdAt: Instant,
  /** Null where it has no end of its own. */
  expiresAt: Instant.nullable(),
  source: z.object({
    sessionId: idSchema('session'),
    method: z.enum(sourceMethods),
    /** The OAuth client, by its id or the URL of its metadata; null for the other methods. */
    clientId: z.string().nullable(),
    /** Of the OAuth client, as it calls itself, or of the API key; null for an exchanged token. */
    name: z.string().nullable(),
  }),
})
export type Creation = z.output<typeof Creation>

export const listCreations = operation({
  id: 'listCreations',
  method: 'GET',
  path: '/api/v1/auth/creations',
  action: 'self',
  selfAction: 'own-creations:read',
  summary:
    'Lists what OAuth clients, exchanged tokens and API keys made for the calling person, and what ends with them; the newest first.',
  query: z.strictObject(pageQuery),
  status: 200,
  response: z.object({ creations: z.array(Creation), nextCursor }),
  problems: ['forbidden', 'insufficient-scope'],
  example: { query: { limit: 50 } },
})

export const confirmCreation = operation({
  id: 'confirmCreation',
  method: 'POST',
  path: '/api/v1/auth/creations/:creationId/confirm',
  action: 'self',
  selfAction: 'own-creations:confirm',
  summary:
    'Lets one of these stand by itself, so that it no longer ends with its source; the person must be able to make it now.',
  params: z.strictObject({ creationId: CreationId }),
  body: z.strictObject({
    proof: FreshProof,
    /** Another end of an agent, and of what it was granted for as long as it lasts; null: none. Absent: it keeps its end. */
    expiresAt: Instant.nullable().optional(),
  }),
  status: 200,
  response: z.object({ creationId: CreationId, confirmed: z.literal(true) }),
  problems: [
    'forbidden',
    'insufficient-scope',
    'not-found',
    'invalid-credentials',
    'too-many-attempts',
    'wrong-state',
    'capability-exceeded',
    'identity-inactive',
  ],
  example: {
    params: { creationId: 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4' },
    body: { proof: { type: 'password', password: 'correct horse battery staple' } },
  },
})
