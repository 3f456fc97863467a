import type { TenantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import { asCaller, inTransaction, type Context, type Transaction } from './context.ts'
import { fromUuid, toUuid } from './ids.ts'

/** A column whose values the master key seals, as the feature that owns it tells it. */
export interface SealedColumn {
  readonly table: string
  readonly column: string
  /** The columns that name a row within its tenant. */
  readonly key: readonly string[]
  /** Where a row's value stands, as it was given to the sealer; the row holds the columns of `key`. */
  readonly place: (tenantId: TenantId, row: Readonly<Record<string, unknown>>) => string
}

/** Few enough that nobody waits for the rows that are being written. */
const rowsAtOnce = 100
const tenantsAtOnce = 100

/** Seals anew, as long as there are other master keys than the present one, and says when they are not needed any more. */
export class Resealing {
  readonly #columns: readonly SealedColumn[]
  #isToldDone = false

  constructor(columns: readonly SealedColumn[]) {
    this.#columns = columns
  }

  async run(ctx: Context): Promise<void> {
    if (ctx.sealer.others.length === 0) return
    const sealedAnew = await resealAll(ctx, this.#columns)
    if (sealedAnew > 0) ctx.log.info({ sealedAnew }, 'values were sealed anew with the present master key')
    else if (!this.#isToldDone) ctx.log.info({}, 'nothing lasting is sealed with another master key any more')
    this.#isToldDone = sealedAnew === 0
  }
}

/**
 * Seals with the present master key what another one sealed, while everything goes on: a row that somebody changed
 * meanwhile is left to him, who sealed it with the present key. Several instances may do it at once. Gives how many
 * values it sealed anew.
 */
async function resealAll(ctx: Context, columns: readonly SealedColumn[]): Promise<number> {
  let sealedAnew = 0
  for await (const tenantId of tenants(ctx)) {
    const there = asCaller(ctx, { kind: 'system', tenantId, address: '' })
    for (const column of columns) sealedAnew += await resealColumn(there, column)
  }
  return sealedAnew
}

async function resealColumn(ctx: Context, column: SealedColumn): Promise<number> {
  let sealedAnew = 0
  for (;;) {
    const count = await inTransaction(ctx, (tx) => resealSome(tx, column))
    sealedAnew += count
    if (count < rowsAtOnce) return sealedAnew
  }
}

async function resealSome(tx: Transaction, { table, column, key, place }: SealedColumn): Promise<number> {
  const tenant = toUuid(tx.caller.tenantId)
  const sealed = sql.ref(column)
  // Behind the version, a sealed value holds the id of its master key.
  const { rows } = await sql<Record<string, unknown>>`
    select ${sql.join(key.map((name) => sql.ref(name)))}, ${sealed} as sealed_value from ${sql.table(table)}
    where tenant_id = ${tenant} and ${sealed} is not null
      and encode(substring(${sealed} from 2 for 8), 'hex') <> ${tx.sealer.keyId} limit ${rowsAtOnce}`.execute(tx.db)
  for (const { sealed_value: old, ...row } of rows) {
    if (!Buffer.isBuffer(old)) throw new Error(`${table}.${column} holds no bytes`)
    const where = place(tx.caller.tenantId, row)
    const anew = tx.sealer.seal(tx.sealer.open(old, where), where)
    const isThisRow = sql.join(
      key.map((name) => sql`${sql.ref(name)} = ${row[name]}`),
      sql` and `,
    )
    await sql`update ${sql.table(table)} set ${sealed} = ${anew}
      where tenant_id = ${tenant} and ${isThisRow} and ${sealed} = ${old}`.execute(tx.db)
  }
  return rows.length
}

async function* tenants(ctx: Context): AsyncGenerator<TenantId> {
  let after = '00000000-0000-0000-0000-000000000000'
  for (;;) {
    const from = after
    const found = await inTransaction(ctx, async (tx) => {
      const { rows } = await sql<{
        id: string
      }>`select list_tenants_after(${from}::uuid, ${tenantsAtOnce}) as id`.execute(tx.db)
      return rows.map(({ id }) => id)
    })
    for (const id of found) yield fromUuid('tenant', id)
    const last = found.at(-1)
    if (last === undefined || found.length < tenantsAtOnce) return
    after = last
  }
}
