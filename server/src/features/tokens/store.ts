import type { SessionId, TenantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../platform/context.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { RefreshToken } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    refresh_tokens: { tenant_id: string; digest: Buffer; session_id: string; created_at: Date; used_at: Date | null }
  }
}

export async function insertRefreshToken(tx: Transaction, digest: Buffer, sessionId: SessionId): Promise<void> {
  await tx.db
    .insertInto('refresh_tokens')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      digest,
      session_id: toUuid(sessionId),
      created_at: tx.clock.now(),
      used_at: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** Looks through all tenants: this is how the bearer's tenant becomes known. */
export async function findRefreshTokenTenant(tx: Transaction, digest: Buffer): Promise<TenantId | undefined> {
  const { rows } = await sql<{ id: string | null }>`select find_refresh_token_tenant(${digest}) as id`.execute(tx.db)
  const id = rows[0]?.id
  return id ? fromUuid('tenant', id) : undefined
}

/** Locked, so that of two who use it at once one is second. */
export async function findRefreshTokenForUpdate(tx: Transaction, digest: Buffer): Promise<RefreshToken | undefined> {
  const row = await tx.db
    .selectFrom('refresh_tokens')
    .select(['session_id', 'created_at', 'used_at'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('digest', '=', digest)
    .forUpdate()
    .executeTakeFirst()
  return (
    row && {
      sessionId: fromUuid('session', row.session_id),
      issuedAt: row.created_at,
      usedAt: row.used_at ?? undefined,
    }
  )
}

export async function markRefreshTokenUsed(tx: Transaction, digest: Buffer): Promise<void> {
  await tx.db
    .updateTable('refresh_tokens')
    .set({ used_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('digest', '=', digest)
    .execute()
}

/** Deletes the tokens of sessions that ended long ago, but for those that somebody holds. */
export async function deleteRefreshTokensOf(tx: Transaction, sessionIds: readonly SessionId[]): Promise<void> {
  const tenant = toUuid(tx.caller.tenantId)
  await sql`
    delete from refresh_tokens where tenant_id = ${tenant} and digest in (
      select digest from refresh_tokens where tenant_id = ${tenant} and session_id = any(${sessionIds.map(toUuid)}::uuid[])
      for update skip locked)`.execute(tx.db)
}
