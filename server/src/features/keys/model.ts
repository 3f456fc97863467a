import type { KeyPurpose, SigningAlgorithm, SigningKeyState, SigningKeyType } from '@agent-iam/contract/signing-keys'
import type { Id } from '@agent-iam/contract/ids'

export type SigningKeyId = Id<'signingKey'>

/** A key that signs a tenant's tokens. Its id is the `kid`. */
export interface SigningKey {
  readonly id: SigningKeyId
  readonly purpose: KeyPurpose
  /** The number that Biscuits name their root key by; given when the key is stored, and to no other. */
  readonly rootKeyId: number | undefined
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

/** Keys that follow one another: of each line one signs, and never for another line. */
export interface KeyLine {
  readonly purpose: KeyPurpose
  readonly algorithm: SigningAlgorithm
}

export const keyLines: readonly KeyLine[] = [
  { purpose: 'jwt', algorithm: 'RS256' },
  { purpose: 'jwt', algorithm: 'EdDSA' },
  { purpose: 'biscuit', algorithm: 'EdDSA' },
]

/** A key that is to be made. */
export interface KeyWish {
  readonly purpose: KeyPurpose
  readonly keyType: SigningKeyType
}

/** For each purpose one stands by, published, for the day that the one which signs is revoked. */
export const backups: readonly KeyWish[] = [
  { purpose: 'jwt', keyType: 'RSA-4096' },
  { purpose: 'biscuit', keyType: 'Ed25519' },
]

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

/** What the next key of a line is. */
export function wishFor({ purpose, algorithm }: KeyLine): KeyWish {
  return { purpose, keyType: rotationType[algorithm] }
}

/** Whether a token that the key signed is still accepted. The clock counts, not only the state: a job may be late. */
export function isVerifying(key: SigningKey, now: Date): boolean {
  if (key.state === 'retired' || key.state === 'revoked') return false
  return key.retiresAt === undefined || key.retiresAt > now
}
