import { z } from 'zod'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'

/** RFC 7523 §2.2. */
export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Longest scope: as many entries as an identity may hold would not fit, and nobody needs to name them all. */
const scopeCharactersMax = 4000

/** A client is a service or an agent; its id is its client id. */
export const ClientId = z.union([idSchema('service'), idSchema('agent')])

/** Spelt as RFC 6749 spells it. */
export const TokenRequest = z.strictObject({
  grant_type: z.literal('client_credentials'),
  /** Absent where HTTP Basic or the assertion says it. Alone: the TLS connection shows the client's certificate. */
  client_id: ClientId.optional(),
  client_secret: z.string().min(1).max(200).optional(),
  client_assertion_type: z.literal(assertionType).optional(),
  client_assertion: z.string().min(1).max(8000).optional(),
  /** Capability entries, with spaces between; absent: the client's default scopes, or all that it holds. */
  scope: z.string().min(1).max(scopeCharactersMax).optional(),
  /** RFC 8707: what the token is for. Only our own API, `‹issuer›/api`, here. */
  resource: z.string().max(2000).optional(),
})
export type TokenRequest = z.output<typeof TokenRequest>

export const issueToken = operation({
  id: 'issueToken',
  method: 'POST',
  path: '/api/v1/auth/token',
  action: 'public',
  summary:
    'Gives a service or an agent an access token for its client credentials: a secret (in the body or by HTTP Basic), an assertion that its key signed, or its TLS certificate.',
  body: TokenRequest,
  bindsTokens: true,
  status: 200,
  response: z.object({
    access_token: z.string(),
    token_type: z.enum(['Bearer', 'DPoP']),
    /** Seconds until it ends. There is no refresh token: prove again. */
    expires_in: z.int(),
    scope: z.string(),
  }),
  secrets: ['access_token'],
  problems: ['invalid-credentials', 'replayed', 'identity-inactive', 'capability-exceeded'],
  example: {
    body: {
      grant_type: 'client_credentials',
      client_id: 'svc_0198c5a1f3e07b2c8d4e6f708192a3b4',
      client_secret: 'ais_uE8wmXQh7kq1ZBvS3nTt0cYfLJd5a2oRGyPHb9KxVis',
    },
  },
})
