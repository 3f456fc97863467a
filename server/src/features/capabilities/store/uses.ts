import type { GrantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { periodStart, type Period } from '../quota.ts'

/** How often a grant was used in the present hour or day. */
export interface Use {
  readonly grantId: GrantId
  readonly period: Period
  readonly used: number
}

interface Row {
  grant_id: string
  period: Period
  used: number
}

/**
 * How often grants were used, with their rows held until the transaction ends: who spends the same waits. Always taken in
 * one order, so that no two wait for each other.
 */
export async function holdUses(tx: Transaction, wanted: ReadonlyArray<Omit<Use, 'used'>>, at: Date): Promise<Use[]> {
  if (wanted.length === 0) return []
  const { rows } = await sql<Row>`
    insert into grant_uses as u (tenant_id, grant_id, period, starts_at, used)
      select ${toUuid(tx.caller.tenantId)}::uuid, w.grant_id, w.period, w.starts_at, 0
        from unnest(${wanted.map(({ grantId }) => toUuid(grantId))}::uuid[], ${wanted.map(({ period }) => period)}::text[],
          ${wanted.map(({ period }) => periodStart(period, at))}::timestamptz[])
          as w (grant_id, period, starts_at)
        order by w.grant_id, w.period
      -- Changes nothing; it holds the row, and tells what was committed last.
      on conflict (tenant_id, grant_id, period, starts_at) do update set used = u.used
      returning grant_id, period, used`.execute(tx.db)
  return rows.map(toUse)
}

/** Counts one more use of each; they are held as of the same instant. */
export async function countUses(tx: Transaction, uses: ReadonlyArray<Omit<Use, 'used'>>, at: Date): Promise<void> {
  if (uses.length === 0) return
  await sql`
    update grant_uses u set used = u.used + 1
      from unnest(${uses.map(({ grantId }) => toUuid(grantId))}::uuid[], ${uses.map(({ period }) => period)}::text[],
        ${uses.map(({ period }) => periodStart(period, at))}::timestamptz[]) as w (grant_id, period, starts_at)
      where u.tenant_id = ${toUuid(tx.caller.tenantId)} and u.grant_id = w.grant_id and u.period = w.period
        and u.starts_at = w.starts_at`.execute(tx.db)
}

/** What of some grants is used now, as it was committed last. */
export async function listUses(tx: Transaction, grantIds: readonly GrantId[]): Promise<Use[]> {
  if (grantIds.length === 0) return []
  const now = tx.clock.now()
  const { rows } = await sql<Row>`
    select grant_id, period, used from grant_uses
      where tenant_id = ${toUuid(tx.caller.tenantId)} and grant_id = any(${grantIds.map(toUuid)}::uuid[])
        and (period, starts_at) in (('hour', ${periodStart('hour', now)}::timestamptz), ('day', ${periodStart('day', now)}::timestamptz))`.execute(
    tx.db,
  )
  return rows.map(toUse)
}

/** Forgets uses of periods that ended before an instant, but for those that somebody else forgets just now. */
export async function deleteOldUses(tx: Transaction, before: Date, limit: number): Promise<void> {
  const tenant = toUuid(tx.caller.tenantId)
  await sql`
    delete from grant_uses where tenant_id = ${tenant} and (grant_id, period, starts_at) in (
      select grant_id, period, starts_at from grant_uses where tenant_id = ${tenant} and starts_at < ${before}
        limit ${limit} for update skip locked)`.execute(tx.db)
}

function toUse({ grant_id, period, used }: Row): Use {
  return { grantId: fromUuid('grant', grant_id), period, used }
}
