import * as contract from '@agent-iam/contract/api-keys'
import { route } from '../../platform/route.ts'
import { toWire } from './model.ts'
import {
  createApiKey,
  deleteApiKey,
  disableApiKey,
  enableApiKey,
  getApiKey,
  pageApiKeys,
  rotateApiKey,
} from './service.ts'

export const apiKeyRoutes = [
  route(contract.createApiKey, async (ctx, { body }) => {
    const { apiKey, secret } = await createApiKey(ctx, body)
    return { ...toWire(apiKey, ctx.clock.now()), key: secret }
  }),
  route(contract.listApiKeys, async (ctx, { query }) => {
    const { rows, nextCursor } = await pageApiKeys(ctx, query)
    return { apiKeys: rows.map((key) => toWire(key, ctx.clock.now())), nextCursor }
  }),
  route(contract.getApiKey, async (ctx, { params }) => toWire(await getApiKey(ctx, params.apiKeyId), ctx.clock.now())),
  route(contract.disableApiKey, async (ctx, { params }) =>
    toWire(await disableApiKey(ctx, params.apiKeyId), ctx.clock.now()),
  ),
  route(contract.enableApiKey, async (ctx, { params }) =>
    toWire(await enableApiKey(ctx, params.apiKeyId), ctx.clock.now()),
  ),
  route(contract.rotateApiKey, async (ctx, { params, body }) => {
    const { apiKey, secret } = await rotateApiKey(ctx, params.apiKeyId, body.graceSeconds)
    return { ...toWire(apiKey, ctx.clock.now()), key: secret }
  }),
  route(contract.deleteApiKey, async (ctx, { params }) =>
    toWire(await deleteApiKey(ctx, params.apiKeyId), ctx.clock.now()),
  ),
]
