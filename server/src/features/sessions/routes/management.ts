import * as contract from '@agent-iam/contract/sessions'
import { route } from '../../../platform/route.ts'
import {
  createSession,
  getSession,
  identityOf,
  pageSessions,
  terminateSession,
  terminateSessionsOfAgent,
  updateSessionMetadata,
} from '../manage.ts'
import { namesOf, statusOf, type StoredSession } from '../model.ts'
import { refreshSession } from '../service.ts'
import { countAllSessions } from '../statistics.ts'

export const sessionManagementRoutes = [
  route(contract.createSession, async (ctx, { body }) => {
    const { session, tokens } = await createSession(ctx, body)
    return { ...toWire(session, ctx.clock.now()), ...tokens }
  }),
  route(contract.listSessions, async (ctx, { query }) => {
    const { rows, total, nextCursor } = await pageSessions(ctx, { ...query, identityId: identityOf(query) })
    const now = ctx.clock.now()
    return { sessions: rows.map((session) => toWire(session, now)), total, nextCursor }
  }),
  route(contract.getSessionStatistics, (ctx) => countAllSessions(ctx)),
  route(contract.getSession, async (ctx, { params }) =>
    toWire(await getSession(ctx, params.sessionId), ctx.clock.now()),
  ),
  route(contract.refreshSession, (ctx, { params, body }) => refreshSession(ctx, body.refreshToken, params.sessionId)),
  route(contract.updateSessionMetadata, async (ctx, { params, body }) =>
    toWire(await updateSessionMetadata(ctx, params.sessionId, body.metadata), ctx.clock.now()),
  ),
  route(contract.endSession, async (ctx, { params }) =>
    toWire(await terminateSession(ctx, params.sessionId), ctx.clock.now()),
  ),
  route(contract.endAgentSessions, async (ctx, { params: { agentId } }) => ({
    agentId,
    ended: await terminateSessionsOfAgent(ctx, agentId),
  })),
]

function toWire(session: StoredSession, now: Date): contract.Session {
  return {
    sessionId: session.id,
    ...namesOf(session.identityId),
    status: statusOf(session, now),
    method: session.method,
    parentSessionId: session.parentId ?? null,
    clientId: session.clientId ?? null,
    scope: session.scope ? [...session.scope] : null,
    device: session.device ?? null,
    metadata: session.notes,
    startTime: session.startedAt.toISOString(),
    expiresAt: session.expiresAt.toISOString(),
    endedAt: session.endedAt?.toISOString() ?? null,
    endReason: session.endReason ?? null,
    lastUsedAt: session.lastUsedAt?.toISOString() ?? null,
  }
}
