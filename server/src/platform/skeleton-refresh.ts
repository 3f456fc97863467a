import { sql } from 'kysely'
import { skeletonPrefix, storedSkeleton } from '../lib/confusable.ts'
import { asCaller, inTransaction, type Context, type Transaction } from './context.ts'
import { sqlState } from './database.ts'
import { fromUuid, toUuid } from './ids.ts'

/** The tables whose names are unique by what they look like. */
const tables = ['identities', 'roles'] as const
type NamedTable = (typeof tables)[number]

/** Few enough that nobody waits for the rows that are being written. */
const rowsAtOnce = 100
const tenantsAtOnce = 100
const uniqueViolation = '23505'

/**
 * Makes skeletons anew that older tables made, while everything goes on. Returns how many.
 *
 * Two existing names that are taken for each other only by the present tables both stay. The second gets a skeleton that no
 * name has, so a new name is still refused that looks like either.
 */
export async function refreshSkeletons(ctx: Context): Promise<number> {
  let refreshed = 0
  for (const tenant of await listTenants(ctx)) {
    const there = asCaller(ctx, { kind: 'system', tenantId: fromUuid('tenant', tenant), address: '' })
    for (const table of tables) refreshed += await refreshTable(there, table)
  }
  if (refreshed > 0) ctx.log.info({ refreshed }, 'the skeletons of names were made anew')
  return refreshed
}

async function listTenants(ctx: Context): Promise<string[]> {
  return inTransaction(ctx, async ({ db }) => {
    const { rows } = await sql<{ id: string }>`
      select list_tenants_with_old_skeletons(${tenantsAtOnce}) as id`.execute(db)
    return rows.map(({ id }) => id)
  })
}

async function refreshTable(ctx: Context, table: NamedTable): Promise<number> {
  for (let refreshed = 0; ;) {
    const count = await inTransaction(ctx, (tx) => refreshSome(tx, table))
    refreshed += count
    if (count < rowsAtOnce) return refreshed
  }
}

/** The first made first: of two that are alike, it keeps the skeleton. */
async function refreshSome(tx: Transaction, table: NamedTable): Promise<number> {
  const { rows } = await sql<{ id: string; name: string }>`
    select id, name from ${sql.table(table)}
    where tenant_id = ${toUuid(tx.caller.tenantId)} and name_skeleton not like ${sql.lit(`${skeletonPrefix}%`)}
    order by id limit ${rowsAtOnce} for update`.execute(tx.db)
  for (const { id, name } of rows) await refreshRow(tx, table, { id, skeleton: storedSkeleton(name) })
  return rows.length
}

interface Row {
  readonly id: string
  readonly skeleton: string
}

async function refreshRow(tx: Transaction, table: NamedTable, row: Row): Promise<void> {
  await sql`savepoint skeleton`.execute(tx.db)
  try {
    await writeSkeleton(tx, table, row)
  } catch (error) {
    if (sqlState(error) !== uniqueViolation) throw error
    await sql`rollback to savepoint skeleton`.execute(tx.db)
    // No name has a line break.
    await writeSkeleton(tx, table, { ...row, skeleton: `${row.skeleton}\n${row.id}` })
  }
  await sql`release savepoint skeleton`.execute(tx.db)
}

async function writeSkeleton({ db, caller }: Transaction, table: NamedTable, { id, skeleton }: Row): Promise<void> {
  await sql`update ${sql.table(table)} set name_skeleton = ${skeleton}
    where tenant_id = ${toUuid(caller.tenantId)} and id = ${id}`.execute(db)
}
