import type { IdentityKind } from '@agent-iam/contract/identities'
import type { IdentityId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

export interface ExpiredAssignment {
  readonly identityId: IdentityId
  readonly role: string
  readonly expiresAt: Date
}

/** Deletes assignments that have run out, the first of them first, but for those that somebody holds just now. */
export async function deleteExpiredAssignments(tx: Transaction, limit: number): Promise<ExpiredAssignment[]> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ kind: IdentityKind; identity_id: string; role: string; valid_until: Date }>`
    with expired as (
      select identity_id, role from role_assignments
        where tenant_id = ${tenant} and valid_until <= ${tx.clock.now()} and valid_until is not null
        order by valid_until limit ${limit} for update skip locked)
    delete from role_assignments r using expired e, identities i
      where r.tenant_id = ${tenant} and r.identity_id = e.identity_id and r.role = e.role
        and i.tenant_id = ${tenant} and i.id = e.identity_id
      returning i.kind, r.identity_id, r.role, r.valid_until`.execute(tx.db)
  return rows.map((row) => ({
    identityId: fromUuid(row.kind, row.identity_id),
    role: row.role,
    expiresAt: row.valid_until,
  }))
}
