import { z } from 'zod'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { Password } from './passwords.ts'
import { Instant, Name } from './text.ts'

/** Recovery codes that a person gets at once. */
export const recoveryCodesCount = 10
/** Most passkeys of one person: a few devices and keys, and room. */
export const passkeysMax = 20

/** Six digits of an authenticator app (RFC 6238). */
const TotpCode = z.string().regex(/^\d{6}$/, 'is six digits')

/** What a browser's `PublicKeyCredential.toJSON()` gives. Browsers add fields as they learn; those are not read. */
const credential = { id: z.base64url().min(1).max(1400), rawId: z.base64url().max(1400), type: z.literal('public-key') }
const ClientData = z.base64url().max(4000)

/** A passkey's answer to the options of a login (WebAuthn `AuthenticationResponseJSON`). */
export const PasskeyAssertion = z.object({
  ...credential,
  response: z.object({
    clientDataJSON: ClientData,
    authenticatorData: z.base64url().max(4000),
    signature: z.base64url().max(4000),
    userHandle: z.base64url().max(100).nullish(),
  }),
})
export type PasskeyAssertion = z.output<typeof PasskeyAssertion>

/** A new passkey, as the browser made it (WebAuthn `RegistrationResponseJSON`). */
export const PasskeyRegistration = z.object({
  ...credential,
  response: z.object({
    clientDataJSON: ClientData,
    attestationObject: z.base64url().max(20_000),
    transports: z
      .array(z.string().regex(/^[a-z-]{1,32}$/))
      .max(10)
      .default([]),
  }),
})
export type PasskeyRegistration = z.output<typeof PasskeyRegistration>

/** The three ways to prove a second factor, with or after a password. */
const secondFactors = [
  z.strictObject({ type: z.literal('totp'), code: TotpCode }),
  z.strictObject({ type: z.literal('recovery'), code: z.string().min(1).max(40) }),
  z.strictObject({ type: z.literal('passkey'), response: PasskeyAssertion }),
] as const

/** What is sent beside the password where a second factor is enrolled. */
export const SecondFactor = z.discriminatedUnion('type', secondFactors)
export type SecondFactor = z.output<typeof SecondFactor>

/** Shows, beside the token, that the person is there: a token alone changes no factor. */
export const FreshProof = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('password'), password: Password }),
  ...secondFactors,
])
export type FreshProof = z.output<typeof FreshProof>

const Proven = z.strictObject({ proof: FreshProof })
const exampleProof = { type: 'password', password: 'correct horse battery staple' } as const

/** What `navigator.credentials.get` takes as `publicKey`, once read by `parseRequestOptionsFromJSON`. */
export const PasskeyRequestOptions = z.object({
  challenge: z.string(),
  rpId: z.string(),
  timeout: z.int(),
  userVerification: z.literal('required'),
})

/** What `navigator.credentials.create` takes as `publicKey`, once read by `parseCreationOptionsFromJSON`. */
export const PasskeyCreationOptions = z.object({
  challenge: z.string(),
  rp: z.object({ id: z.string(), name: z.string() }),
  user: z.object({ id: z.string(), name: z.string(), displayName: z.string() }),
  pubKeyCredParams: z.array(z.object({ type: z.literal('public-key'), alg: z.int() })),
  timeout: z.int(),
  excludeCredentials: z.array(z.object({ id: z.string(), type: z.literal('public-key') })),
  authenticatorSelection: z.object({
    residentKey: z.literal('required'),
    requireResidentKey: z.literal(true),
    userVerification: z.literal('required'),
  }),
  attestation: z.literal('none'),
})

export const Passkey = z.object({
  passkeyId: idSchema('passkey'),
  name: z.string(),
  /** Whether the key is kept in sync between devices. */
  isSynced: z.boolean(),
  createdAt: Instant,
  lastUsedAt: Instant.nullable(),
})
export type Passkey = z.infer<typeof Passkey>

const RecoveryCodes = z.array(z.string())

