/** How long an access token is good for: short, since who only checks its signature learns of a revocation by its end. */
export const accessTokenSeconds = 900

/** How long a session may be refreshed: who comes back later logs in again. */
export const sessionSeconds = 12 * 3600

/**
 * Within this of its first use, a refresh token yields the same successor again: an answer that was lost on the way
 * does not end the session, and a thief cannot have a second one.
 */
export const refreshGraceSeconds = 10

export const refreshTokenPrefix = 'rft_'

export interface RefreshToken {
  readonly sessionId: `ses_${string}`
  readonly issuedAt: Date
  readonly usedAt: Date | undefined
}
