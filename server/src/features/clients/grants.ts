import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import { inTransaction, type Confirmation, type Context, type Transaction } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { lockIdentity } from '../identities/service.ts'
import { requireLive } from '../sessions/model.ts'
import { endSession, findSession, openSession, recordEnd, touchSession } from '../sessions/service.ts'
import { keepClient, listSessionsOfClient } from './store/clients.ts'
import { oauthMethod } from './model.ts'
import { deleteGrantSessions, findGrantOfSession, insertGrantSession, listGrantSessions } from './store/grants.ts'
import { deletePayload, deletePayloadsOfGrant, findPayloadForUpdate } from './store/payloads.ts'

/** The provider's name for a grant: one person's consent to one client. */
export const grantModel = 'Grant'

/** A refreshed token is a use of its session; it is stored this often. */
const useNotedSeconds = 60

/** What a token of a grant may do at our own API, and what it is bound to. */
export interface TokenAuthority {
  readonly clientId: string
  /** Capability entries; none where the token is for another resource server. */
  readonly scope: readonly string[]
  readonly confirmation: Confirmation | undefined
  /** What the session tells about itself: for whom its tokens are. */
  readonly metadata: Readonly<Record<string, string>>
  readonly seconds: number
  /** The login by which the person gave the code that is redeemed: ended meanwhile, it gives nothing more. */
  readonly login: SessionId | undefined
}

/**
 * The session that a grant's tokens of this narrowing and key share, opened when the first is made: so a token that was
 * asked narrower is narrower. Throws `token-revoked` when the grant is none any more.
 */
export async function sessionOfGrant(
  ctx: Context,
  grantId: string,
  identityId: IdentityId,
  authority: TokenAuthority,
): Promise<SessionId> {
  return inTransaction(ctx, async (tx) => {
    const grant = sha256(grantId)
    // Held, so that of two tokens made at once one opens the session and the other finds it.
    const known = (await isStanding(tx, grant)) ? await listGrantSessions(tx, grant) : undefined
    if (!known) throw new Problem('token-revoked', 'the grant has ended; ask for a new one')
    const { login } = authority
    // Held, so that whoever ends all that the person has begun comes before, and is seen, or after, and ends this too.
    await lockIdentity(tx, identityId)
    if (login !== undefined && !(await isLive(tx, login)))
      throw new Problem('token-revoked', 'the login by which it was given has ended')
    const digest = digestOf(authority)
    const found = known.find((each) => each.authority.equals(digest))
    if (found) {
      await touchSession(tx, found.sessionId, useNotedSeconds)
      return found.sessionId
    }
    const { metadata, clientId, scope, confirmation, seconds } = authority
    const start = { method: oauthMethod, clientId, scope, confirmation, seconds, metadata }
    const { sessionId } = await openSession(tx, identityId, start)
    // A client that registered itself is forgotten unless it is used; now it is.
    if (isId('client', clientId)) await keepClient(tx, clientId)
    const expiresAt = addSeconds(tx.clock.now(), seconds)
    await insertGrantSession(tx, grant, { sessionId, authority: digest, expiresAt })
    return sessionId
  })
}

/** Whether what descends from a grant may still be used. */
export async function isGrantLive(ctx: Context, grantId: string): Promise<boolean> {
  return inTransaction(ctx, (tx) => isStanding(tx, sha256(grantId)))
}

/** Whether a session lives and its identity may act. */
export async function isSessionLive(ctx: Context, sessionId: SessionId): Promise<boolean> {
  return inTransaction(ctx, (tx) => isLive(tx, sessionId))
}

/** Ends a session, and the grant that it came by, if any, with all its tokens. */
export async function revokeSession(ctx: Context, sessionId: SessionId): Promise<void> {
  await inTransaction(ctx, async (tx) => {
    const grant = await findGrantOfSession(tx, sessionId)
    if (grant) await endGrant(tx, grant)
    else await endOne(tx, sessionId)
  })
}

/** Ends the sessions that a client was given, with their grants. Returns how many there were. */
export async function endSessionsOfClient(tx: Transaction, clientName: string): Promise<number> {
  const sessions = await listSessionsOfClient(tx, clientName)
  for (const sessionId of sessions) {
    const grant = await findGrantOfSession(tx, sessionId)
    if (grant) await endGrant(tx, grant)
    else await endOne(tx, sessionId)
  }
  return sessions.length
}

/** Ends a grant by the digest of its id, with all that descends from it. */
export async function endGrant(tx: Transaction, grant: Buffer): Promise<void> {
  await findPayloadForUpdate(tx, grantModel, grant)
  await deletePayloadsOfGrant(tx, grant)
  await deletePayload(tx, grantModel, grant)
  const sessions = await listGrantSessions(tx, grant)
  await deleteGrantSessions(tx, grant)
  for (const { sessionId } of sessions) await endOne(tx, sessionId)
}

/** A grant stands while its row does and none of its sessions was ended. Holds it until the transaction ends. */
async function isStanding(tx: Transaction, grant: Buffer): Promise<boolean> {
  if (!(await findPayloadForUpdate(tx, grantModel, grant))) return false
  for (const { sessionId } of await listGrantSessions(tx, grant)) if (!(await isLive(tx, sessionId))) return false
  return true
}

async function isLive(tx: Transaction, sessionId: SessionId): Promise<boolean> {
  const found = await findSession(tx, sessionId)
  if (!found) return false
  try {
    requireLive(found.session, found.identity, tx.clock.now())
    return true
  } catch (error) {
    if (error instanceof Problem) return false
    throw error
  }
}

async function endOne(tx: Transaction, sessionId: SessionId): Promise<void> {
  const found = await findSession(tx, sessionId)
  const reason = 'oauth grant revoked'
  if (found && (await endSession(tx, sessionId, reason)))
    recordEnd(tx, sessionId, { identityId: found.session.identityId, reason })
}

function digestOf({ scope, confirmation, metadata }: TokenAuthority): Buffer {
  return sha256(JSON.stringify([scope.toSorted(), confirmation ?? null, metadata]))
}
