import { z } from 'zod'
import { ActionName, CallersText, ResourceType } from './authorization.ts'
import { CapabilityEntry, capabilitiesMax } from './capabilities.ts'
import { IdentityIdSchema, idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { Instant } from './text.ts'

/** Shortest life of a Biscuit: less would end before its first use. */
export const biscuitSecondsMin = 60
/** Longest: who verifies offline may know of no revocation until then. */
export const biscuitSecondsMax = 86_400

/** Longest Biscuit: it travels in a header. */
export const biscuitCharactersMax = 8192

/** The id of a block: its signature, 64 bytes in hex. */
const RevocationId = z.string().regex(/^[0-9a-f]{128}$/, 'is 128 hex digits, as the token’s blocks are named')
const exampleRevocationId = '0198c5a1f3e07b2c8d4e6f708192a3b4'.repeat(4)

/** What binds a token to a key: a JWK's thumbprint (RFC 9449) or a certificate's (RFC 8705). */
const Thumbprint = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'is a SHA-256 digest in base64url')
const Confirmation = z.union([z.strictObject({ jkt: Thumbprint }), z.strictObject({ 'x5t#S256': Thumbprint })])

const tenantPath = { params: z.strictObject({ tenantId: idSchema('tenant') }) }
const exampleTenant = { params: { tenantId: 'ten_0198c5a1f3e07b2c8d4e6f708192a3b4' } } as const

export const mintBiscuit = operation({
  id: 'mintBiscuit',
  cost: { base: 5 },
  method: 'POST',
  path: '/api/v1/tokens/biscuit',
  action: 'self',
  selfAction: 'own-biscuits:create',
  summary:
    'Gives the calling agent a Biscuit: a token that it narrows by itself, offline, before it hands it on. It may do ' +
    'what the present session may, or less; it is bound to the same key, and ends with the session.',
  body: z
    .strictObject({
      /** Capability entries of the form `type[/idPrefix*]:action`; absent: all that the session reaches. */
      capabilities: z
        .array(CapabilityEntry.refine((entry) => entry.includes(':'), 'is a label, which grants nothing'))
        .max(capabilitiesMax)
        .optional(),
      /** Never longer than the session lasts, or the agent. */
      expiresInSeconds: z.int().min(biscuitSecondsMin).max(biscuitSecondsMax).default(3600),
    })
    .prefault({}),
  status: 201,
  response: z.object({
    /** Sent as `Authorization: Bearer …`; or as `DPoP …`, with a proof, where it is bound to a key. */
    token: z.string(),
    tokenType: z.literal('biscuit'),
    sessionId: idSchema('session'),
    expiresAt: Instant,
    /** Of the authority block: revoking it ends this token and all that were made of it. */
    revocationId: RevocationId,
    rights: z.array(z.string()),
  }),
  secrets: ['token'],
  signsTokens: true,
  problems: ['forbidden', 'insufficient-scope', 'capability-exceeded', 'too-large', 'quota-spent'],
  example: { body: { capabilities: ['file/docs/*:read'], expiresInSeconds: 3600 } },
})

/** Why a Biscuit is not good, for whoever it was shown to. */
export const biscuitFaults = [
  'malformed',
  'unknown-issuer',
  'bad-signature',
  'too-large',
  'too-many-blocks',
  'third-party-block',
  'expired',
  'revoked',
  'wrong-audience',
  'not-bound',
] as const

const AskedResource = CallersText(1000).refine(
  (text) => ResourceType.safeParse(text.split('/', 1)[0]).success,
  'its type is 1 to 64 letters, digits, dots, dashes or underscores',
)

