import type { SessionId, TenantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { apiKeyMethod } from '../model.ts'

/** Looks through all tenants: which have sessions that ended, or ran out, before an instant. */
export async function findTenantsToSweep(tx: Transaction, before: Date, limit: number): Promise<TenantId[]> {
  const { rows } = await sql<{ id: string }>`select find_tenants_to_sweep(${before}, ${limit}) as id`.execute(tx.db)
  return rows.map(({ id }) => fromUuid('tenant', id))
}

/** Those of API keys are kept as long as the key is: their rows belong to it. */
export async function listOldSessions(tx: Transaction, before: Date, limit: number): Promise<SessionId[]> {
  const rows = await tx.db
    .selectFrom('sessions')
    .select('id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where(sql<boolean>`least(ended_at, expires_at) < ${before}`)
    .where('method', '<>', apiKeyMethod)
    .limit(limit)
    .execute()
  return rows.map(({ id }) => fromUuid('session', id))
}

export async function deleteSdkTokensOf(tx: Transaction, ids: readonly SessionId[]): Promise<void> {
  const tenant = toUuid(tx.caller.tenantId)
  await sql`
    delete from sdk_tokens where tenant_id = ${tenant} and id in (
      select id from sdk_tokens where tenant_id = ${tenant} and session_id = any(${ids.map(toUuid)}::uuid[])
      for update skip locked)`.execute(tx.db)
}

/** Deletes sessions that nothing refers to any more, beside others who do; how many it were. */
export async function deleteSessions(tx: Transaction, ids: readonly SessionId[]): Promise<number> {
  const tenant = toUuid(tx.caller.tenantId)
  const { numAffectedRows = 0n } = await sql`
    delete from sessions where tenant_id = ${tenant} and id in (
      select id from sessions s where tenant_id = ${tenant} and id = any(${ids.map(toUuid)}::uuid[])
        and not exists (select from refresh_tokens r where r.tenant_id = s.tenant_id and r.session_id = s.id)
        and not exists (select from sdk_tokens t where t.tenant_id = s.tenant_id and t.session_id = s.id)
      for update skip locked)`.execute(tx.db)
  return Number(numAffectedRows)
}
