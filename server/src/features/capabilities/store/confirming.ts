import type { IdentityId, UserId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'

/** What was granted in a person's name by sessions that live. */
export interface Sourced {
  readonly person: UserId
  /** Grants that end at the first instant or later, or never, shall end at the second. Undefined: all keep their ends. */
  readonly newEnd?: { readonly from: Date; readonly until: Date | undefined } | undefined
}

/** Grants for one span of time. */
export interface ConfirmedSpan {
  readonly ids: readonly string[]
  readonly entries: readonly string[]
  /** Undefined: from now. */
  readonly from: Date | undefined
  /** Undefined: for ever. */
  readonly until: Date | undefined
}

interface Row {
  ids: string[]
  entries: string[]
  valid_from: Date | null
  expires_at: Date | null
}

/** Locks and returns what sessions of a person granted an identity, grouped by the span that the grants will have. */
export async function listSourcedForUpdate(
  tx: Transaction,
  id: IdentityId,
  { person, newEnd }: Sourced,
): Promise<ConfirmedSpan[]> {
  const now = tx.clock.now()
  const { rows } = await sql<Row>`
    select array_agg(id::text) as ids, array_agg(entry) as entries, valid_from, expires_at from (
      select g.id, g.entry, g.valid_from, g.expires_at from capability_grants g
        join sessions s on s.tenant_id = g.tenant_id and s.id = g.source_session and s.identity_id = ${toUuid(person)}
      where g.tenant_id = ${toUuid(tx.caller.tenantId)} and g.identity_id = ${toUuid(id)}
        and (g.expires_at is null or g.expires_at > ${now}) and source_lives(g.source_session, ${now}::timestamptz)
      for update of g) held
    group by valid_from, expires_at`.execute(tx.db)
  return rows.map(({ ids, entries, valid_from: from, expires_at: end }) => {
    const hasNewEnd = newEnd !== undefined && (end === null || end >= newEnd.from)
    return { ids, entries, from: from ?? undefined, until: hasNewEnd ? newEnd.until : (end ?? undefined) }
  })
}

export async function clearSource(tx: Transaction, id: IdentityId, spans: readonly ConfirmedSpan[]): Promise<void> {
  for (const { ids, until } of spans)
    await tx.db
      .updateTable('capability_grants')
      .set({ source_session: null, expires_at: until ?? null })
      .where('tenant_id', '=', toUuid(tx.caller.tenantId))
      .where('identity_id', '=', toUuid(id))
      .where('id', 'in', ids)
      .execute()
}
