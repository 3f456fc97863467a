import * as limits from '@agent-iam/contract/limits'
import type { TestServer } from './test-server.ts'

/** Every operation on limits once, as an administrator would. */
export async function callEveryLimitOperation({ api }: TestServer, token: string): Promise<void> {
  const { rateLimitId } = await api.call(limits.createRateLimit, { ...limits.createRateLimit.example, token })
  const params = { rateLimitId }
  await api.call(limits.listRateLimits, { ...limits.listRateLimits.example, token })
  await api.call(limits.getRateLimit, { params, token })
  await api.call(limits.updateRateLimit, { ...limits.updateRateLimit.example, params, token })
  await api.call(limits.getRateLimitUsage, { token })
  await api.call(limits.deleteRateLimit, { params, token })
}
