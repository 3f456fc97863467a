import * as contract from '@agent-iam/contract/limits'
import { route, type Route } from '../../platform/route.ts'
import type { RateLimit } from './model.ts'
import * as service from './service.ts'

export function limitRoutes(limiter: service.Limiter): Route[] {
  return [
    route(contract.createRateLimit, async (ctx, { body }) => toWire(await service.createRateLimit(ctx, body))),
    route(contract.listRateLimits, async (ctx, { query }) => {
      const { rows, nextCursor } = await service.pageRateLimits(ctx, query)
      return { rateLimits: rows.map(toWire), nextCursor }
    }),
    route(contract.getRateLimit, async (ctx, { params }) =>
      toWire(await service.getRateLimit(ctx, params.rateLimitId)),
    ),
    route(contract.updateRateLimit, async (ctx, { params, body, ifMatch }) =>
      toWire(await service.updateRateLimit(ctx, params.rateLimitId, body, ifMatch)),
    ),
    route(contract.deleteRateLimit, async (ctx, { params }) => {
      await service.deleteRateLimit(ctx, params.rateLimitId)
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
  const { measure, dimension, subject, span } = window
  const unit = measure === 'log-bytes' ? service.logUnitBytes : 1
  const [limit, left] = [window.limit * unit, remaining * unit]
  return { measure, dimension, subject, span, limit, remaining: left, moreAt: moreAt?.toISOString() ?? null }
}