export const listFactors = operation({
  id: 'listFactors',
  method: 'GET',
  path: '/api/v1/auth/factors',
  action: 'self',
  selfAction: 'own-factors:read',
  summary: 'Lists the caller’s own second factors.',
  status: 200,
  response: z.object({
    /** Null where no authenticator app is enrolled. */
    totp: z.object({ enrolledAt: Instant }).nullable(),
    passkeys: z.array(Passkey),
    /** Recovery codes that are not used yet. */
    recoveryCodesLeft: z.int(),
    /** Whether the tenant asks this person for a second factor. */
    isRequired: z.boolean(),
  }),
  problems: ['forbidden', 'insufficient-scope'],
  example: {},
})

export const enrolTotp = operation({
  id: 'enrolTotp',
  method: 'POST',
  path: '/api/v1/auth/factors/totp',
  action: 'self',
  selfAction: 'own-factors:update',
  summary: 'Makes the secret for an authenticator app; it counts once a first code confirms it.',
  body: Proven,
  status: 200,
  response: z.object({
    /** Base32, for typing. */
    secret: z.string(),
    /** For a QR code. */
    otpauthUri: z.string(),
    expiresAt: Instant,
  }),
  secrets: ['secret', 'otpauthUri'],
  problems: ['forbidden', 'insufficient-scope', 'invalid-credentials', 'too-many-attempts', 'wrong-state'],
  example: { body: { proof: exampleProof } },
})

export const confirmTotp = operation({
  id: 'confirmTotp',
  method: 'POST',
  path: '/api/v1/auth/factors/totp/confirm',
  action: 'self',
  selfAction: 'own-factors:update',
  summary: 'Enrols the authenticator app by its first code; the first factor brings recovery codes, told once.',
  body: z.strictObject({ code: TotpCode }),
  status: 200,
  response: z.object({
    enrolledAt: Instant,
    /** Only with the first factor. */
    recoveryCodes: RecoveryCodes.optional(),
  }),
  secrets: ['recoveryCodes'],
  problems: ['forbidden', 'insufficient-scope', 'invalid-credentials', 'too-many-attempts', 'wrong-state'],
  example: { body: { code: '492039' } },
})

export const removeTotp = operation({
  id: 'removeTotp',
  method: 'POST',
  path: '/api/v1/auth/factors/totp/remove',
  action: 'self',
  selfAction: 'own-factors:update',
  summary: 'Removes the authenticator app; with the last factor go the recovery codes.',
  body: Proven,
  status: 200,
  response: z.object({ removed: z.literal(true) }),
  problems: ['forbidden', 'insufficient-scope', 'invalid-credentials', 'too-many-attempts', 'wrong-state'],
  example: { body: { proof: exampleProof } },
})

export const renewRecoveryCodes = operation({
  id: 'renewRecoveryCodes',
  method: 'POST',
  path: '/api/v1/auth/factors/recovery-codes',
  action: 'self',
  selfAction: 'own-factors:update',
  summary: 'Makes new recovery codes, told once; the ones before are no longer good.',
  body: Proven,
  status: 200,
  response: z.object({ recoveryCodes: RecoveryCodes }),
  secrets: ['recoveryCodes'],
  problems: ['forbidden', 'insufficient-scope', 'invalid-credentials', 'too-many-attempts', 'wrong-state'],
  example: { body: { proof: exampleProof } },
})

export const passkeyCreationOptions = operation({
  id: 'passkeyCreationOptions',
  method: 'POST',
  path: '/api/v1/auth/factors/passkeys/options',
  action: 'self',
  selfAction: 'own-factors:update',
  summary: 'Begins to register a passkey: what the browser needs, good for five minutes and one passkey.',
  body: Proven,
  status: 200,
  response: z.object({ options: PasskeyCreationOptions }),
  problems: ['forbidden', 'insufficient-scope', 'invalid-credentials', 'too-many-attempts', 'wrong-state'],
  example: { body: { proof: exampleProof } },
})

