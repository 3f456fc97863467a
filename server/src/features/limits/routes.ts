import * as contract from '@agent-iam/contract/limits'
import { route, type Route } from '../../platform/route.ts'
import type { RateLimit } from './model.ts'
import * as service from './service.ts'

export function limitRoutes(limiter: service.Limiter): Route[] {
  return [
    route(contract.createRateLimit, async (ctx, { body }) => {
      const limit = await service.createRateLimit(ctx, body)
      limiter.rules.forget(ctx.caller.tenantId)
      return toWire(limit)
    }),
    route(contract.listRateLimits, async (ctx, { query }) => {
      const { rows, nextCursor } = await service.pageRateLimits(ctx, query)
      return { rateLimits: rows.map(toWire), nextCursor }
    }),
    route(contract.getRateLimit, async (ctx, { params }) =>
      toWire(await service.getRateLimit(ctx, params.rateLimitId)),
    ),
    route(contract.updateRateLimit, async (ctx, { params, body, ifMatch }) => {
      const limit = await service.updateRateLimit(ctx, params.rateLimitId, body, ifMatch)
      limiter.rules.forget(ctx.caller.tenantId)
      return toWire(limit)
    }),
    route(contract.deleteRateLimit, async (ctx, { params }) => {
      await service.deleteRateLimit(ctx, params.rateLimitId)
      limiter.rules.forget(ctx.caller.tenantId)
      return { rateLimitId: params.rateLimitId }
    }),
    route(contract.getRateLimitUsage, async (ctx) => {
      const usages = await service.readUsage(ctx, limiter)
      return { limits: usages.map(usageToWire) }
    }),
  ]
}

function toWire({ id, createdAt, updatedAt, ...limit }: RateLimit): contract.RateLimit {
  return { ...limit, rateLimitId: id, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() }
}

function usageToWire({ window, remaining, moreAt }: service.WindowUsage) {
  const { dimension, subject, span, limit } = window
  return { dimension, subject, span, limit, remaining, moreAt: moreAt?.toISOString() ?? null }
}
