import type { IdentityId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'
import type { SessionUse } from '../uses.ts'

/** Never sets a time back. Rows that somebody else holds are left out, so that this waits for nobody and nobody for this. */
export async function updateLastUses(tx: Transaction, uses: readonly SessionUse[]): Promise<void> {
  const tenant = toUuid(tx.caller.tenantId)
  const sessions = uses.map(({ sessionId }) => toUuid(sessionId))
  await sql`
    with used as (select * from unnest(${sessions}::uuid[], ${uses.map(({ at }) => at)}::timestamptz[]) as u (id, at)),
      free as (
        select s.id, u.at from sessions s join used u on u.id = s.id
          where s.tenant_id = ${tenant}::uuid and (s.last_used_at is null or s.last_used_at < u.at)
          for no key update of s skip locked)
    update sessions s set last_used_at = f.at from free f
      where s.tenant_id = ${tenant}::uuid and s.id = f.id`.execute(tx.db)
  const identities = [...lastByIdentity(uses)]
  await sql`
    with used as (select * from unnest(${identities.map(([id]) => toUuid(id))}::uuid[],
          ${identities.map(([, at]) => at)}::timestamptz[]) as u (id, at)),
      free as (
        select i.id, u.at from identities i join used u on u.id = i.id
          where i.tenant_id = ${tenant}::uuid and (i.last_activity is null or i.last_activity < u.at)
          for no key update of i skip locked)
    update identities i set last_activity = f.at from free f
      where i.tenant_id = ${tenant}::uuid and i.id = f.id`.execute(tx.db)
}

function lastByIdentity(uses: readonly SessionUse[]): Map<IdentityId, Date> {
  const last = new Map<IdentityId, Date>()
  for (const { identityIds, at } of uses)
    for (const id of identityIds) if ((last.get(id) ?? new Date(0)) < at) last.set(id, at)
  return last
}
