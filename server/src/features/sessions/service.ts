/**
 * Sessions: logins of agents by key and of people by password, and all that descends from one. An unknown identity and
 * a wrong proof take the same steps and are told in the same words. Ending a session is exact: each use of a token asks
 * the primary whether its session lives.
 */
import type { UserLogin } from '@agent-iam/contract/auth'
import { platformTenantId, type SessionId, type UserId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import { asCaller, inTransaction, type Caller, type Context, type Transaction } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { findPasswordHash, verifyPassword } from '../credentials/service.ts'
import { findUserByEmail } from '../identities/service.ts'
import { findTenantId } from '../tenants/service.ts'
import { refreshGraceSeconds } from '../tokens/model.ts'
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
import { notProved } from './agent-login.ts'
import { requireActive, requireLive } from './model.ts'
import { boundKey, requireOrBind, requirePossession } from './possession.ts'
import { startSession } from './start.ts'
import { bindSession, endSession, findSession, findSessionForUpdate } from './store.ts'

export { challengeFor, loginAgent } from './agent-login.ts'
export { endSessionsOf } from './ending.ts'

/** Logs in a person. Hashing happens outside the transaction: it takes long, and needs no connection. */
export async function loginUser(ctx: Context, { email, password, tenant }: UserLogin): Promise<TokenPair> {
  // An unknown tenant is looked for in the platform's, where nobody has the address, and costs the same.
  const found = await findTenantId(ctx, tenant)
  const inTenant = asCaller(ctx, { ...ctx.caller, tenantId: found ?? platformTenantId })
  const known = await inTransaction(inTenant, async (tx) => {
    const user = await findUserByEmail(tx, email.toLowerCase())
    // Nobody's password is looked for as well: an unknown address must cost what a known one does.
    return { user, hash: await findPasswordHash(tx, user?.id ?? nobody) }
  })
  const isProved = await verifyPassword(known.hash, password)
  if (!found || !known.user || !isProved) throw notProved()
  const { id } = known.user
  const granted = await inTransaction(inTenant, async (tx) => {
    const user = await findUserByEmail(tx, email.toLowerCase())
    if (user?.id !== id) throw notProved()
    requireActive({ status: user.status, expiresAt: undefined }, tx.clock.now())
    return startSession(tx, user.id, { method: 'password', confirmation: await boundKey(tx) })
  })
  return signTokens(ctx, granted)
}

/** The id of no user. */
const nobody: UserId = `usr_${'0'.repeat(32)}`

/** Who presents an access token. Throws when the token is not valid, its session has ended, or its identity may not act. */
export async function callerOfAccessToken(ctx: Context, token: string): Promise<Caller & { kind: 'identity' }> {
  const { tenantId, subject, sessionId, expiresAt, keysVersion } = await readAccessToken(ctx, token)
  if (!isId('session', sessionId)) throw new Problem('invalid-token', 'the access token is not valid here')
  const [caller, presentVersion] = await inTransaction(asCaller(ctx, { ...ctx.caller, tenantId }), async (tx) => {
    const found = await findSession(tx, sessionId)
    if (!found || found.session.identityId !== subject)
      throw new Problem('token-revoked', 'the session has ended; log in again')
    requireLive(found.session, found.identity, tx.clock.now())
    const { identityId, method, scope, confirmation } = found.session
    await requirePossession(tx, confirmation, token)
    const proved = { identityId, sessionId, expiresAt, method, scope, confirmation }
    const { address, certificateThumbprint } = ctx.caller
    return [
      { kind: 'identity' as const, tenantId, ...proved, address, certificateThumbprint },
      found.keysVersion,
    ] as const
  })
  // Its key may have been revoked since this instance looked: with other keys than those it is verified again.
  if (presentVersion !== keysVersion) await readAccessToken(ctx, token, presentVersion)
  return caller
}

/** Trades a refresh token for its successor. One used before ends the session, but for the grace. */
export async function refreshSession(ctx: Context, refreshToken: string): Promise<TokenPair> {
  const digest = sha256(refreshToken)
  const tenantId = await inTransaction(ctx, (tx) => findRefreshTokenTenant(tx, digest))
  if (!tenantId) throw new Problem('invalid-token', 'the refresh token is not valid here; log in again')
  const outcome = await inTransaction(asCaller(ctx, { ...ctx.caller, tenantId }), (tx) =>
    succeed(tx, refreshToken, digest),
  )
  // Thrown here, not inside: a thrown Problem would roll back the end of the session.
  if (outcome === 'reused')
    throw new Problem('token-revoked', 'the refresh token was used before, so its session was ended')
  return signTokens(ctx, outcome)
}

async function succeed(tx: Transaction, refreshToken: string, digest: Buffer): Promise<Grant | 'reused'> {
  const token = await findRefreshTokenForUpdate(tx, digest)
  const found = token && (await findSessionForUpdate(tx, token.sessionId))
  if (!token || !found) throw new Problem('invalid-token', 'the refresh token is not valid here; log in again')
  const { session, identity } = found
  requireLive(session, identity, tx.clock.now())
  const confirmation = await requireOrBind(tx, session.confirmation)
  if (confirmation && !session.confirmation) await bindSession(tx, session.id, confirmation)
  if (token.usedAt && addSeconds(token.usedAt, refreshGraceSeconds) < tx.clock.now()) {
    await endSession(tx, session.id, 'refresh token reused')
    recordEvent(tx, { ...ended(session.id), type: 'session.reuse-detected', data: { identityId: session.identityId } })
    return 'reused'
  }
  if (!token.usedAt) await markRefreshTokenUsed(tx, digest)
  recordEvent(tx, {
    type: 'session.refreshed',
    actor: session.identityId,
    resource: `agent-iam/sessions/${session.id}`,
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

/** Ends the caller's own session, and with it every token of it. */
export async function logout(ctx: Context): Promise<{ sessionId: SessionId; endedAt: Date }> {
  const { sessionId } = requireSession(ctx.caller)
  return inTransaction(ctx, async (tx) => {
    if (!(await endSession(tx, sessionId, 'logout')))
      throw new Problem('token-revoked', 'the session has ended already')
    recordEvent(tx, ended(sessionId))
    return { sessionId, endedAt: tx.clock.now() }
  })
}

/** The caller as an identity in a session; an enrolment token is neither. */
export function requireSession(caller: Caller): Caller & { kind: 'identity' } {
  if (caller.kind === 'identity') return caller
  throw new Problem('forbidden', 'an enrolment token only registers agents; log in with the agent’s key')
}

function ended(sessionId: SessionId) {
  return { type: 'session.ended' as const, resource: `agent-iam/sessions/${sessionId}`, narrows: true }
}
