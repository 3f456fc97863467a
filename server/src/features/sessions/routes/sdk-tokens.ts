import * as contract from '@agent-iam/contract/sdk-tokens'
import type { Context } from '../../../platform/context.ts'
import { route } from '../../../platform/route.ts'
import { statusOf, type SdkToken } from '../model.ts'
import {
  countOwnSdkTokens,
  createSdkToken,
  getSdkToken,
  pageSdkTokens,
  recoverSdkToken,
  revokeAllSdkTokens,
  revokeSdkToken,
  type SdkTokenWithSecrets,
} from '../sdk-tokens.ts'

export const sdkTokenRoutes = [
  route(contract.createSdkToken, async (ctx, { body }) => withSecrets(ctx, await createSdkToken(ctx, body))),
  route(contract.listSdkTokens, async (ctx, { query }) => {
    const { rows, nextCursor } = await pageSdkTokens(ctx, query)
    return { sdkTokens: rows.map((token) => toWire(ctx, token)), nextCursor }
  }),
  route(contract.countSdkTokens, (ctx) => countOwnSdkTokens(ctx)),
  route(contract.getSdkToken, async (ctx, { params }) => toWire(ctx, await getSdkToken(ctx, params.sdkTokenId))),
  route(contract.revokeSdkToken, async (ctx, { params }) => toWire(ctx, await revokeSdkToken(ctx, params.sdkTokenId))),
  route(contract.revokeAllSdkTokens, async (ctx) => ({ revoked: await revokeAllSdkTokens(ctx) })),
  route(contract.recoverSdkToken, async (ctx, { params }) =>
    withSecrets(ctx, await recoverSdkToken(ctx, params.sdkTokenId)),
  ),
]

function withSecrets(ctx: Context, { token, tokens }: SdkTokenWithSecrets) {
  return { ...toWire(ctx, token), ...tokens }
}

function toWire(ctx: Context, token: SdkToken): contract.SdkToken {
  const status = statusOf(token, ctx.clock.now())
  return {
    sdkTokenId: token.id,
    userId: token.userId,
    device: token.device,
    scopes: token.scope ? [...token.scope] : null,
    status: status === 'ended' ? 'revoked' : status,
    sessionId: token.sessionId,
    createdAt: token.createdAt.toISOString(),
    expiresAt: token.expiresAt.toISOString(),
    revokedAt: status === 'ended' ? (token.endedAt?.toISOString() ?? null) : null,
    recoveredAt: token.recoveredAt?.toISOString() ?? null,
    lastUsedAt: token.lastUsedAt?.toISOString() ?? null,
    uses: token.uses,
  }
}
