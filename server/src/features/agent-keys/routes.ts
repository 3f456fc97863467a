import * as contract from '@agent-iam/contract/agent-keys'
import { route } from '../../platform/route.ts'
import type { StoredAgentKey } from '../credentials/service.ts'
import { listAgentKeys, revokeAgentKey, rotateAgentKey } from './service.ts'

export const agentKeyRoutes = [
  route(contract.rotateAgentKey, async (ctx, { params, body }) => {
    const { key, replaced, privateKey } = await rotateAgentKey(ctx, params.agentId, body)
    const now = ctx.clock.now()
    return {
      agentId: params.agentId,
      key: toWire(key, now),
      replaced: replaced ? toWire(replaced, now) : null,
      ...(privateKey !== undefined && { privateKey }),
    }
  }),
  route(contract.listAgentKeys, async (ctx, { params }) => {
    const { keys, rotations } = await listAgentKeys(ctx, params.agentId)
    return { keys: keys.map((key) => toWire(key, ctx.clock.now())), rotations }
  }),
  route(contract.revokeAgentKey, async (ctx, { params }) =>
    toWire(await revokeAgentKey(ctx, params.agentId, params.thumbprint), ctx.clock.now()),
  ),
]

function toWire({ thumbprint, publicKey, status, createdAt, expiresAt }: StoredAgentKey, now: Date): contract.AgentKey {
  return {
    thumbprint,
    publicKey: publicKey.toString('base64url'),
    algorithm: 'Ed25519',
    status: status === 'retiring' && expiresAt && expiresAt <= now ? 'expired' : status,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
  }
}
