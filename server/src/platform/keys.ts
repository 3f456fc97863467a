import type { TenantId } from '@agent-iam/contract/ids'
import type { SigningAlgorithm } from '@agent-iam/contract/signing-keys'
import { z } from 'zod'

/** What an access token of ours says (RFC 9068 §2.2). Claims beyond these are not looked at. */
export const AccessTokenClaimsSchema = z.object({
  iss: z.string(),
  sub: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  exp: z.number(),
  iat: z.number(),
  jti: z.string(),
  client_id: z.string(),
  sid: z.string(),
  tenant: z.string(),
  /** Entries with a space between (RFC 9068 §2.2.3); absent where the session is not narrowed. */
  scope: z.string().optional(),
  /** The key that the token is bound to (RFC 7800). */
  cnf: z.union([z.strictObject({ jkt: z.string() }), z.strictObject({ 'x5t#S256': z.string() })]).optional(),
  /** Who acts for the subject (RFC 8693 §4.1). */
  act: z.record(z.string(), z.json()).optional(),
})
export type AccessTokenClaims = Readonly<z.infer<typeof AccessTokenClaimsSchema>>

export interface JwtHeader {
  /** What kind of token it is, so that it is none other. */
  readonly typ: string
  /** The tenant's own algorithm unless it is said. */
  readonly alg?: SigningAlgorithm | undefined
}

/** What a token must be to be accepted; its issuer is the tenant's. */
export interface JwtExpectations {
  readonly typ: string
  readonly audience: string
  readonly now: Date
  /** A version of the tenant's keys that is known to exist: what is verified with older ones may have been revoked. */
  readonly keysVersion?: number | undefined
}

export interface VerifiedJwt {
  readonly claims: Readonly<Record<string, unknown>>
  /** Of the keys that it was verified with. */
  readonly keysVersion: number
}

/** Private JWKs of the keys that sign, the tenant's own algorithm first. NOTE: secret; never logged, never sent. */
export interface SigningJwks {
  /** Another version may hold other keys. */
  readonly version: number
  readonly keys: ReadonlyArray<Record<string, unknown>>
}

/** A root key of Biscuits (Ed25519). */
export interface RootKey {
  /** The number by which tokens name it: one key's in all tenants. */
  readonly rootKeyId: number
  /** 32 bytes in hex. */
  readonly publicKey: string
}

/** One that verifies, with what it rests on. */
export interface VerifyingRootKey extends RootKey {
  readonly tenantId: TenantId
  /** Of the keys that it belongs to. */
  readonly keysVersion: number
}

/** A tenant's token signing keys. `features/keys` holds the ring that does it. NOTE: none of it inside a transaction. */
export interface Keys {
  /** The address of this installation, without a slash at the end. */
  readonly publicUrl: string
  /** The issuer of a tenant's tokens: the public URL itself for the default tenant. */
  issuerOf(tenantId: TenantId): string
  /** The tenant an issuer stands for; undefined when it is none of ours. */
  tenantOf(issuer: string): TenantId | undefined
  signAccessToken(tenantId: TenantId, claims: AccessTokenClaims): Promise<string>
  /** Signs any other token. Throws when it would outlive its key. */
  signJwt(
    tenantId: TenantId,
    header: JwtHeader,
    claims: Readonly<Record<string, unknown>> & { readonly exp: number },
  ): Promise<string>
  /**
   * Throws `invalid-token` for whatever is wrong with it. Says nothing about revocation: ask for the session, and with it
   * for the present version of the keys; if that is another than the answer's, verify again with it.
   */
  verifyAccessToken(
    token: string,
    now: Date,
    keysVersion?: number,
  ): Promise<{ tenantId: TenantId; claims: AccessTokenClaims; keysVersion: number }>
  /** The same for any token that the tenant's keys signed. */
  verifyJwt(tenantId: TenantId, token: string, expected: JwtExpectations): Promise<VerifiedJwt>
  /** The public keys, as a JWK Set. */
  publicJwks(tenantId: TenantId): Promise<Array<Record<string, unknown>>>
  signingJwks(tenantId: TenantId): Promise<SigningJwks>
  /** The root keys that Biscuits verify with, pending ones too. */
  publicRootKeys(tenantId: TenantId): Promise<RootKey[]>
  /** The root key that signs, its private half in hex. NOTE: secret; never logged, never sent. */
  signingRootKey(tenantId: TenantId): Promise<RootKey & { readonly privateKey: string }>
  /**
   * The root key of that number, in whichever tenant; undefined when there is none, or its time is over. What holds for
   * `verifyAccessToken` holds here: ask for the version of the keys with the session, and again if that is another.
   */
  findRootKey(rootKeyId: number, now: Date, keysVersion?: number): Promise<VerifyingRootKey | undefined>
}
