import type { Id } from '@agent-iam/contract/ids'

/** A key that signs a tenant's tokens. Its id is the `kid`. */
export interface SigningKey {
  readonly id: Id<'signingKey'>
  readonly algorithm: 'RS256' | 'EdDSA'
  readonly publicJwk: Readonly<Record<string, unknown>>
  /** PKCS#8 DER, sealed with the master key. */
  readonly sealed: Buffer
  readonly createdAt: Date
}

/** RFC 9068 §2.1: tells an access token from every other JWT that the same key may sign. */
export const accessTokenType = 'at+jwt'
