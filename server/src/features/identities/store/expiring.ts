import type { AgentId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

export interface ExpiredAgent {
  readonly id: AgentId
  readonly expiresAt: Date
}

/** Revokes agents that have expired, the first of them first, but for those that somebody holds just now. */
export async function revokeExpired(tx: Transaction, limit: number): Promise<ExpiredAgent[]> {
  const tenant = toUuid(tx.caller.tenantId)
  const now = tx.clock.now()
  const { rows } = await sql<{ id: string; expires_at: Date }>`
    with expired as (
      select id from identities
        where tenant_id = ${tenant} and expires_at <= ${now} and expires_at is not null
          and kind = 'agent' and status in ('pending', 'active', 'suspended')
        order by expires_at limit ${limit} for no key update skip locked)
    update identities i set status = 'revoked', updated_at = ${now} from expired e
      where i.tenant_id = ${tenant} and i.id = e.id
      returning i.id, i.expires_at`.execute(tx.db)
  return rows.map((row) => ({ id: fromUuid('agent', row.id), expiresAt: row.expires_at }))
}