export const verifyBiscuit = operation({
  id: 'verifyBiscuit',
  cost: { base: 5 },
  method: 'POST',
  path: '/api/v1/tokens/verify',
  action: 'self',
  selfAction: 'tokens:verify',
  summary:
    'Says whether a Biscuit of this tenant is good at this moment, revocation included, and, if an operation and a ' +
    'resource are named, whether it allows that: what a check would answer to its presenter, with nothing recorded ' +
    'and no quota spent.',
  body: z
    .strictObject({
      token: z.string().min(1).max(20_000),
      operation: ActionName.optional(),
      /** `type` or `type/id`. */
      resource: AskedResource.optional(),
      /** For which service; our own API unless it is said. */
      audience: z.string().min(1).max(2000).optional(),
      /** The key that its presenter has shown to you: a token that is bound to one is not good without it. */
      confirmation: Confirmation.optional(),
    })
    .refine(
      ({ operation: asked, resource }) => (asked === undefined) === (resource === undefined),
      'operation and resource belong together',
    ),
  status: 200,
  response: z.union([
    z.object({
      valid: z.literal(true),
      issuer: z.string(),
      audience: z.string(),
      tenantId: idSchema('tenant'),
      identityId: IdentityIdSchema,
      /** Who lends it authority. */
      parent: IdentityIdSchema.nullable(),
      sessionId: idSchema('session'),
      taskId: z.string().nullable(),
      /** What it reaches now, by grant and by role, along the chain and within the session; appended blocks restrict it further. */
      rights: z.array(z.string()),
      expiresAt: Instant,
      /** With the authority's: 1 where nobody narrowed it. */
      blocks: z.int(),
      /** One for each block, the authority's first. */
      revocationIds: z.array(RevocationId),
      confirmation: Confirmation.nullable(),
      /** Whether it allows what was asked; null where nothing was. */
      allowed: z.boolean().nullable(),
      /** Which checks of its blocks failed, or else which policies denied. */
      failed: z.array(z.string()),
    }),
    z.object({ valid: z.literal(false), reason: z.enum(biscuitFaults) }),
  ]),
  problems: ['forbidden', 'too-many-attempts', 'unavailable'],
  example: {
    body: {
      token:
        'En0KEwoEMTIzNBgDIgkKBwgKEgMYgAgSJAgAEiAs2CFWr5WyHHWEiMhTXxVNw4gP7PlADPaGfr_AQk9WohpA6LZTjFfFhcFQrMsp2O7bOI9BOzP-jIE5PGhha62HDfX4t5FLQivX5rUjH5iTv2c-rd0kDSazrww4cD1UCeytDSIiCiCfMgpVPOuqq371l1wHVhCXoIscKW-wrwiKN80vR_Rfzg==',
      operation: 'read',
      resource: 'file/docs/plan.txt',
    },
  },
})

/** The root keys that Biscuits verify with. */
const BiscuitKeys = z.object({
  issuer: z.string(),
  keys: z.array(
    z.object({
      rootKeyId: z.int(),
      /** 32 bytes in hex. */
      publicKey: z.string(),
      algorithm: z.literal('Ed25519'),
    }),
  ),
})

/** Ids of blocks; a token that holds one is not good. */
const BiscuitRevocations = z.object({ issuer: z.string(), revocationIds: z.array(RevocationId) })

const published = { method: 'GET', action: 'public', status: 200, problems: [], example: {} } as const

export const biscuitKeys = operation({
  ...published,
  id: 'biscuitKeys',
  path: '/api/v1/tokens/biscuit-keys',
  summary: 'The public root keys of the default tenant’s Biscuits, to verify them offline. Keep them five minutes.',
  response: BiscuitKeys,
})

export const tenantBiscuitKeys = operation({
  ...published,
  ...tenantPath,
  id: 'tenantBiscuitKeys',
  path: '/t/:tenantId/api/v1/tokens/biscuit-keys',
  summary: 'The public root keys of one tenant’s Biscuits.',
  response: BiscuitKeys,
  problems: ['not-found'],
  example: exampleTenant,
})

export const biscuitRevocations = operation({
  ...published,
  id: 'biscuitRevocations',
  path: '/api/v1/tokens/biscuit-revocations',
  summary:
    'The blocks of the default tenant’s Biscuits that are good no more, though their tokens have not expired: for who ' +
    'verifies offline. At most a second old when it is sent; keep it five seconds.',
  response: BiscuitRevocations,
})

export const tenantBiscuitRevocations = operation({
  ...published,
  ...tenantPath,
  id: 'tenantBiscuitRevocations',
  path: '/t/:tenantId/api/v1/tokens/biscuit-revocations',
  summary: 'The revoked blocks of one tenant’s Biscuits.',
  response: BiscuitRevocations,
  problems: ['not-found'],
  example: exampleTenant,
})

export const revokeBiscuit = operation({
  id: 'revokeBiscuit',
  method: 'POST',
  path: '/api/v1/tokens/biscuit-revocations',
  action: 'sessions:end',
  summary:
    'Revokes a block of a Biscuit, and so every token that holds it, at once, on every instance. Of an authority block ' +
    'the agent’s owner may do it too: its session ends. Of any other block an administrator.',
  body: z.strictObject({ revocationId: RevocationId }),
  status: 200,
  response: z.object({
    revocationId: RevocationId,
    /** The session that ended; null for a block that was appended later. */
    sessionId: idSchema('session').nullable(),
  }),
  problems: ['forbidden', 'wrong-state'],
  example: { body: { revocationId: exampleRevocationId } },
})
