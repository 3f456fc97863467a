import type { TenantId } from '@agent-iam/contract/ids'
import type { Confirmation } from './context.ts'

export interface AccessTokenClaims {
  readonly iss: string
  readonly sub: string
  readonly aud: string
  readonly exp: number
  readonly iat: number
  readonly jti: string
  readonly client_id: string
  readonly sid: string
  readonly tenant: string
  /** Entries with a space between (RFC 9068 §2.2.3); absent where the session is not narrowed. */
  readonly scope?: string | undefined
  readonly cnf?: Confirmation | undefined
}

/** A tenant's token signing keys. `features/keys` holds the ring that does it. */
export interface Keys {
  /** The address of this installation, without a slash at the end. */
  readonly publicUrl: string
  /** The issuer of a tenant's tokens: the public URL itself for the default tenant. */
  issuerOf(tenantId: TenantId): string
  /** The tenant an issuer stands for; undefined when it is none of ours. */
  tenantOf(issuer: string): TenantId | undefined
  signAccessToken(tenantId: TenantId, claims: AccessTokenClaims): Promise<string>
  /** Throws `invalid-token` for whatever is wrong with it. Says nothing about revocation. */
  verifyAccessToken(token: string, now: Date): Promise<{ tenantId: TenantId; claims: AccessTokenClaims }>
  /** The public keys, as a JWK Set. */
  publicJwks(tenantId: TenantId): Promise<Array<Record<string, unknown>>>
}
