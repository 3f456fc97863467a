import { z } from 'zod'
import { PasskeyAssertion, SecondFactor } from './factors.ts'
import { IdentityIdSchema, idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { NewPassword, Password } from './passwords.ts'
import { Instant } from './text.ts'

/** What people name their tenant by when they log in. */
export const TenantSlug = z.string().regex(/^[a-z0-9-]{1,63}$/)
/** A tenant's issuer is the server's address and an id. */
const issuerCharactersMax = 300
const exampleAgentId = 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4'

export const Tokens = z.object({
  accessToken: z.string(),
  refreshToken: z.string(),
  /** Seconds until the access token ends. */
  expiresIn: z.int(),
  /** `DPoP` when the tokens are bound to the key of a proof; each use of one then needs a proof (RFC 9449). */
  tokenType: z.enum(['Bearer', 'DPoP']),
})
export type Tokens = z.infer<typeof Tokens>

/** Of a person's login: with what makes the device known to the next one. */
export const LoginTokens = Tokens.extend({
  deviceToken: z.string().optional(),
  /** What the session is narrowed to: `agent-iam/own-factors:*` where a second factor must be enrolled first. */
  scope: z.array(z.string()).optional(),
})
export type LoginTokens = z.infer<typeof LoginTokens>

const SignatureCredentials = z.strictObject({
  type: z.literal('signature'),
  challenge: z.string().max(2000),
  signature: z.base64url().max(100),
})
/** The certificate that the TLS connection shows (RFC 8705). */
const CertificateCredentials = z.strictObject({ type: z.literal('certificate') })
const AssertionCredentials = z.strictObject({ type: z.literal('jwt'), token: z.string().max(8000) })

export const AgentLogin = z.strictObject({
  agentId: idSchema('agent'),
  credentials: z.discriminatedUnion('type', [SignatureCredentials, AssertionCredentials, CertificateCredentials]),
})
export type AgentLogin = z.output<typeof AgentLogin>

export const UserLogin = z.strictObject({
  email: z.email().max(254),
  password: Password,
  tenant: TenantSlug.default('default'),
  /** The password to take its place, where `password-change-required` asked for one. */
  newPassword: NewPassword.optional(),
  /** What an earlier login on this device was given: with it, failures of others elsewhere do not count against it. */
  deviceToken: z.string().max(200).optional(),
  /** Where one is enrolled: `second-factor-required` says which kinds. */
  secondFactor: SecondFactor.optional(),
})
export type UserLogin = z.output<typeof UserLogin>

/** A login by passkey alone, of whom the passkey names. */
export const PasskeyLogin = z.strictObject({
  passkey: PasskeyAssertion,
  /** Refuses people of any other tenant. */
  tenant: TenantSlug.optional(),
})
export type PasskeyLogin = z.output<typeof PasskeyLogin>

export const getChallenge = operation({
  id: 'getChallenge',
  method: 'GET',
  path: '/api/v1/auth/challenge/:agentId',
  action: 'public',
  summary: 'Gives an agent the text to sign for a login; unknown agents get one too.',
  params: z.strictObject({ agentId: idSchema('agent') }),
  /** The issuer that the text shall name, as the agent knows it: its tenant's. Absent: the server's own. */
  query: z.strictObject({ issuer: z.string().max(issuerCharactersMax).optional() }),
  status: 200,
  response: z.object({ challenge: z.string(), expiresAt: Instant }),
  problems: [],
  example: { params: { agentId: exampleAgentId }, query: {} },
})

export const login = operation({
  id: 'login',
  method: 'POST',
  path: '/api/v1/auth/login',
  aliases: ['/api/v1/public/login'],
  action: 'public',
  bindsTokens: true,
  summary: 'Logs in an agent by its key, or a user by password, a second factor beside it, or a passkey alone.',
  body: z.union([AgentLogin, UserLogin, PasskeyLogin]),
  status: 200,
  response: LoginTokens,
  problems: [
    'invalid-credentials',
    'replayed',
    'identity-inactive',
    'second-factor-required',
    'password-change-required',
    'too-many-attempts',
  ],
  example: { body: { email: 'admin@example.com', password: 'correct horse battery staple', tenant: 'default' } },
})

export const refresh = operation({
  id: 'refresh',
  method: 'POST',
  path: '/api/v1/auth/refresh',
  action: 'public',
  bindsTokens: true,
  summary: 'Trades a refresh token, once, for new tokens; using one twice ends the session.',
  body: z.strictObject({ refreshToken: z.string().max(200) }),
  status: 200,
  response: Tokens,
  problems: ['invalid-token', 'token-revoked', 'identity-inactive'],
  example: { body: { refreshToken: 'rft_uE8wmXQh7kq1ZBvS3nTt0cYfLJd5a2oRGyPHb9KxVis' } },
})

export const logout = operation({
  id: 'logout',
  method: 'POST',
  path: '/api/v1/auth/logout',
  action: 'self',
  selfAction: 'own-sessions:end',
  summary: 'Ends the session that the token belongs to, and every token of it.',
  status: 200,
  response: z.object({ sessionId: idSchema('session'), endedAt: Instant }),
  problems: [],
  example: {},
})

export const logoutAll = operation({
  id: 'logoutAll',
  method: 'POST',
  path: '/api/v1/auth/logout-all',
  action: 'self',
  selfAction: 'own-sessions:end',
  summary: 'Ends every session of the caller, everywhere, this one and its SDK tokens too; API keys stay.',
  status: 200,
  response: z.object({ ended: z.int() }),
  problems: ['forbidden'],
  example: {},
})

const ValidToken = z.object({
  valid: z.literal(true),
  identityId: IdentityIdSchema,
  agentId: idSchema('agent').optional(),
  userId: idSchema('user').optional(),
  serviceId: idSchema('service').optional(),
  tenantId: idSchema('tenant'),
  sessionId: idSchema('session'),
  /** The capability entries that the token is narrowed to; absent: all that the identity holds. */
  scope: z.array(z.string()).optional(),
  expiresAt: Instant,
})

export const validate = operation({
  id: 'validate',
  method: 'GET',
  path: '/api/v1/auth/validate',
  action: 'self',
  selfAction: 'own-sessions:read',
  summary: 'Says whose token this is and how long it lasts; a token that is not valid is refused.',
  status: 200,
  response: ValidToken,
  problems: [],
  example: {},
})

export const validateToken = operation({
  id: 'validateToken',
  method: 'POST',
  path: '/api/v1/auth/validate',
  action: 'self',
  selfAction: 'tokens:verify',
  summary: 'The same, or for a token in the body: one that is not valid here, or is bound to a key, is `valid: false`.',
  body: z.strictObject({ token: z.string().max(8000).optional() }).default({}),
  status: 200,
  response: z.union([ValidToken, z.object({ valid: z.literal(false) })]),
  problems: ['forbidden'],
  example: { body: {} },
})
