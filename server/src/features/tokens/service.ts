/**
 * Tokens of a session: access tokens (RFC 9068 JWTs, audience-bound, a quarter of an hour) and refresh tokens (opaque,
 * one use, digests at rest). A refresh token used a second time is a sign of theft (RFC 9700 §4.14.2).
 */
import type { IdentityId, SessionId, TenantId } from '@agent-iam/contract/ids'
import type { Context, Transaction } from '../../platform/context.ts'
import { hmacSha256, sha256 } from '../../platform/digest.ts'
import { newSecret } from '../../platform/random.ts'
import { accessTokenSeconds, refreshTokenPrefix } from './model.ts'
import { insertRefreshToken } from './store.ts'

export { findRefreshTokenForUpdate, findRefreshTokenTenant, markRefreshTokenUsed } from './store.ts'

export interface TokenPair {
  readonly accessToken: string
  readonly refreshToken: string
  readonly expiresIn: number
}

/** A session's first tokens. */
export async function issueTokens(tx: Transaction, identityId: IdentityId, sessionId: SessionId): Promise<TokenPair> {
  const refreshToken = newSecret(tx.random, refreshTokenPrefix)
  await insertRefreshToken(tx, sha256(refreshToken), sessionId)
  return { accessToken: await accessToken(tx, identityId, sessionId), refreshToken, expiresIn: accessTokenSeconds }
}

/**
 * The tokens that follow a refresh token. The successor is derived from it with a key of the server's own, so that
 * the same token gives the same successor, and nobody else can tell it.
 */
export async function succeedTokens(
  tx: Transaction,
  presented: string,
  owner: { identityId: IdentityId; sessionId: SessionId },
): Promise<TokenPair> {
  const successor = hmacSha256(tx.sealer.derive('refresh token successor'), presented)
  const refreshToken = refreshTokenPrefix + successor.toString('base64url')
  await insertRefreshToken(tx, sha256(refreshToken), owner.sessionId)
  const access = await accessToken(tx, owner.identityId, owner.sessionId)
  return { accessToken: access, refreshToken, expiresIn: accessTokenSeconds }
}

/** Whose an access token is, by its signature alone: whether its session still lives, the caller must ask. */
export async function readAccessToken(
  ctx: Context,
  token: string,
): Promise<{ tenantId: TenantId; subject: string; sessionId: string; expiresAt: Date }> {
  const { tenantId, claims } = await ctx.keys.verifyAccessToken(token, ctx.clock.now())
  return { tenantId, subject: claims.sub, sessionId: claims.sid, expiresAt: new Date(claims.exp * 1000) }
}

async function accessToken(tx: Transaction, identityId: IdentityId, sessionId: SessionId): Promise<string> {
  const { tenantId } = tx.caller
  const issuer = tx.keys.issuerOf(tenantId)
  const now = Math.floor(tx.clock.now().getTime() / 1000)
  return tx.keys.signAccessToken(tenantId, {
    iss: issuer,
    sub: identityId,
    aud: `${issuer}/api`,
    exp: now + accessTokenSeconds,
    iat: now,
    jti: tx.random(16).toString('base64url'),
    client_id: identityId,
    sid: sessionId,
    tenant: tenantId,
  })
}
