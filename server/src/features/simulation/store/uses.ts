import type { IdentityId, TenantId } from '@agent-iam/contract/ids'
import { parseGrant } from '@agent-iam/contract/capabilities'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import type { Used } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    decision_uses: {
      tenant_id: string
      identity_id: string
      digest: Buffer
      action: string
      resource_type: string
      resource_id: string
      last_at: Date
    }
    decision_use_cursors: { tenant_id: string; sequence: number; at: Date | null }
  }
}

/** How far the log was read: up to before this sequence, and until when. */
export interface ReadSoFar {
  readonly sequence: number
  readonly at: Date | undefined
}

export async function findTenantsWithUnreadUses(tx: Transaction, limit: number): Promise<TenantId[]> {
  const { rows } = await sql<{ tenant_id: string }>`
    select find_tenants_with_unread_uses(${limit}) as tenant_id`.execute(tx.db)
  return rows.map(({ tenant_id }) => fromUuid('tenant', tenant_id))
}

/** Holds the tenant's place in the log until the transaction ends. */
export async function lockCursor(tx: Transaction): Promise<ReadSoFar> {
  const tenant_id = toUuid(tx.caller.tenantId)
  await tx.db
    .insertInto('decision_use_cursors')
    .values({ tenant_id, sequence: 0, at: null })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const row = await tx.db
    .selectFrom('decision_use_cursors')
    .select(['sequence', 'at'])
    .where('tenant_id', '=', tenant_id)
    .forUpdate()
    .executeTakeFirstOrThrow()
  return { sequence: row.sequence, at: row.at ?? undefined }
}

export async function updateCursor(tx: Transaction, { sequence, at }: ReadSoFar): Promise<void> {
  await tx.db
    .updateTable('decision_use_cursors')
    .set({ sequence, at: at ?? null })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .execute()
}

/**
 * Takes over what was allowed between two sequences of the log, for everyone of each decision’s chain. Returns the time of
 * the last. In the database, since a busy tenant has thousands a second.
 */
export async function absorbUses(tx: Transaction, from: number, to: number): Promise<Date | undefined> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ at: Date | null }>`
    with read as (
      select at, convert_from(leaf, 'UTF8')::jsonb as leaf, split_part(resource, '/', 1) as type,
        case when strpos(resource, '/') = 0 then '' else substr(resource, strpos(resource, '/') + 1) end as id
      from audit_events
      where tenant_id = ${tenant} and type = 'decision.made' and sequence >= ${from} and sequence < ${to}
        and decision = 'allow'
    ), used as (
      select substr(who, 5)::uuid as identity_id, leaf->>'action' as action, type, id, max(at) as at
      from read, jsonb_array_elements_text(leaf->'chain') who
      group by 1, 2, 3, 4
    ), taken as (
      insert into decision_uses (tenant_id, identity_id, digest, action, resource_type, resource_id, last_at)
      select ${tenant}, identity_id, sha256(convert_to(jsonb_build_array(action, type, id)::text, 'UTF8')),
        action, type, id, at
      from used order by 2, 3
      on conflict (tenant_id, identity_id, digest)
        do update set last_at = greatest(decision_uses.last_at, excluded.last_at)
      returning last_at
    ) select max(last_at) as at from taken`.execute(tx.db)
  return rows[0]?.at ?? undefined
}

/** Forgets what was used longest ago. Returns how many. */
export async function deleteOldUses(tx: Transaction, before: Date, limit: number): Promise<number> {
  const { rows } = await sql`
    delete from decision_uses where tenant_id = ${toUuid(tx.caller.tenantId)} and (identity_id, digest) in (
      select identity_id, digest from decision_uses
      where tenant_id = ${toUuid(tx.caller.tenantId)} and last_at < ${before} limit ${limit})
    returning 1`.execute(tx.db)
  return rows.length
}

/** What an entry covered, of one action on one type. */
export interface EntryUse extends Used {
  /** Different ids. */
  readonly resources: number
  readonly lastAt: Date
}

/**
 * What each of an identity's entries covered since an instant; as `covers` of capabilities/model says it. Entries that
 * covered nothing are left out.
 */
export async function listEntryUses(
  tx: Transaction,
  { identityId, since, entries }: { identityId: IdentityId; since: Date; entries: readonly string[] },
): Promise<Map<string, EntryUse[]>> {
  const grants = entries.map((entry) => ({ entry, ...parseGrant(entry) })).filter(({ type }) => type !== undefined)
  if (grants.length === 0) return new Map()
  const { rows } = await sql<UseRow>`
    select e.entry, u.action, u.resource_type as type, count(*)::int as resources, max(u.last_at) as last_at,
      min(u.resource_id collate "C") as first_id, max(u.resource_id collate "C") as last_id
    from unnest(${grants.map(({ entry }) => entry)}::text[], ${grants.map(({ type }) => type)}::text[],
        ${grants.map(({ idPattern }) => idPattern ?? null)}::text[], ${grants.map(({ action }) => action)}::text[])
        as e (entry, type, pattern, action)
      join decision_uses u on u.tenant_id = ${toUuid(tx.caller.tenantId)} and u.identity_id = ${toUuid(identityId)}
        and u.last_at >= ${since}
        and e.type in (u.resource_type, '*') and e.action in (u.action, '*')
        and (e.pattern is null or u.resource_id = e.pattern
          or (right(e.pattern, 1) = '*' and starts_with(u.resource_id, left(e.pattern, -1))))
    group by e.entry, u.action, u.resource_type`.execute(tx.db)
  return Map.groupBy(rows.map(toEntryUse), ({ entry }) => entry)
}

interface UseRow {
  entry: string
  action: string
  type: string
  resources: number
  last_at: Date
  first_id: string
  last_id: string
}

function toEntryUse({ entry, action, type, resources, last_at, first_id, last_id }: UseRow) {
  return { entry, action, type, resources, lastAt: last_at, firstId: first_id, lastId: last_id }
}
