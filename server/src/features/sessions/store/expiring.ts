import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

export interface ExpiredSession {
  readonly id: SessionId
  readonly expiresAt: Date
}

/** Ends sessions that have run out, with that very instant as their end, but for those that somebody holds just now. */
export async function endRunOut(tx: Transaction, limit: number): Promise<ExpiredSession[]> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ id: string; expires_at: Date }>`
    with expired as (
      select id from sessions where tenant_id = ${tenant} and ended_at is null and expires_at <= ${tx.clock.now()}
        order by expires_at limit ${limit} for no key update skip locked)
    update sessions s set ended_at = s.expires_at, end_reason = 'expired' from expired e
      where s.tenant_id = ${tenant} and s.id = e.id
      returning s.id, s.expires_at`.execute(tx.db)
  return rows.map((row) => ({ id: fromUuid('session', row.id), expiresAt: row.expires_at }))
}

/** Ends whatever lives of some identities, those of API keys included; returns which that were. */
export async function endAllOf(tx: Transaction, ids: readonly IdentityId[], reason: string): Promise<SessionId[]> {
  if (ids.length === 0) return []
  const now = tx.clock.now()
  const { rows } = await sql<{ id: string }>`
    update sessions set ended_at = ${now}, end_reason = ${reason}
      where tenant_id = ${toUuid(tx.caller.tenantId)} and identity_id = any(${ids.map(toUuid)}::uuid[])
        and ended_at is null and expires_at > ${now}
      returning id`.execute(tx.db)
  return rows.map(({ id }) => fromUuid('session', id))
}
