import * as contract from '@agent-iam/contract/auth'
import type { Caller } from '../../platform/context.ts'
import { route } from '../../platform/route.ts'
import type { TokenPair } from '../tokens/service.ts'
import { logoutEverywhere } from './manage.ts'
import { namesOf } from './model.ts'
import {
  challengeFor,
  loginAgent,
  loginByPasskey,
  loginUser,
  logout,
  refreshSession,
  requireSession,
} from './service.ts'
import { findPresented } from './validate.ts'

export const sessionRoutes = [
  route(contract.getChallenge, (ctx, { params, query }) => {
    const { challenge, expiresAt } = challengeFor(ctx, params.agentId, query.issuer)
    return Promise.resolve({ challenge, expiresAt: expiresAt.toISOString() })
  }),
  route(contract.login, async (ctx, { body }) => {
    if ('agentId' in body) return toWire(await loginAgent(ctx, body))
    if ('passkey' in body) return toWire(await loginByPasskey(ctx, body))
    const { deviceToken, scope, ...tokens } = await loginUser(ctx, body)
    return { ...toWire(tokens), deviceToken, ...(scope && { scope: [...scope] }) }
  }),
  route(contract.refresh, async (ctx, { body }) => toWire(await refreshSession(ctx, body.refreshToken))),
  route(contract.logout, async (ctx) => {
    const { sessionId, endedAt } = await logout(ctx)
    return { sessionId, endedAt: endedAt.toISOString() }
  }),
  route(contract.logoutAll, async (ctx) => ({ ended: await logoutEverywhere(ctx) })),
  route(contract.validate, (ctx) => Promise.resolve(describe(requireSession(ctx.caller)))),
  route(contract.validateToken, async (ctx, { body: { token } }) => {
    const self = requireSession(ctx.caller)
    const shown = token === undefined ? self : await findPresented(ctx, token)
    return shown ? describe(shown) : { valid: false as const }
  }),
]

function describe({ identityId, tenantId, sessionId, scope, expiresAt }: Caller & { kind: 'identity' }) {
  return {
    valid: true as const,
    ...namesOf(identityId),
    tenantId,
    sessionId,
    ...(scope && { scope: [...scope] }),
    expiresAt: expiresAt.toISOString(),
  }
}

function toWire(tokens: TokenPair): contract.Tokens {
  return { ...tokens }
}
