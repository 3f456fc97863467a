import type { TenantId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import { inTransaction, type Context } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import type { SealedColumn } from '../../platform/resealing.ts'
import { countAnonymousRow } from '../credentials/service.ts'
import { refreshGraceSeconds } from '../tokens/model.ts'
import { endGrant, grantModel } from './grants.ts'
import {
  deletePayload,
  deletePayloadsOfGrant,
  findPayload,
  findPayloadForUpdate,
  insertPayload,
  markPayloadConsumed,
  upsertPayload,
  type PayloadKey,
  type PayloadRow,
} from './store/payloads.ts'

/** What the provider keeps, as it gives it to us: JSON that may hold secrets, and names that may be secrets. */
export interface Payload {
  readonly model: string
  readonly id: string
  readonly content: unknown
  readonly grantId: string | undefined
  readonly userCode: string | undefined
  readonly uid: string | undefined
  readonly seconds: number
  /** Whether a request that proved nobody brings it about. Throws `too-many-attempts` for one too many. */
  readonly isAnonymous: boolean
}

export interface KeptPayload {
  readonly content: unknown
  /** For a refresh token within its grace, not yet: what was used once more yields the same again. */
  readonly consumedAt: Date | undefined
}

const refreshTokenModel = 'RefreshToken'

/** Models of which there is but one row a name: a proof is used once, and a refresh token has one successor. */
const onceModels = new Set(['ReplayDetection', refreshTokenModel])

/** Keeps a payload. Returns false when it stands already and may not be written again. */
export async function keepPayload(ctx: Context, payload: Payload): Promise<boolean> {
  const row = toRow(ctx, payload)
  return inTransaction(ctx, async (tx) => {
    const isOnce = onceModels.has(payload.model)
    const isNew = await (isOnce ? insertPayload(tx, row) : upsertPayload(tx, row))
    if (isNew && payload.isAnonymous) await countAnonymousRow(tx)
    return isNew || !isOnce
  })
}

function toRow(ctx: Context, { model, id, content, ...rest }: Payload): PayloadRow {
  const digest = sha256(id)
  return {
    model,
    id: digest,
    payload: ctx.sealer.seal(Buffer.from(JSON.stringify(content)), placeOf(ctx.caller.tenantId, model, digest)),
    grantId: digestOf(rest.grantId),
    userCode: digestOf(rest.userCode),
    uid: digestOf(rest.uid),
    expiresAt: addSeconds(ctx.clock.now(), rest.seconds),
  }
}

export async function readPayload(
  ctx: Context,
  model: string,
  key: PayloadKey,
  value: string,
): Promise<KeptPayload | undefined> {
  const found = await inTransaction(ctx, (tx) => findPayload(tx, model, key, sha256(value)))
  if (!found) return undefined
  const content: unknown = JSON.parse(
    ctx.sealer.open(found.payload, placeOf(ctx.caller.tenantId, model, found.id)).toString(),
  )
  const isWithinGrace = model === refreshTokenModel && isGrace(found.consumedAt, ctx.clock.now())
  return { content, consumedAt: isWithinGrace ? undefined : found.consumedAt }
}

/**
 * Uses up a payload. Of two who use it at once, one is second, and gets false: what is used twice was stolen, so its
 * grant is revoked with all its tokens. A refresh token has a grace (DESIGN D7).
 */
export async function consumePayload(ctx: Context, model: string, id: string): Promise<boolean> {
  const digest = sha256(id)
  return inTransaction(ctx, async (tx) => {
    const row = await findPayloadForUpdate(tx, model, digest)
    if (!row) return false
    if (model === refreshTokenModel && isGrace(row.consumedAt, tx.clock.now())) return true
    if (row.consumedAt) {
      if (row.grantId) await endGrant(tx, row.grantId)
      return false
    }
    await markPayloadConsumed(tx, model, digest)
    return true
  })
}

function isGrace(consumedAt: Date | undefined, now: Date): boolean {
  return consumedAt !== undefined && addSeconds(consumedAt, refreshGraceSeconds) >= now
}

/** Forgets a payload. Of a grant, its sessions end with it. */
export async function dropPayload(ctx: Context, model: string, id: string): Promise<void> {
  const digest = sha256(id)
  await inTransaction(ctx, (tx) => (model === grantModel ? endGrant(tx, digest) : deletePayload(tx, model, digest)))
}

export async function dropPayloadsOfGrant(ctx: Context, model: string, grantId: string): Promise<void> {
  await inTransaction(ctx, (tx) => deletePayloadsOfGrant(tx, sha256(grantId), model))
}

function digestOf(text: string | undefined): Buffer | undefined {
  return text === undefined ? undefined : sha256(text)
}

/** Where a payload stands, so that it opens nowhere else. */
/** What the master key sealed here. */
export const sealedPayloads: SealedColumn = {
  table: 'oauth_payloads',
  column: 'payload',
  key: ['model', 'id'],
  place: (tenantId, { model, id }) => placeOf(tenantId, String(model), Buffer.isBuffer(id) ? id : Buffer.alloc(0)),
}

function placeOf(tenantId: TenantId, model: string, digest: Buffer): string {
  return `${tenantId}/oauth_payloads/payload/${model} ${digest.toString('hex')}`
}
