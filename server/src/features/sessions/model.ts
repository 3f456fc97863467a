import type { IdentityStatus } from '@agent-iam/contract/agents'
import type { IdentityId, SdkTokenId, SessionId, UserId } from '@agent-iam/contract/ids'
import type { OpenObject } from '@agent-iam/contract/json'
import type { SessionStatus } from '@agent-iam/contract/sessions'
import type { Authentication, Confirmation } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
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

/** A session as it is found at its use, with what it was lent through. */
export interface LiveSession extends Session {
  /** As its maker wrote it: JSON that nobody has looked at. */
  readonly metadata: unknown
  /** Who acts in it for its identity, who began first (RFC 8693). */
  readonly actors: readonly IdentityId[]
  /** The Biscuit that it is narrowed by, if any. */
  readonly attenuation: string | undefined
  /** Whose authority the credential acts with, where that is not the identity: it reaches no more than they hold now. */
  readonly delegator: IdentityId | undefined
  /** The session by which the credential was created, where it rests on one. */
  readonly source: SessionId | undefined
  /** Whether the sessions it was begun with live, and its actors and whoever lends its identity authority may act. */
  readonly chainLives: boolean
  readonly tenantActs: boolean
}

/** What the identity was proved by when the session began, where that is known. */
export function credentialOf({ metadata }: Pick<LiveSession, 'metadata'>): string | undefined {
  const credential: unknown = Reflect.get(Object(metadata), 'credential')
  return typeof credential === 'string' ? credential : undefined
}

/** For an event whose actor acts in this session. */
export function authenticationIn(session: Pick<LiveSession, 'id' | 'clientId' | 'metadata'>): Authentication {
  return { session: session.id, credential: credentialOf(session), client: session.clientId }
}

/** Refuses to go on with a session that has ended, or whose identity may not act. */
export function requireLive(
  session: Pick<LiveSession, 'endedAt' | 'expiresAt' | 'chainLives' | 'tenantActs'>,
  identity: { status: IdentityStatus; expiresAt: Date | undefined },
  now: Date,
): void {
  if (session.endedAt || session.expiresAt <= now)
    throw new Problem('token-revoked', 'the session has ended; log in again')
  if (!session.tenantActs) throw new Problem('identity-inactive', 'the tenant is suspended; ask its operator')
  if (!session.chainLives) throw new Problem('token-revoked', 'what the session was lent through has ended')
  requireActive(identity, now)
}

/** Told only to who has proved to be the identity. */
export function requireActive(identity: { status: IdentityStatus; expiresAt: Date | undefined }, now: Date): void {
  if (identity.status !== 'active')
    throw new Problem('identity-inactive', `the identity is ${identity.status}; ask its owner or an administrator`)
  if (identity.expiresAt && identity.expiresAt <= now)
    throw new Problem('identity-inactive', 'the identity has expired; ask its owner or an administrator')
}

/** A session with all that is kept of it, for who looks after it. */
export interface StoredSession extends Omit<Session, 'confirmation'> {
  /** Who answers for the identity, where it is an agent. */
  readonly owner: IdentityId | undefined
  /** The session whose token began this one. */
  readonly parentId: SessionId | undefined
  readonly endReason: string | undefined
  /** What its holder notes about it: nothing rests on them. */
  readonly notes: OpenObject
  readonly device: string | undefined
  readonly lastUsedAt: Date | undefined
}

/** One that ran out has that very instant as its end, once its end was put on record. */
export function statusOf({ endedAt, expiresAt }: Pick<Session, 'endedAt' | 'expiresAt'>, now: Date): SessionStatus {
  if (endedAt && endedAt < expiresAt) return 'ended'
  return expiresAt <= now ? 'expired' : 'active'
}

/** Sessions of API keys are none of a login: what manages the key ends them. */
export const apiKeyMethod = 'api-key'
export const sdkTokenMethod = 'sdk-token'

/** A session whose tokens another got in exchange for one of its subject's (RFC 8693). */
export const tokenExchangeMethod = 'token-exchange'

/** Of these an agent may have any number: credentials are counted as such, and what others exchange is not its doing. */
export const methodsWithoutLimit: readonly string[] = [apiKeyMethod, sdkTokenMethod, tokenExchangeMethod]

/** How long the tokens of a device are renewed before its person logs in again. */
export const sdkTokenSeconds = 90 * 86_400

/** A person's lasting login on a device; it is as good as its session. */
export interface SdkToken {
  readonly id: SdkTokenId
  readonly userId: UserId
  readonly sessionId: SessionId
  readonly device: string
  readonly scope: readonly string[] | undefined
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly endedAt: Date | undefined
  readonly recoveredAt: Date | undefined
  readonly lastUsedAt: Date | undefined
  readonly uses: number
}

/** An identity by its id, and by the name that its kind has in the requirements. */
export function namesOf(identityId: IdentityId) {
  return {
    identityId,
    ...(isId('agent', identityId) && { agentId: identityId }),
    ...(isId('user', identityId) && { userId: identityId }),
    ...(isId('service', identityId) && { serviceId: identityId }),
  }
}
