import * as contract from '@agent-iam/contract/auth'
import { isId } from '../../platform/ids.ts'
import { route } from '../../platform/route.ts'
import type { TokenPair } from '../tokens/service.ts'
import { challengeFor, loginAgent, loginUser, logout, refreshSession, requireSession } from './service.ts'

export const sessionRoutes = [
  route(contract.getChallenge, async (ctx, { params }) => {
    const { challenge, expiresAt } = await challengeFor(ctx, params.agentId)
    return { challenge, expiresAt: expiresAt.toISOString() }
  }),
  route(contract.login, async (ctx, { body }) =>
    toWire('agentId' in body ? await loginAgent(ctx, body) : await loginUser(ctx, body)),
  ),
  route(contract.refresh, async (ctx, { body }) => toWire(await refreshSession(ctx, body.refreshToken))),
  route(contract.logout, async (ctx) => {
    const { sessionId, endedAt } = await logout(ctx)
    return { sessionId, endedAt: endedAt.toISOString() }
  }),
  route(contract.validate, (ctx) => {
    const { identityId, tenantId, sessionId, expiresAt } = requireSession(ctx.caller)
    return Promise.resolve({
      valid: true as const,
      identityId,
      ...(isId('agent', identityId) && { agentId: identityId }),
      ...(isId('user', identityId) && { userId: identityId }),
      tenantId,
      sessionId,
      expiresAt: expiresAt.toISOString(),
    })
  }),
]

function toWire(tokens: TokenPair): contract.Tokens {
  return { ...tokens }
}
