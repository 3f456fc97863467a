import * as contract from '@agent-iam/contract/system'
import type { Context } from '../../platform/context.ts'
import { route } from '../../platform/route.ts'
import { z } from 'zod'

export const keyRoutes = [
  route(contract.jwks, async (ctx) => jwksOf(ctx, ctx.keys.tenantOf(ctx.keys.publicUrl))),
  route(contract.tenantJwks, async (ctx, { params }) => jwksOf(ctx, params.tenantId)),
]

const Jwk = z.record(z.string(), z.json())

async function jwksOf(ctx: Context, tenantId: Parameters<Context['keys']['publicJwks']>[0] | undefined) {
  const keys = tenantId ? await ctx.keys.publicJwks(tenantId) : []
  return { keys: keys.map((key) => Jwk.parse(key)) }
}
