import type { TenantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    reset_requests: { tenant_id: string; id: string; email: Buffer }
  }
}

/** Somebody asked for a new password; what they called themselves is sealed to the id. */
export interface ResetRequest {
  readonly id: string
  readonly sealedEmail: Buffer
}

export async function insertResetRequest(tx: Transaction, { id, sealedEmail }: ResetRequest): Promise<void> {
  await tx.db
    .insertInto('reset_requests')
    .values({ tenant_id: toUuid(tx.caller.tenantId), id, email: sealedEmail })
    .execute()
}

/** Takes some out: whoever fails after that rolls back, and leaves them for the next. */
export async function takeResetRequests(tx: Transaction, max: number): Promise<ResetRequest[]> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ id: string; email: Buffer }>`
    delete from reset_requests where tenant_id = ${tenant} and id in (
      select id from reset_requests where tenant_id = ${tenant} order by id limit ${max} for update skip locked)
    returning id, email`.execute(tx.db)
  return rows.map(({ id, email }) => ({ id, sealedEmail: email }))
}

/** Looks through all tenants: where somebody asked. */
export async function findTenantsWithResetRequests(tx: Transaction): Promise<TenantId[]> {
  const { rows } = await sql<{ id: string }>`select find_tenants_with_reset_requests() as id`.execute(tx.db)
  return rows.map(({ id }) => fromUuid('tenant', id))
}
