import type { IdentityId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

export interface ExpiredGrant {
  readonly identityId: IdentityId
  readonly entry: string
  readonly expiresAt: Date
}

/** Deletes grants that have run out, the first of them first, but for those that somebody holds just now. */
export async function deleteExpiredGrants(tx: Transaction, limit: number): Promise<ExpiredGrant[]> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{
    kind: 'user' | 'service' | 'agent'
    identity_id: string
    entry: string
    expires_at: Date
  }>`
    with expired as (
      select identity_id, entry from capability_grants
        where tenant_id = ${tenant} and expires_at <= ${tx.clock.now()} and expires_at is not null
        order by expires_at limit ${limit} for update skip locked)
    delete from capability_grants g using expired e, identities i
      where g.tenant_id = ${tenant} and g.identity_id = e.identity_id and g.entry = e.entry
        and i.tenant_id = ${tenant} and i.id = e.identity_id
      returning i.kind, g.identity_id, g.entry, g.expires_at`.execute(tx.db)
  return rows.map((row) => ({
    identityId: fromUuid(row.kind, row.identity_id),
    entry: row.entry,
    expiresAt: row.expires_at,
  }))
}

/** Deletes whatever was granted to some identities. */
export async function deleteAllGrants(tx: Transaction, ids: readonly IdentityId[]): Promise<void> {
  if (ids.length === 0) return
  await sql`
    delete from capability_grants where tenant_id = ${toUuid(tx.caller.tenantId)}
      and identity_id = any(${ids.map(toUuid)}::uuid[])`.execute(tx.db)
}
