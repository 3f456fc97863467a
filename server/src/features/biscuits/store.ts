import type { SessionId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../platform/context.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    biscuits: {
      tenant_id: string
      revocation_id: Buffer
      session_id: string
      root_key_id: number
      expires_at: Date
    }
    revoked_biscuit_blocks: { tenant_id: string; revocation_id: Buffer; revoked_at: Date; forgotten_at: Date }
  }
}

/** A Biscuit that was handed out. */
export interface StoredBiscuit {
  readonly revocationId: string
  readonly sessionId: SessionId
  readonly rootKeyId: number
  readonly expiresAt: Date
}

export async function insertBiscuit(tx: Transaction, biscuit: StoredBiscuit): Promise<void> {
  await tx.db
    .insertInto('biscuits')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      revocation_id: Buffer.from(biscuit.revocationId, 'hex'),
      session_id: toUuid(biscuit.sessionId),
      root_key_id: biscuit.rootKeyId,
      expires_at: biscuit.expiresAt,
    })
    .execute()
}

/** The session that an authority block presents; undefined for a block that no authority signed. */
export async function findSessionOfBlock(tx: Transaction, revocationId: string): Promise<SessionId | undefined> {
  const row = await tx.db
    .selectFrom('biscuits')
    .select('session_id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('revocation_id', '=', Buffer.from(revocationId, 'hex'))
    .executeTakeFirst()
  return row && fromUuid('session', row.session_id)
}

/** Returns false when it was revoked already. */
export async function insertRevokedBlock(tx: Transaction, revocationId: string, forgottenAt: Date): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('revoked_biscuit_blocks')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      revocation_id: Buffer.from(revocationId, 'hex'),
      revoked_at: tx.clock.now(),
      forgotten_at: forgottenAt,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'revocation_id']).doNothing())
    .returning('revocation_id')
    .executeTakeFirst()
  return inserted !== undefined
}

/** Whether one of these blocks was revoked. */
export async function hasRevokedBlock(tx: Transaction, revocationIds: readonly string[]): Promise<boolean> {
  const row = await tx.db
    .selectFrom('revoked_biscuit_blocks')
    .select('revocation_id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where(
      'revocation_id',
      'in',
      revocationIds.map((id) => Buffer.from(id, 'hex')),
    )
    .executeTakeFirst()
  return row !== undefined
}

/** Forgets what nobody needs any more: Biscuits that expired, and revocations of blocks that expired with theirs. */
export async function deleteExpired(tx: Transaction): Promise<void> {
  const tenant = toUuid(tx.caller.tenantId)
  const now = tx.clock.now()
  await sql`
    delete from biscuits where tenant_id = ${tenant} and revocation_id in (
      select revocation_id from biscuits where tenant_id = ${tenant} and expires_at < ${now}
      limit ${deletedAtOnce} for update skip locked)`.execute(tx.db)
  await sql`
    delete from revoked_biscuit_blocks where tenant_id = ${tenant} and revocation_id in (
      select revocation_id from revoked_biscuit_blocks where tenant_id = ${tenant} and forgotten_at < ${now}
      limit ${deletedAtOnce} for update skip locked)`.execute(tx.db)
}

/** Each that is made forgets more than one, so that none pile up, and nobody waits for it. */
const deletedAtOnce = 20

/** The blocks whose tokens have not expired and are good no more, in the order of their ids. */
export async function listRevokedIds(tx: Transaction): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select encode(id, 'hex') as id from list_revoked_biscuits(${tx.clock.now()}::timestamptz) as id order by 1`.execute(
    tx.db,
  )
  return rows.map(({ id }) => id)
}