export const registerPasskey = operation({
  id: 'registerPasskey',
  method: 'POST',
  path: '/api/v1/auth/factors/passkeys',
  action: 'self',
  selfAction: 'own-factors:update',
  summary: 'Registers the passkey that the browser made; the first factor brings recovery codes, told once.',
  body: z.strictObject({ name: Name, response: PasskeyRegistration }),
  status: 200,
  response: Passkey.extend({
    /** Only with the first factor. */
    recoveryCodes: RecoveryCodes.optional(),
  }),
  secrets: ['recoveryCodes'],
  problems: ['forbidden', 'insufficient-scope', 'invalid-credentials', 'replayed', 'already-exists', 'wrong-state'],
  example: {
    body: {
      name: 'laptop',
      response: {
        id: 'uE8wmXQh7kq1ZBvS3nTt0c',
        rawId: 'uE8wmXQh7kq1ZBvS3nTt0c',
        type: 'public-key',
        response: { clientDataJSON: 'e30', attestationObject: 'oA' },
      },
    },
  },
})

const examplePasskey = { passkeyId: 'psk_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const

export const renamePasskey = operation({
  id: 'renamePasskey',
  method: 'PATCH',
  path: '/api/v1/auth/factors/passkeys/:passkeyId',
  action: 'self',
  selfAction: 'own-factors:update',
  summary: 'Gives one of the caller’s own passkeys another name.',
  params: z.strictObject({ passkeyId: idSchema('passkey') }),
  body: z.strictObject({ name: Name }),
  status: 200,
  response: Passkey,
  problems: ['forbidden', 'insufficient-scope', 'not-found'],
  example: { params: examplePasskey, body: { name: 'key on my ring' } },
})

export const removePasskey = operation({
  id: 'removePasskey',
  method: 'POST',
  path: '/api/v1/auth/factors/passkeys/:passkeyId/remove',
  action: 'self',
  selfAction: 'own-factors:update',
  summary: 'Removes one of the caller’s own passkeys; with the last factor go the recovery codes.',
  params: z.strictObject({ passkeyId: idSchema('passkey') }),
  body: Proven,
  status: 200,
  response: z.object({ removed: z.literal(true) }),
  problems: ['forbidden', 'insufficient-scope', 'not-found', 'invalid-credentials', 'too-many-attempts', 'wrong-state'],
  example: { params: examplePasskey, body: { proof: exampleProof } },
})

export const passkeyLoginOptions = operation({
  id: 'passkeyLoginOptions',
  method: 'POST',
  path: '/api/v1/auth/passkeys/options',
  aliases: ['/api/v1/public/passkeys/options'],
  action: 'public',
  summary: 'Begins a login by passkey: what the browser needs, good for five minutes and one login.',
  status: 200,
  response: z.object({ options: PasskeyRequestOptions, expiresAt: Instant }),
  problems: [],
  example: {},
})

export const resetFactors = operation({
  id: 'resetFactors',
  method: 'DELETE',
  path: '/api/v1/users/:userId/factors',
  action: 'users:reset-factors',
  summary: 'Removes every second factor of a person who lost them; of nobody who holds more than the caller.',
  params: z.strictObject({ userId: idSchema('user') }),
  status: 200,
  response: z.object({ userId: idSchema('user'), totp: z.boolean(), passkeys: z.int() }),
  problems: ['forbidden', 'not-found', 'capability-exceeded'],
  example: { params: { userId: 'usr_0198c5a1f3e07b2c8d4e6f708192a3b4' } },
})

export const LoginSettings = z.object({
  /** An administrator without a second factor may then log in only to enrol one. */
  secondFactorForAdministrators: z.boolean(),
})
export type LoginSettings = z.output<typeof LoginSettings>

export const getLoginSettings = operation({
  id: 'getLoginSettings',
  method: 'GET',
  path: '/api/v1/admin/login-settings',
  action: 'settings:read',
  summary: 'Tells how people of this tenant must log in.',
  status: 200,
  response: LoginSettings,
  problems: ['forbidden'],
  example: {},
})

export const setLoginSettings = operation({
  id: 'setLoginSettings',
  method: 'PUT',
  path: '/api/v1/admin/login-settings',
  action: 'settings:update',
  summary: 'Sets how people of this tenant must log in; who asks for a second factor must have one.',
  body: z.strictObject(LoginSettings.shape),
  status: 200,
  response: LoginSettings,
  problems: ['forbidden', 'wrong-state'],
  example: { body: { secondFactorForAdministrators: true } },
})
