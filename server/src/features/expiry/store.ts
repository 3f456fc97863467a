import type { TenantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../platform/context.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'

export interface DueTenant {
  readonly tenantId: TenantId
  /** What of it has run out, or is to be settled. */
  readonly kinds: readonly string[]
}

/** Looks through all tenants: those with something due, in order, after the one given. */
export async function findDueTenants(
  tx: Transaction,
  after: TenantId | undefined,
  limit: number,
): Promise<DueTenant[]> {
  const { rows } = await sql<{ tenant_id: string; kinds: string[] }>`
    select tenant_id, kinds
      from find_tenants_with_expired(${tx.clock.now()}, ${after ? toUuid(after) : firstUuid}::uuid, ${limit})`.execute(
    tx.db,
  )
  return rows.map((row) => ({ tenantId: fromUuid('tenant', row.tenant_id), kinds: row.kinds }))
}

const firstUuid = '00000000-0000-0000-0000-000000000000'

/** Has the database give up this transaction should its instance fall silent: others wait for what it holds. */
export async function limitSilence(tx: Transaction, milliseconds: number): Promise<void> {
  await sql`select set_config('idle_in_transaction_session_timeout', ${String(milliseconds)}, true)`.execute(tx.db)
}
