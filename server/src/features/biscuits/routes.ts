import * as contract from '@agent-iam/contract/biscuits'
import type { TenantId } from '@agent-iam/contract/ids'
import type { Context } from '../../platform/context.ts'
import { route, type Route } from '../../platform/route.ts'
import { createBiscuit, revokeBlock, type PublishedRevocations } from './service.ts'

/** @param published what strangers are told, looked up at most once a second */
export function biscuitRoutes(published: PublishedRevocations): Route[] {
  return [
    route(contract.mintBiscuit, async (ctx, { body }) => {
      const { token, sessionId, expiresAt, revocationId, rights } = await createBiscuit(ctx, body)
      const told = { sessionId, expiresAt: expiresAt.toISOString(), revocationId, rights: [...rights] }
      return { token, tokenType: 'biscuit' as const, ...told }
    }),
    route(contract.biscuitKeys, async (ctx) => keysOf(ctx, defaultTenant(ctx))),
    route(contract.tenantBiscuitKeys, async (ctx, { params }) => keysOf(ctx, params.tenantId)),
    route(contract.biscuitRevocations, async (ctx) => revocationsOf(ctx, published, defaultTenant(ctx))),
    route(contract.tenantBiscuitRevocations, async (ctx, { params }) => revocationsOf(ctx, published, params.tenantId)),
    route(contract.revokeBiscuit, async (ctx, { body: { revocationId } }) => {
      return { revocationId, sessionId: (await revokeBlock(ctx, revocationId)) ?? null }
    }),
  ]
}

function defaultTenant({ keys }: Context): TenantId {
  const tenantId = keys.tenantOf(keys.publicUrl)
  if (!tenantId) throw new Error('there is no default tenant')
  return tenantId
}

async function keysOf({ keys }: Context, tenantId: TenantId) {
  const found = await keys.publicRootKeys(tenantId)
  return { issuer: keys.issuerOf(tenantId), keys: found.map((key) => ({ ...key, algorithm: 'Ed25519' as const })) }
}

async function revocationsOf(ctx: Context, published: PublishedRevocations, tenantId: TenantId) {
  // A tenant that is none has no keys either, and is told so in the same words.
  await ctx.keys.publicRootKeys(tenantId)
  return { issuer: ctx.keys.issuerOf(tenantId), revocationIds: [...(await published.list(ctx, tenantId))] }
}
