import type { LimitDimension } from '@agent-iam/contract/limits'
import type { IdentityId, RateLimitId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../platform/context.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Limits, RateLimit } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    rate_limits: {
      tenant_id: string
      id: string
      dimension: LimitDimension
      subject: string
      per_minute: number | null
      per_hour: number | null
      per_day: number | null
      revision: number
      created_by: string
      created_at: Date
      updated_at: Date
    }
  }
}

/** Returns false when there is a limit of this dimension and subject already. */
export async function insertRateLimit(tx: Transaction, limit: RateLimit): Promise<boolean> {
  const row = await tx.db
    .insertInto('rate_limits')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(limit.id),
      dimension: limit.dimension,
      subject: limit.subject,
      ...limitColumns(limit),
      revision: limit.revision,
      created_by: limit.createdBy,
      created_at: limit.createdAt,
      updated_at: limit.updatedAt,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'dimension', 'subject']).doNothing())
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

export async function updateLimits(tx: Transaction, limit: RateLimit): Promise<void> {
  await tx.db
    .updateTable('rate_limits')
    .set({ ...limitColumns(limit), revision: limit.revision, updated_at: limit.updatedAt })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(limit.id))
    .execute()
}

export async function deleteRateLimit(tx: Transaction, id: RateLimitId): Promise<void> {
  await tx.db
    .deleteFrom('rate_limits')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

export async function findRateLimit(tx: Transaction, id: RateLimitId): Promise<RateLimit | undefined> {
  const row = await select(tx).where('id', '=', toUuid(id)).executeTakeFirst()
  return row && fromRow(row)
}

export async function findRateLimitForUpdate(tx: Transaction, id: RateLimitId): Promise<RateLimit | undefined> {
  const row = await select(tx).where('id', '=', toUuid(id)).forUpdate().executeTakeFirst()
  return row && fromRow(row)
}

export interface RateLimitFilter {
  readonly dimension?: LimitDimension | undefined
  readonly after?: RateLimitId | undefined
}

/** In the order of their ids, which is that of their making. */
export async function listRateLimits(
  tx: Transaction,
  { dimension, after }: RateLimitFilter,
  limit: number,
): Promise<RateLimit[]> {
  const rows = await select(tx)
    .$if(dimension !== undefined, (query) => query.where('dimension', '=', dimension ?? 'tenant'))
    .$if(after !== undefined, (query) => query.where('id', '>', toUuid(after ?? 'lim_')))
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(fromRow)
}

/** Holds the tenant's limits against others being made meanwhile, and counts them. */
export async function holdAndCount(tx: Transaction): Promise<number> {
  const tenant = toUuid(tx.caller.tenantId)
  await sql`select pg_advisory_xact_lock(hashtextextended('rate_limits ' || ${tenant}, 0))`.execute(tx.db)
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from rate_limits where tenant_id = ${tenant}`.execute(tx.db)
  return rows[0]?.count ?? 0
}

/** All rules of the tenant, as they are counted by. */
export async function listRules(
  tx: Transaction,
): Promise<Array<Limits & { dimension: LimitDimension; subject: string }>> {
  return tx.db
    .selectFrom('rate_limits')
    .select(['dimension', 'subject', 'per_minute as perMinute', 'per_hour as perHour', 'per_day as perDay'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .execute()
}

/** The roles that an identity was assigned, and has at this moment. */
export async function listPresentRoles(tx: Transaction, identityId: IdentityId): Promise<string[]> {
  const { rows } = await sql<{ role: string }>`
    select role from role_assignments
      where tenant_id = ${toUuid(tx.caller.tenantId)} and identity_id = ${toUuid(identityId)}
        and (valid_from is null or valid_from <= ${tx.clock.now()})
        and (valid_until is null or valid_until > ${tx.clock.now()})`.execute(tx.db)
  return rows.map(({ role }) => role)
}

function select(tx: Transaction) {
  return tx.db.selectFrom('rate_limits').selectAll().where('tenant_id', '=', toUuid(tx.caller.tenantId))
}

type Row = Awaited<ReturnType<ReturnType<typeof select>['executeTakeFirstOrThrow']>>

function fromRow(row: Row): RateLimit {
  return {
    id: fromUuid('rateLimit', row.id),
    dimension: row.dimension,
    subject: row.subject,
    perMinute: row.per_minute,
    perHour: row.per_hour,
    perDay: row.per_day,
    revision: row.revision,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

function limitColumns({ perMinute, perHour, perDay }: Limits) {
  return { per_minute: perMinute, per_hour: perHour, per_day: perDay }
}
