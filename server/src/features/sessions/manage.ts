/**
 * Looking after sessions: everybody its own, owners those of their agents, and who holds the permission everybody's.
 * An agent begins further sessions with its token; what they may do, and how long, is never more than that token.
 */
import type { AgentId, IdentityId, SessionId } from '@agent-iam/contract/ids'
import type { OpenObject } from '@agent-iam/contract/json'
import { inTransaction, type Context, type ProtectedResource, type Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { readIdCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { findAgent, lockIdentity, protectAgent } from '../identities/service.ts'
import { signTokens, type TokenPair } from '../tokens/service.ts'
import { endSessionsOf, endWithDescendants } from './ending.ts'
import { credentialOf, requireLive, statusOf, type LiveSession, type StoredSession } from './model.ts'
import { requireSession } from './require-session.ts'
import { startSession } from './start.ts'
import { findSession, updateNotes } from './store.ts'
import { countSessions, findStoredSession, listSessions, type SessionFilter } from './store/listing.ts'

export interface NewSession {
  readonly agentId: AgentId
  readonly duration: number
  readonly metadata: OpenObject
}

/** Begins another session of the calling agent, narrowed and bound as its present one, and within its time. */
export async function createSession(
  ctx: Context,
  { agentId, duration, metadata }: NewSession,
): Promise<{ session: StoredSession; tokens: TokenPair }> {
  const { identityId, sessionId, method, scope, confirmation } = requireSession(ctx.caller)
  if (identityId !== agentId)
    throw new Problem('forbidden', 'nobody acts as an agent but it: let the agent log in and begin its sessions')
  const begun = await inTransaction(ctx, async (tx) => {
    await tx.authorize('sessions:create', { type: 'sessions', identity: agentId })
    await lockIdentity(tx, agentId)
    const parent = await requireLiveSession(tx, sessionId)
    const inherited = {
      method,
      clientId: parent.clientId,
      credential: credentialOf(parent),
      scope,
      confirmation,
      actors: parent.actors,
      parentId: sessionId,
    }
    const grant = await startSession(tx, agentId, {
      ...inherited,
      notes: metadata,
      seconds: duration,
      notAfter: parent.expiresAt,
    })
    return { grant, session: await requireStored(tx, grant.sessionId) }
  })
  return { session: begun.session, tokens: await signTokens(ctx, begun.grant) }
}

export async function getSession(ctx: Context, id: SessionId): Promise<StoredSession> {
  return inTransaction(ctx, async (tx) => {
    const session = await requireStored(tx, id)
    await tx.authorize('sessions:read', await protectSession(tx, session))
    return session
  })
}

export interface SessionsQuery extends Omit<SessionFilter, 'viewer'> {
  readonly limit: number
  readonly cursor?: string | undefined
}

export interface SessionsPage {
  readonly rows: StoredSession[]
  readonly total: number
  readonly nextCursor: string | null
}

/** Who may not read everybody's sees its own and its agents': others' are not there, whether they exist or not. */
export async function pageSessions(ctx: Context, query: SessionsQuery): Promise<SessionsPage> {
  const { identityId: self } = requireSession(ctx.caller)
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('sessions:read', { type: 'sessions', identity: self })
    const filter = { ...query, viewer: (await mayReadAll(tx)) ? undefined : self }
    const found = await listSessions(tx, filter, {
      before: readIdCursor('session', query.cursor),
      limit: query.limit + 1,
    })
    return { ...toPage(found, query.limit, ({ id }) => [id]), total: await countSessions(tx, filter) }
  })
}

/** Replaces what its maker notes about an active session. */
export async function updateSessionMetadata(ctx: Context, id: SessionId, metadata: OpenObject): Promise<StoredSession> {
  return inTransaction(ctx, async (tx) => {
    const session = await requireChangeable(tx, 'update', id)
    await updateNotes(tx, id, metadata)
    recordEvent(tx, {
      type: 'session.updated',
      resource: `agent-iam/sessions/${id}`,
      personal: { subject: 'month', fields: { metadata } },
    })
    return requireStored(tx, session.id)
  })
}

/** Ends one session and those begun with its tokens. */
export async function terminateSession(ctx: Context, id: SessionId): Promise<StoredSession> {
  return inTransaction(ctx, async (tx) => {
    const session = await requireChangeable(tx, 'end', id)
    await endWithDescendants(tx, session, 'terminated')
    return requireStored(tx, id)
  })
}

/** Ends every session of an agent; how many those were. */
export async function terminateSessionsOfAgent(ctx: Context, agentId: AgentId): Promise<number> {
  return inTransaction(ctx, async (tx) => {
    const agent = await findAgent(tx, agentId)
    // In the words for who may not read an agent's sessions: neither is told whether the agent exists.
    if (!agent) throw notFound('sessions', agentId)
    await tx.authorize('sessions:end', { ...(await protectAgent(tx, agent)), type: 'sessions' })
    return (await endSessionsOf(tx, agentId, { reason: 'terminated' })).length
  })
}

/** Ends every session of the caller, the present one too; how many those were. */
export async function logoutEverywhere(ctx: Context): Promise<number> {
  const { identityId } = requireSession(ctx.caller)
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('sessions:end', { type: 'sessions', identity: identityId })
    return (await endSessionsOf(tx, identityId, { reason: 'logout everywhere' })).length
  })
}

async function requireChangeable(tx: Transaction, verb: 'update' | 'end', id: SessionId): Promise<StoredSession> {
  const { identityId } = await requireStored(tx, id)
  await lockIdentity(tx, identityId)
  const session = await requireStored(tx, id)
  await tx.authorize(`sessions:${verb}`, await protectSession(tx, session))
  const status = statusOf(session, tx.clock.now())
  if (status !== 'active') throw new Problem('wrong-state', `session ${id} has ${status} already`)
  return session
}

async function requireStored(tx: Transaction, id: SessionId): Promise<StoredSession> {
  const session = await findStoredSession(tx, id)
  if (!session) throw notFound('sessions', id)
  return session
}

/** Throws unless a session lives. Who holds its identity keeps it so: whoever ends it comes before or after. */
export async function requireLiveSession(tx: Transaction, id: SessionId): Promise<LiveSession> {
  const found = await findSession(tx, id)
  if (!found) throw new Problem('token-revoked', 'the session has ended; log in again')
  requireLive(found.session, found.identity, tx.clock.now())
  return found.session
}

async function mayReadAll(tx: Transaction): Promise<boolean> {
  try {
    await tx.authorize('sessions:read', { type: 'sessions' })
    return true
  } catch (error) {
    if (error instanceof Problem && (error.code === 'forbidden' || error.code === 'insufficient-scope')) return false
    throw error
  }
}

async function protectSession(tx: Transaction, { id, identityId, owner }: StoredSession): Promise<ProtectedResource> {
  const agent = isId('agent', identityId) ? await findAgent(tx, identityId) : undefined
  if (agent) return { ...(await protectAgent(tx, agent)), type: 'sessions', id }
  return { type: 'sessions', id, identity: identityId, ...(owner && { owner }) }
}

/** Of the several names that a filter may have, the one that is given. */
export function identityOf(query: {
  readonly agentId?: IdentityId | undefined
  readonly userId?: IdentityId | undefined
  readonly serviceId?: IdentityId | undefined
  readonly identityId?: IdentityId | undefined
}): IdentityId | undefined {
  return query.agentId ?? query.userId ?? query.serviceId ?? query.identityId
}
