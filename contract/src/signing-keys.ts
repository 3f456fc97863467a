import { z } from 'zod'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { Instant } from './text.ts'

/** What a tenant's tokens may be signed with. */
export const signingAlgorithms = ['RS256', 'EdDSA'] as const
export const SigningAlgorithm = z.enum(signingAlgorithms)
export type SigningAlgorithm = z.infer<typeof SigningAlgorithm>

export const signingKeyTypes = ['RSA-2048', 'RSA-4096', 'Ed25519'] as const
export const SigningKeyType = z.enum(signingKeyTypes)
export type SigningKeyType = z.infer<typeof SigningKeyType>

/**
 * pending: published, so that verifiers know it before it signs. active: signs. backup: published, and signs once an
 * active key is revoked. retiring: verifies what it signed. retired, revoked: verifies nothing.
 */
export const signingKeyStates = ['pending', 'active', 'backup', 'retiring', 'retired', 'revoked'] as const
export const SigningKeyState = z.enum(signingKeyStates)
export type SigningKeyState = z.infer<typeof SigningKeyState>

/** jwt: access tokens and what else is a JWT. biscuit: the root keys of Biscuits, which sign nothing else. */
export const KeyPurpose = z.enum(['jwt', 'biscuit'])
export type KeyPurpose = z.infer<typeof KeyPurpose>

export const SigningKey = z.object({
  /** The `kid` of its tokens. */
  keyId: idSchema('signingKey'),
  purpose: KeyPurpose,
  /** The number by which Biscuits name the key that signed them; null for other keys. */
  rootKeyId: z.int().nullable(),
  algorithm: SigningAlgorithm,
  keyType: SigningKeyType,
  state: SigningKeyState,
  createdAt: Instant,
  /** From when a pending key signs. */
  signsFrom: Instant.nullable(),
  activatedAt: Instant.nullable(),
  /** Until when a retiring key verifies. */
  retiresAt: Instant.nullable(),
  /** When it was retired or revoked. */
  endedAt: Instant.nullable(),
})
export type SigningKey = z.infer<typeof SigningKey>

/** All keys that a tenant has or had, with the algorithm that signs its tokens. */
export const SigningKeys = z.object({ algorithm: SigningAlgorithm, signingKeys: z.array(SigningKey) })
export type SigningKeys = z.infer<typeof SigningKeys>

export const listSigningKeys = operation({
  id: 'listSigningKeys',
  method: 'GET',
  path: '/api/v1/admin/signing-keys',
  action: 'signing-keys:read',
  summary: 'Lists the keys that sign the tenant’s tokens, newest first, and which algorithm signs.',
  status: 200,
  response: SigningKeys,
  problems: ['forbidden'],
  example: {},
})

export const chooseSigningAlgorithm = operation({
  id: 'chooseSigningAlgorithm',
  method: 'PATCH',
  path: '/api/v1/admin/signing-keys',
  action: 'signing-keys:configure',
  summary: 'Chooses the algorithm that signs the tenant’s tokens; keys of both are published already.',
  body: z.strictObject({ algorithm: SigningAlgorithm }),
  status: 200,
  response: SigningKeys,
  problems: ['forbidden'],
  example: { body: { algorithm: 'EdDSA' } },
})

export const rotateSigningKeys = operation({
  id: 'rotateSigningKeys',
  method: 'POST',
  path: '/api/v1/admin/signing-keys/rotate',
  action: 'signing-keys:rotate',
  summary:
    'Has the next key sign as soon as it has been published for a day; `immediately` at once, though verifiers that ' +
    'keep the key set may not know it yet.',
  body: z
    .strictObject({
      /** The tenant’s own unless it is said. */
      algorithm: SigningAlgorithm.optional(),
      purpose: KeyPurpose.default('jwt'),
      immediately: z.boolean().default(false),
    })
    .prefault({}),
  status: 200,
  response: SigningKeys,
  problems: ['forbidden', 'invalid-request', 'wrong-state'],
  example: { body: { algorithm: 'RS256', purpose: 'jwt', immediately: false } },
})

export const revokeSigningKey = operation({
  id: 'revokeSigningKey',
  method: 'POST',
  path: '/api/v1/admin/signing-keys/:keyId/revoke',
  action: 'signing-keys:revoke',
  summary:
    'Ends a key that others may have: every token it signed is refused from now on, everywhere, and another signs.',
  params: z.strictObject({ keyId: idSchema('signingKey') }),
  status: 200,
  response: SigningKey,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: { keyId: 'key_0198c5a1f3e07b2c8d4e6f708192a3b4' } },
})
