/**
 * Tokens of a session: access tokens (RFC 9068 JWTs, audience-bound, a quarter of an hour) and refresh tokens (opaque,
 * one use, digests at rest). A refresh token used a second time is a sign of theft (RFC 9700 §4.14.2).
 */
import type { IdentityId, SessionId, TenantId } from '@agent-iam/contract/ids'
import type { Confirmation, Context, Transaction } from '../../platform/context.ts'
import { hmacSha256, sha256 } from '../../platform/digest.ts'
import { newSecret } from '../../platform/random.ts'
import { accessTokenSeconds, refreshTokenPrefix } from './model.ts'
import { insertRefreshToken } from './store.ts'

export {
  deleteRefreshTokensOf,
  findRefreshTokenForUpdate,
  findRefreshTokenTenant,
  markRefreshTokenUsed,
} from './store.ts'

export interface TokenPair {
  readonly accessToken: string
  readonly refreshToken: string
  readonly expiresIn: number
  readonly tokenType: 'Bearer' | 'DPoP'
}

/** What a transaction leaves for an access token to be made of once it is committed. */
export interface AccessGrant {
  readonly tenantId: TenantId
  readonly identityId: IdentityId
  readonly sessionId: SessionId
  readonly clientId: string | undefined
  readonly scope: readonly string[] | undefined
  readonly confirmation: Confirmation | undefined
}

export interface Grant extends AccessGrant {
  readonly refreshToken: string
}

/** A session's first refresh token. */
export async function issueRefreshToken(tx: Transaction, sessionId: SessionId): Promise<string> {
  const refreshToken = newSecret(tx.random, refreshTokenPrefix)
  await insertRefreshToken(tx, sha256(refreshToken), sessionId)
  return refreshToken
}

/**
 * The refresh token that follows another. It is derived from it with a key of the server's own, so that the same token
 * gives the same successor, and nobody else can tell it.
 */
export async function succeedRefreshToken(tx: Transaction, presented: string, sessionId: SessionId): Promise<string> {
  const successor = hmacSha256(tx.sealer.derive('refresh token successor'), presented)
  const refreshToken = refreshTokenPrefix + successor.toString('base64url')
  await insertRefreshToken(tx, sha256(refreshToken), sessionId)
  return refreshToken
}

/** Both tokens. NOTE: not inside a transaction: see `signAccessToken`. */
export async function signTokens(ctx: Context, grant: Grant): Promise<TokenPair> {
  const accessToken = await signAccessToken(ctx, grant)
  const tokenType = tokenTypeOf(grant.confirmation)
  return { accessToken, refreshToken: grant.refreshToken, expiresIn: accessTokenSeconds, tokenType }
}

/** RFC 9449 §5; what is bound to a certificate is a Bearer token still (RFC 8705 §3). */
export function tokenTypeOf(confirmation: Confirmation | undefined): 'Bearer' | 'DPoP' {
  return confirmation && 'jkt' in confirmation ? 'DPoP' : 'Bearer'
}

/** Signs the access token. NOTE: not inside a transaction, which would wait for one of its own to load the keys. */
export async function signAccessToken(ctx: Context, grant: AccessGrant): Promise<string> {
  const { tenantId, identityId, sessionId, clientId = identityId, scope, confirmation } = grant
  const issuer = ctx.keys.issuerOf(tenantId)
  const now = Math.floor(ctx.clock.now().getTime() / 1000)
  return ctx.keys.signAccessToken(tenantId, {
    iss: issuer,
    sub: identityId,
    aud: `${issuer}/api`,
    exp: now + accessTokenSeconds,
    iat: now,
    jti: ctx.random(16).toString('base64url'),
    client_id: clientId,
    sid: sessionId,
    tenant: tenantId,
    ...(scope && { scope: scope.join(' ') }),
    ...(confirmation && { cnf: confirmation }),
  })
}

/** Whose an access token is, by its signature alone: whether its session still lives, the caller must ask. */
export async function readAccessToken(
  ctx: Context,
  token: string,
  keysVersion?: number,
): Promise<{ tenantId: TenantId; subject: string; sessionId: string; expiresAt: Date; keysVersion: number }> {
  const { claims, ...verified } = await ctx.keys.verifyAccessToken(token, ctx.clock.now(), keysVersion)
  return { ...verified, subject: claims.sub, sessionId: claims.sid, expiresAt: new Date(claims.exp * 1000) }
}
