import { sql } from 'kysely'
import { addSeconds } from '../../../platform/clock.ts'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    oauth_payloads: {
      tenant_id: string
      model: string
      id: Buffer
      payload: Buffer
      grant_id: Buffer | null
      user_code: Buffer | null
      uid: Buffer | null
      expires_at: Date
      consumed_at: Date | null
    }
  }
}

/** A row as the provider has it, by digests. */
export interface PayloadRow {
  readonly model: string
  readonly id: Buffer
  readonly payload: Buffer
  readonly grantId: Buffer | undefined
  readonly userCode: Buffer | undefined
  readonly uid: Buffer | undefined
  readonly expiresAt: Date
}

export interface FoundPayload {
  readonly id: Buffer
  readonly payload: Buffer
  readonly consumedAt: Date | undefined
}

/** What has ended is kept so long, so that what comes late is told that it has ended and not that it never was. */
const keptSeconds = 3600
/** One that adds a row sweeps at most so many: more than it adds, and too few to make it wait. */
const sweepMax = 20

/** Returns false when the row is there already: the primary key decides, so two at once cannot both win. */
export async function insertPayload(tx: Transaction, row: PayloadRow): Promise<boolean> {
  await sweep(tx)
  const inserted = await tx.db
    .insertInto('oauth_payloads')
    .values({ ...toValues(tx, row), consumed_at: null })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'model', 'id']).doNothing())
    .returning('model')
    .executeTakeFirst()
  return inserted !== undefined
}

/** Returns whether the row is a new one. */
export async function upsertPayload(tx: Transaction, row: PayloadRow): Promise<boolean> {
  await sweep(tx)
  const { tenant_id, model, id, ...changed } = toValues(tx, row)
  const written = await tx.db
    .insertInto('oauth_payloads')
    .values({ tenant_id, model, id, ...changed, consumed_at: null })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'model', 'id']).doUpdateSet(changed))
    // A row that was updated has the transaction that locked it.
    .returning(sql<boolean>`xmax = 0`.as('is_new'))
    .executeTakeFirstOrThrow()
  return written.is_new
}

function toValues(tx: Transaction, row: PayloadRow) {
  return {
    tenant_id: toUuid(tx.caller.tenantId),
    model: row.model,
    id: row.id,
    payload: row.payload,
    grant_id: row.grantId ?? null,
    user_code: row.userCode ?? null,
    uid: row.uid ?? null,
    expires_at: row.expiresAt,
  }
}

async function sweep(tx: Transaction): Promise<void> {
  const tenant = toUuid(tx.caller.tenantId)
  await sql`
    delete from oauth_payloads where tenant_id = ${tenant} and (model, id) in (
      select model, id from oauth_payloads
      where tenant_id = ${tenant} and expires_at < ${addSeconds(tx.clock.now(), -keptSeconds)}
      order by expires_at limit ${sweepMax} for update skip locked)`.execute(tx.db)
}

/** By what a row may be found. */
export type PayloadKey = 'id' | 'user_code' | 'uid'

export async function findPayload(
  tx: Transaction,
  model: string,
  key: PayloadKey,
  digest: Buffer,
): Promise<FoundPayload | undefined> {
  const row = await tx.db
    .selectFrom('oauth_payloads')
    .select(['id', 'payload', 'consumed_at'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('model', '=', model)
    .where(key, '=', digest)
    .executeTakeFirst()
  return row && { id: row.id, payload: row.payload, consumedAt: row.consumed_at ?? undefined }
}

/** When a row was consumed before, and by which grant it stands; undefined where there is no row. Held from now on. */
export async function findPayloadForUpdate(
  tx: Transaction,
  model: string,
  id: Buffer,
): Promise<{ grantId: Buffer | undefined; consumedAt: Date | undefined } | undefined> {
  const row = await tx.db
    .selectFrom('oauth_payloads')
    .select(['grant_id', 'consumed_at'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('model', '=', model)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  return row && { grantId: row.grant_id ?? undefined, consumedAt: row.consumed_at ?? undefined }
}

export async function markPayloadConsumed(tx: Transaction, model: string, id: Buffer): Promise<void> {
  await tx.db
    .updateTable('oauth_payloads')
    .set({ consumed_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('model', '=', model)
    .where('id', '=', id)
    .execute()
}

export async function deletePayload(tx: Transaction, model: string, id: Buffer): Promise<void> {
  await tx.db
    .deleteFrom('oauth_payloads')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('model', '=', model)
    .where('id', '=', id)
    .execute()
}

/** Deletes what descends from a grant: of one model, or of every one. */
export async function deletePayloadsOfGrant(tx: Transaction, grantId: Buffer, model?: string): Promise<void> {
  await tx.db
    .deleteFrom('oauth_payloads')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('grant_id', '=', grantId)
    .$if(model !== undefined, (query) => query.where('model', '=', model ?? ''))
    .execute()
}
