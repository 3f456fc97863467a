import type { SigningAlgorithm, SigningKeyState, SigningKeyType } from '@agent-iam/contract/signing-keys'
import type { Id } from '@agent-iam/contract/ids'

export type SigningKeyId = Id<'signingKey'>

/** A key that signs a tenant's tokens. Its id is the `kid`. */
export interface SigningKey {
  readonly id: SigningKeyId
  readonly algorithm: SigningAlgorithm
  readonly keyType: SigningKeyType
  readonly state: SigningKeyState
  readonly publicJwk: Readonly<Record<string, unknown>>
  /** PKCS#8 DER, sealed with the master key; undefined from the moment that it signs no more. */
  readonly sealed: Buffer | undefined
  readonly createdAt: Date
  /** From when a pending key may sign. */
  readonly signsFrom: Date | undefined
  readonly activatedAt: Date | undefined
  /** Until when a retiring key verifies. */
  readonly retiresAt: Date | undefined
  /** When it was retired or revoked. */
  readonly endedAt: Date | undefined
}

/** A tenant's keys as one instance read them. */
export interface KeySet {
  readonly version: number
  /** Which of the active keys signs the tenant's tokens. */
  readonly algorithm: SigningAlgorithm
  readonly keys: readonly SigningKey[]
}

/** RFC 9068 §2.1: tells an access token from every other JWT that the same key may sign. */
export const accessTokenType = 'at+jwt'

export const defaultAlgorithm: SigningAlgorithm = 'RS256'

export const algorithmOf = {
  'RSA-2048': 'RS256',
  'RSA-4096': 'RS256',
  Ed25519: 'EdDSA',
} as const satisfies Record<SigningKeyType, SigningAlgorithm>

/** What a key is replaced by when its time has come. */
export const rotationType = { RS256: 'RSA-2048', EdDSA: 'Ed25519' } as const satisfies Record<
  SigningAlgorithm,
  SigningKeyType
>

/** Whether a token that the key signed is still accepted. The clock counts, not only the state: a job may be late. */
export function isVerifying(key: SigningKey, now: Date): boolean {
  if (key.state === 'retired' || key.state === 'revoked') return false
  return key.retiresAt === undefined || key.retiresAt > now
}
