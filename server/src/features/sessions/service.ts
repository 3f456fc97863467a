/**
 * Sessions: logins of agents by key and of people by password, and all that descends from one. An unknown identity and
 * a wrong proof take the same steps and are told in the same words. Ending a session is exact: each use of a token asks
 * the primary whether its session lives.
 */
import type { SessionId, TenantId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import { asCaller, inTransaction, type Caller, type Context, type Transaction } from '../../platform/context.ts'
import type { Beat } from '../../platform/pulse.ts'
import { sha256 } from '../../platform/digest.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { withinDelegator } from '../capabilities/service.ts'
import { refreshGraceSeconds, type RefreshToken } from '../tokens/model.ts'
import {
  findRefreshTokenForUpdate,
  findRefreshTokenTenant,
  markRefreshTokenUsed,
  readAccessToken,
  signTokens,
  succeedRefreshToken,
  type Grant,
  type TokenPair,
} from '../tokens/service.ts'
import { endWithDescendants } from './ending.ts'
import { authenticationIn, credentialOf, requireLive, sdkTokenMethod, type LiveSession } from './model.ts'
import { requireOrBind, requirePossession } from './possession.ts'
import type { RecentCallers } from './recent-callers.ts'
import { requireSession } from './require-session.ts'
import { bindSession, countUse, findSession, findSessionForUpdate, touchSession } from './store.ts'

export { challengeFor, loginAgent } from './agent-login.ts'
export { admitUser, loginUser, proveUser } from './user-login.ts'
export { endSessionsOf, recordEnd } from './ending.ts'
export { endExpiredSessions, endSessionsOfStopped } from './expired.ts'
export { renewPassword } from './renew-password.ts'
export { boundKey, endBoundSessions } from './possession.ts'
export { admitByPasskey, loginByPasskey, proveByPasskey } from './passkey-login.ts'
export { requireLiveSession, terminateSession } from './manage.ts'
export { noting, notingFailure } from './noted-failure.ts'
export { requireSession }
export { RecentCallers } from './recent-callers.ts'
export { openSession, startSession } from './start.ts'
export { endSession, findSession, touchSession } from './store.ts'
export { openSessions, type BulkStart } from './bulk-start.ts'
export { endSessionsInBulk, shortenSession } from './store/bulk-ending.ts'

/**
 * Who presents an access token. Throws when the token is not valid, its session has ended, or its identity may not act.
 *
 * @param recent where one that was looked up before will do
 */
export async function callerOfAccessToken(
  ctx: Context,
  token: string,
  recent?: RecentCallers,
): Promise<IdentityCaller> {
  const known = await recent?.find(ctx, token)
  if (known) return known
  const { keysVersion, ...read } = await readAccessToken(ctx, token)
  const { caller, presentVersion, beat, isLasting } = await callerInSession(ctx, { ...read, token })
  // Its key may have been revoked since this instance looked: with other keys than those it is verified again.
  if (presentVersion !== keysVersion) await readAccessToken(ctx, token, presentVersion)
  // What a delegator holds may also change by time alone.
  if (isLasting) recent?.keep(token, caller, beat)
  return caller
}

type IdentityCaller = Caller & { kind: 'identity' }

/** What the signature of a token says, of whichever form it is. */
export interface PresentedToken {
  readonly token: string
  readonly tenantId: TenantId
  readonly subject: string
  readonly sessionId: string
  readonly expiresAt: Date
  /** The token itself, where it is a Biscuit that was narrowed since it was made. */
  readonly attenuation?: string | undefined
  /** Throws for what is wrong with the token beyond that; of the same moment as the rest. */
  readonly requireGood?: ((tx: Transaction) => Promise<void>) | undefined
}

/**
 * The caller that a token stands for, by its session as it is now; with the version of the tenant's keys at that moment,
 * which whoever verified the signature compares with that of the keys it used.
 */
export async function callerInSession(
  ctx: Context,
  { token, tenantId, subject, sessionId, expiresAt, attenuation, requireGood }: PresentedToken,
): Promise<{ caller: IdentityCaller; presentVersion: number; beat: Beat; isLasting: boolean }> {
  if (!isId('session', sessionId)) throw new Problem('invalid-token', 'the access token is not valid here')
  return inTransaction(asCaller(ctx, { ...ctx.caller, tenantId }), async (tx) => {
    const found = await findSession(tx, sessionId)
    if (!found || found.session.identityId !== subject)
      throw new Problem('token-revoked', 'the session has ended; log in again')
    requireLive(found.session, found.identity, tx.clock.now())
    await requireGood?.(tx)
    const { identityId, method, confirmation, actors, clientId, delegator, source } = found.session
    const reach = await withinDelegator(tx, delegator, found.session.scope)
    const { scope } = reach
    // A session that rests on another ends with it, by time as well.
    const isLasting = reach.isLasting && source === undefined
    await requirePossession(tx, confirmation, token)
    if (method === sdkTokenMethod) await touchSession(tx, sessionId, useNotedSeconds)
    const narrowed = { scope, attenuation: oneAttenuation(found.session.attenuation, attenuation) }
    const { address, certificateThumbprint } = ctx.caller
    const credential = credentialOf(found.session)
    const proved = { tenantId, identityId, sessionId, expiresAt, method, confirmation, actors, clientId, credential }
    const restsOn = { delegator, source }
    return {
      caller: {
        kind: 'identity',
        ...proved,
        ...narrowed,
        ...restsOn,
        address,
        certificateThumbprint,
      },
      presentVersion: found.keysVersion,
      beat: found.beat,
      isLasting,
    }
  })
}

/** A caller has one: a session that keeps a Biscuit is presented by no other. */
function oneAttenuation(kept: string | undefined, presented: string | undefined): string | undefined {
  if (kept !== undefined && presented !== undefined)
    throw new Problem('invalid-token', 'the session is narrowed by another Biscuit; present an access token of it')
  return kept ?? presented
}

/** The use of an SDK token is told to the minute: not every request is to write. */
const useNotedSeconds = 60

/**
 * Trades a refresh token for its successor. One used before ends the session, but for the grace. Where a session is
 * named, a token of any other is not valid, and is not spent.
 */
export async function refreshSession(ctx: Context, refreshToken: string, named?: SessionId): Promise<TokenPair> {
  const digest = sha256(refreshToken)
  const tenantId = await inTransaction(ctx, (tx) => findRefreshTokenTenant(tx, digest))
  if (!tenantId) throw new Problem('invalid-token', 'the refresh token is not valid here; log in again')
  const outcome = await inTransaction(asCaller(ctx, { ...ctx.caller, tenantId }), (tx) =>
    succeed(tx, refreshToken, digest, named),
  )
  // Thrown here, not inside: a thrown Problem would roll back the end of the session.
  if (outcome === 'reused')
    throw new Problem('token-revoked', 'the refresh token was used before, so its session was ended')
  return signTokens(ctx, outcome)
}

async function succeed(
  tx: Transaction,
  refreshToken: string,
  digest: Buffer,
  named: SessionId | undefined,
): Promise<Grant | 'reused'> {
  const token = await findRefreshTokenForUpdate(tx, digest)
  const isNamed = token && (!named || named === token.sessionId)
  const found = isNamed && (await findSessionForUpdate(tx, token.sessionId))
  if (!found) throw new Problem('invalid-token', 'the refresh token is not valid here; log in again')
  const { session, identity } = found
  requireLive(session, identity, tx.clock.now())
  if (isBoundByAnother(tx.caller, token, session)) return endReused(tx, session)
  const confirmation = await requireOrBind(tx, session.confirmation)
  const isNewlyBound = confirmation !== undefined && !session.confirmation
  if (isNewlyBound) await bindSession(tx, session.id, confirmation)
  if (token.usedAt && addSeconds(token.usedAt, refreshGraceSeconds) < tx.clock.now()) return endReused(tx, session)
  if (!token.usedAt) {
    await markRefreshTokenUsed(tx, digest)
    await countUse(tx, session.id)
  }
  recordEvent(tx, {
    type: 'session.refreshed',
    actor: session.identityId,
    authentication: authenticationIn(session),
    resource: `agent-iam/sessions/${session.id}`,
    // From now on its tokens are good with the key only.
    narrows: isNewlyBound,
  })
  const { id: sessionId, identityId, clientId, scope } = session
  return {
    tenantId: tx.caller.tenantId,
    identityId,
    sessionId,
    clientId,
    scope,
    confirmation,
    refreshToken: await succeedRefreshToken(tx, refreshToken, sessionId),
  }
}

/**
 * Whether a token that was bound to nothing was used by who bound the session to its key, and is presented by another: one
 * of the two stole it, and would otherwise have shut out the other unnoticed.
 */
function isBoundByAnother(caller: Caller, token: RefreshToken, { metadata, confirmation }: LiveSession): boolean {
  const boundAt: unknown = Reflect.get(Object(metadata), 'boundAt')
  if (!token.usedAt || typeof boundAt !== 'string' || token.issuedAt >= new Date(boundAt)) return false
  return !confirmation || !('jkt' in confirmation) || caller.dpop?.thumbprint !== confirmation.jkt
}

async function endReused(tx: Transaction, { id, identityId }: LiveSession): Promise<'reused'> {
  await endWithDescendants(tx, { id, identityId }, 'refresh token reused')
  recordEvent(tx, {
    type: 'session.reuse-detected',
    resource: `agent-iam/sessions/${id}`,
    data: { identityId },
    narrows: true,
  })
  return 'reused'
}

/** Ends the caller's own session, and with it every token of it and what was begun with those. */
export async function logout(ctx: Context): Promise<{ sessionId: SessionId; endedAt: Date }> {
  const { sessionId, identityId } = requireSession(ctx.caller)
  return inTransaction(ctx, async (tx) => {
    if (!(await endWithDescendants(tx, { id: sessionId, identityId }, 'logout')))
      throw new Problem('token-revoked', 'the session has ended already')
    return { sessionId, endedAt: tx.clock.now() }
  })
}
