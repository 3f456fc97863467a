import type { SessionId, TenantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../platform/context.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { ListedStatuses, StatusList, StatusListId } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    status_lists: {
      tenant_id: string
      id: string
      number: number
      capacity: number
      created_at: Date
    }
    status_entries: {
      tenant_id: string
      list_id: string
      idx: number
      session_id: string
      expires_at: Date
    }
  }
}

/** An entry of a list. */
export interface Entry {
  readonly listId: StatusListId
  readonly idx: number
}

/** For whom an entry is, and until when tokens name it. */
export interface Allotted {
  readonly sessionId: SessionId
  readonly expiresAt: Date
}

/** Keeps the entry that a session has already for longer; undefined where it has none. */
export async function prolongEntry(tx: Transaction, { sessionId, expiresAt }: Allotted): Promise<Entry | undefined> {
  const row = await tx.db
    .updateTable('status_entries')
    .set({ expires_at: sql<Date>`greatest(expires_at, ${expiresAt}::timestamptz)` })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('session_id', '=', toUuid(sessionId))
    .returning(['list_id', 'idx'])
    .executeTakeFirst()
  return row && { listId: fromUuid('statusList', row.list_id), idx: row.idx }
}

/** Takes the first of the candidates that is free; undefined where all are taken. The key decides between two at once. */
export async function insertEntry(
  tx: Transaction,
  { id }: StatusList,
  candidates: readonly number[],
  { sessionId, expiresAt }: Allotted,
): Promise<number | undefined> {
  const tenant = toUuid(tx.caller.tenantId)
  const list = toUuid(id)
  const { rows } = await sql<{ idx: number }>`
    insert into status_entries (tenant_id, list_id, idx, session_id, expires_at)
      select ${tenant}::uuid, ${list}::uuid, c.idx, ${toUuid(sessionId)}::uuid, ${expiresAt}::timestamptz
        from unnest(${[...candidates]}::integer[]) with ordinality as c (idx, place)
        where not exists (select from status_entries e
          where e.tenant_id = ${tenant} and e.list_id = ${list} and e.idx = c.idx)
        order by c.place limit 1
      on conflict do nothing returning idx`.execute(tx.db)
  return rows[0]?.idx
}

export async function findLastList(tx: Transaction): Promise<StatusList | undefined> {
  const row = await tx.db
    .selectFrom('status_lists')
    .select(['id', 'number', 'capacity'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row && { ...row, id: fromUuid('statusList', row.id) }
}

export async function findList(tx: Transaction, id: StatusListId): Promise<StatusList | undefined> {
  const row = await tx.db
    .selectFrom('status_lists')
    .select(['number', 'capacity'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .executeTakeFirst()
  return row && { ...row, id }
}

/** Of two who begin the same list, one does; the other finds it. */
export async function insertList(tx: Transaction, list: StatusList): Promise<void> {
  await tx.db
    .insertInto('status_lists')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(list.id),
      number: list.number,
      capacity: list.capacity,
      created_at: tx.clock.now(),
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function listLists(tx: Transaction): Promise<StatusListId[]> {
  const rows = await tx.db
    .selectFrom('status_lists')
    .select('id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .orderBy('number')
    .execute()
  return rows.map(({ id }) => fromUuid('statusList', id))
}

export async function readStatuses(tx: Transaction, id: StatusListId, at: Date): Promise<ListedStatuses> {
  const { rows } = await sql<{ invalid: number[]; suspended: number[] }>`
    select invalid, suspended from read_status_list(${toUuid(id)}, ${at})`.execute(tx.db)
  return rows[0] ?? { invalid: [], suspended: [] }
}

/** Looks through all tenants: which have entries that no token has named since. */
export async function findTenantsWithSpent(tx: Transaction, before: Date, limit: number): Promise<TenantId[]> {
  const { rows } = await sql<{ id: string }>`
    select find_tenants_with_spent_statuses(${before}, ${limit}) as id`.execute(tx.db)
  return rows.map(({ id }) => fromUuid('tenant', id))
}

/** Frees entries, beside others who do; how many it were. */
export async function deleteSpentEntries(tx: Transaction, before: Date, limit: number): Promise<number> {
  const tenant = toUuid(tx.caller.tenantId)
  const { numAffectedRows = 0n } = await sql`
    delete from status_entries where tenant_id = ${tenant} and (list_id, idx) in (
      select list_id, idx from status_entries where tenant_id = ${tenant} and expires_at < ${before}
      limit ${limit} for update skip locked)`.execute(tx.db)
  return Number(numAffectedRows)
}

/** Forgets lists that have no entry, and get none, since another list came after them that long ago. */
export async function deleteEmptyLists(tx: Transaction, succeededBefore: Date): Promise<void> {
  const tenant = toUuid(tx.caller.tenantId)
  await sql`
    delete from status_lists l where l.tenant_id = ${tenant}
      and exists (select from status_lists n
        where n.tenant_id = ${tenant} and n.number > l.number and n.created_at < ${succeededBefore})
      and not exists (select from status_entries e where e.tenant_id = ${tenant} and e.list_id = l.id)`.execute(tx.db)
}
