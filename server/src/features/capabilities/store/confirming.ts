import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'

/** Entries that are granted for one span of time; undefined: from now, for ever. */
export interface GrantedSpan {
  readonly from: Date | undefined
  readonly until: Date | undefined
  readonly entries: readonly string[]
}

/** A session, and when it ends: what it created ends then at the latest. */
export interface EndingSession {
  readonly id: SessionId
  readonly endsAt: Date
}

/** What a session granted an identity, by the span that it has apart from the session. It is held until the transaction ends. */
export async function listOfSource(tx: Transaction, id: IdentityId, source: EndingSession): Promise<GrantedSpan[]> {
  const { rows } = await sql<{ valid_from: Date | null; expires_at: Date | null; entries: string[] }>`
    select valid_from, expires_at, array_agg(entry) as entries from (
      select valid_from, nullif(expires_at, ${source.endsAt}::timestamptz) as expires_at, entry from capability_grants
      where tenant_id = ${toUuid(tx.caller.tenantId)} and identity_id = ${toUuid(id)}
        and source_session = ${toUuid(source.id)} and (expires_at is null or expires_at > ${tx.clock.now()})
      for update) held
    group by valid_from, expires_at`.execute(tx.db)
  return rows.map(({ valid_from: from, expires_at: until, entries }) => ({
    from: from ?? undefined,
    until: until ?? undefined,
    entries,
  }))
}

export async function clearSource(tx: Transaction, id: IdentityId, source: EndingSession): Promise<void> {
  await tx.db
    .updateTable('capability_grants')
    .set({ source_session: null, expires_at: sql`nullif(expires_at, ${source.endsAt}::timestamptz)` })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(id))
    .where('source_session', '=', toUuid(source.id))
    .execute()
}
