import type { IdentityStatus } from '@agent-iam/contract/agents'
import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import type { Confirmation } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'

/** What a session may do, and how it came to be. */
export interface Authority {
  /** How the identity was proved, such as `password` or `client-secret`. */
  readonly method: string
  /** The OAuth client that got the session; undefined where the identity itself did. */
  readonly clientId: string | undefined
  /** The capability entries that it is narrowed to; undefined: all that the identity holds. */
  readonly scope: readonly string[] | undefined
  /** The key that its tokens are bound to. */
  readonly confirmation: Confirmation | undefined
}

/** One login and all tokens that descend from it. */
export interface Session extends Authority {
  readonly id: SessionId
  readonly identityId: IdentityId
  readonly startedAt: Date
  readonly expiresAt: Date
  readonly endedAt: Date | undefined
}

/** Refuses to go on with a session that has ended, or whose identity may not act. */
export function requireLive(
  session: Session,
  identity: { status: IdentityStatus; expiresAt: Date | undefined },
  now: Date,
): void {
  if (session.endedAt || session.expiresAt <= now)
    throw new Problem('token-revoked', 'the session has ended; log in again')
  requireActive(identity, now)
}

/** Told only to who has proved to be the identity. */
export function requireActive(identity: { status: IdentityStatus; expiresAt: Date | undefined }, now: Date): void {
  if (identity.status !== 'active')
    throw new Problem('identity-inactive', `the identity is ${identity.status}; ask its owner or an administrator`)
  if (identity.expiresAt && identity.expiresAt <= now)
    throw new Problem('identity-inactive', 'the identity has expired; ask its owner or an administrator')
}
