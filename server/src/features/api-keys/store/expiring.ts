import type { ApiKeyId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

/** Marks keys that have run out, the first of them first, but for those that somebody holds just now. */
export async function markExpiredApiKeys(
  tx: Transaction,
  limit: number,
): Promise<Array<{ id: ApiKeyId; expiresAt: Date }>> {
  const tenant = toUuid(tx.caller.tenantId)
  const now = tx.clock.now()
  const { rows } = await sql<{ id: string; expires_at: Date }>`
    with expired as (
      select id from api_keys
        where tenant_id = ${tenant} and expired_at is null and status <> 'deleted' and expires_at <= ${now}
        order by expires_at limit ${limit} for no key update skip locked)
    update api_keys k set expired_at = ${now} from expired e
      where k.tenant_id = ${tenant} and k.id = e.id
      returning k.id, k.expires_at`.execute(tx.db)
  return rows.map((row) => ({ id: fromUuid('apiKey', row.id), expiresAt: row.expires_at }))
}
