import type { SecretId, ServiceId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

/** Marks client secrets that have run out, the first of them first, but for those that somebody holds just now. */
export async function markExpiredSecrets(
  tx: Transaction,
  limit: number,
): Promise<Array<{ id: SecretId; serviceId: ServiceId; expiresAt: Date }>> {
  const tenant = toUuid(tx.caller.tenantId)
  const now = tx.clock.now()
  const { rows } = await sql<{ id: string; identity_id: string; expires_at: Date }>`
    with expired as (
      select id from service_secrets
        where tenant_id = ${tenant} and expired_at is null and deleted_at is null and expires_at <= ${now}
        order by expires_at limit ${limit} for no key update skip locked)
    update service_secrets s set expired_at = ${now} from expired e
      where s.tenant_id = ${tenant} and s.id = e.id
      returning s.id, s.identity_id, s.expires_at`.execute(tx.db)
  return rows.map((row) => ({
    id: fromUuid('secret', row.id),
    serviceId: fromUuid('service', row.identity_id),
    expiresAt: row.expires_at,
  }))
}
