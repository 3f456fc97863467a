import { sql } from 'kysely'
import { addSeconds } from '../../../platform/clock.ts'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'

/** Which attempts are counted together. Both are digests: the table tells neither accounts nor addresses. */
export interface AttemptKey {
  readonly account: Buffer
  readonly place: Buffer
}

export interface AttemptLimit {
  readonly max: number
  readonly windowSeconds: number
  /** Whether the attempt that reaches the maximum begins the window anew: from then on, all of it must pass. */
  readonly locks?: boolean
}

/**
 * Counts one attempt more, unless the limit is reached: then until when. The row is locked until the transaction ends, so of
 * many at once no more pass than may.
 */
export async function countAttempt(
  tx: Transaction,
  { account, place }: AttemptKey,
  { max, windowSeconds, locks = false }: AttemptLimit,
): Promise<{ count: number } | { until: Date }> {
  const now = tx.clock.now()
  const end = addSeconds(now, windowSeconds)
  const { rows } = await sql<{ count: number }>`
    insert into attempts as a (tenant_id, account, place, count, ends_at)
    values (${toUuid(tx.caller.tenantId)}, ${account}, ${place}, 1, ${end})
    on conflict (tenant_id, account, place) do update set
      count = case when a.ends_at <= ${now} then 1 else a.count + 1 end,
      ends_at = case when a.ends_at <= ${now} or (${locks} and a.count + 1 >= ${max}) then ${end} else a.ends_at end
    where a.ends_at <= ${now} or a.count < ${max}
    returning count`.execute(tx.db)
  const [counted] = rows
  return counted ?? { until: await endOf(tx, { account, place }) }
}

async function endOf(tx: Transaction, { account, place }: AttemptKey): Promise<Date> {
  const row = await tx.db
    .selectFrom('attempts')
    .select('ends_at')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('account', '=', account)
    .where('place', '=', place)
    .executeTakeFirst()
  // Swept or forgiven in between: then nothing is in the way any more.
  return row?.ends_at ?? tx.clock.now()
}

/** Until when no more are taken; undefined while there is room. */
export async function findEndOfFull(
  tx: Transaction,
  { account, place }: AttemptKey,
  max: number,
): Promise<Date | undefined> {
  const row = await tx.db
    .selectFrom('attempts')
    .select('ends_at')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('account', '=', account)
    .where('place', '=', place)
    .where('count', '>=', max)
    .where('ends_at', '>', tx.clock.now())
    .executeTakeFirst()
  return row?.ends_at
}

/** Takes one attempt back: it was none. */
export async function uncountAttempt(tx: Transaction, { account, place }: AttemptKey): Promise<void> {
  await tx.db
    .updateTable('attempts')
    .set({ count: sql`greatest(count - 1, 0)` })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('account', '=', account)
    .where('place', '=', place)
    .execute()
}

export async function deleteAttempts(tx: Transaction, { account, place }: AttemptKey): Promise<void> {
  await tx.db
    .deleteFrom('attempts')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('account', '=', account)
    .where('place', '=', place)
    .execute()
}

/**
 * Forgets every attempt at an account, from wherever; returns whether there were any. The rows are held in the order in
 * which attempts are counted, `shared` last, as given: so who forgets and who counts wait for each other one way only.
 */
export async function deleteAttemptsAt(tx: Transaction, account: Buffer, shared: readonly Buffer[]): Promise<boolean> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ place: Buffer; count: number }>`
    select place, count from attempts where tenant_id = ${tenant} and account = ${account}
    order by array_position(${shared}::bytea[], place) nulls first, place for update`.execute(tx.db)
  if (rows.length === 0) return false
  // NOTE: those alone: what was counted since may be held by who waits for us.
  await tx.db
    .deleteFrom('attempts')
    .where('tenant_id', '=', tenant)
    .where('account', '=', account)
    .where(
      'place',
      'in',
      rows.map(({ place }) => place),
    )
    .execute()
  return rows.some(({ count }) => count > 0)
}

/** Most rows whose window has ended that one attempt sweeps: more than it adds, and too few to make it wait. */
const sweptMax = 100

/** Sweeps what no longer counts, beside others who do. NOTE: the last statement, so that nobody waits for one who waits. */
export async function sweepAttempts(tx: Transaction): Promise<void> {
  const tenant = toUuid(tx.caller.tenantId)
  await sql`
    delete from attempts where tenant_id = ${tenant} and (account, place) in (
      select account, place from attempts
      where tenant_id = ${tenant} and ends_at <= ${tx.clock.now()}
      order by ends_at limit ${sweptMax} for update skip locked)`.execute(tx.db)
}

declare module '../../../platform/database.ts' {
  interface Tables {
    attempts: { tenant_id: string; account: Buffer; place: Buffer; count: number; ends_at: Date }
  }
}
