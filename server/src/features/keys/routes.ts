import * as contract from '@agent-iam/contract/signing-keys'
import { jwks, tenantJwks } from '@agent-iam/contract/system'
import type { Context } from '../../platform/context.ts'
import { route } from '../../platform/route.ts'
import { z } from 'zod'
import type { SigningKey } from './model.ts'
import { chooseAlgorithm, readSigningKeys, revokeKey, rotateKeys, type SigningKeys } from './service.ts'

export const keyRoutes = [
  route(jwks, async (ctx) => jwksOf(ctx, ctx.keys.tenantOf(ctx.keys.publicUrl))),
  route(tenantJwks, async (ctx, { params }) => jwksOf(ctx, params.tenantId)),
  route(contract.listSigningKeys, async (ctx) => keysToWire(await readSigningKeys(ctx))),
  route(contract.chooseSigningAlgorithm, async (ctx, { body }) =>
    keysToWire(await chooseAlgorithm(ctx, body.algorithm)),
  ),
  route(contract.rotateSigningKeys, async (ctx, { body }) => keysToWire(await rotateKeys(ctx, body))),
  route(contract.revokeSigningKey, async (ctx, { params }) => toWire(await revokeKey(ctx, params.keyId))),
]

const Jwk = z.record(z.string(), z.json())

async function jwksOf(ctx: Context, tenantId: Parameters<Context['keys']['publicJwks']>[0] | undefined) {
  const keys = tenantId ? await ctx.keys.publicJwks(tenantId) : []
  return { keys: keys.map((key) => Jwk.parse(key)) }
}

function keysToWire({ algorithm, signingKeys }: SigningKeys): contract.SigningKeys {
  return { algorithm, signingKeys: signingKeys.map(toWire) }
}

function toWire(key: SigningKey): contract.SigningKey {
  const { id, purpose, algorithm, keyType, state, createdAt } = key
  return {
    keyId: id,
    purpose,
    rootKeyId: key.rootKeyId ?? null,
    algorithm,
    keyType,
    state,
    createdAt: createdAt.toISOString(),
    signsFrom: key.signsFrom?.toISOString() ?? null,
    activatedAt: key.activatedAt?.toISOString() ?? null,
    retiresAt: key.retiresAt?.toISOString() ?? null,
    endedAt: key.endedAt?.toISOString() ?? null,
  }
}
