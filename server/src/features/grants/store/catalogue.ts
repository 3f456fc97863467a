import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'

/** One action on one type that a tenant knows, and what it knows of it. */
export interface CatalogueRow {
  readonly type: string
  readonly action: string | null
  readonly is_declared: boolean
  readonly type_description: string
  readonly risk: 'low' | 'medium' | 'high' | 'critical' | null
  readonly description: string
  readonly granted: number
  readonly in_roles: number
}

/**
 * All types after a name, with their actions. It reads what other features keep, so that one statement shows what is
 * declared beside what is granted.
 */
export async function listCatalogue(
  tx: Transaction,
  after: string | undefined,
  types: number,
): Promise<CatalogueRow[]> {
  const tenant = toUuid(tx.caller.tenantId)
  const now = tx.clock.now()
  const { rows } = await sql<CatalogueRow>`
    with entries (entry, granted, in_roles) as (
      select g.entry, count(*), 0 from capability_grants g
        where g.tenant_id = ${tenant} and (g.expires_at is null or g.expires_at > ${now}::timestamptz) group by g.entry
      union all
      select p ->> 'entry', 0, count(distinct r.id) from roles r, jsonb_array_elements(r.permissions) p
        where r.tenant_id = ${tenant} group by 1),
    known (type, action, risk, description, granted, in_roles) as (
      -- Of type[/idPrefix*]:action; the action ends at the last colon, since an id may hold some.
      select substring(entry from '^[^/:]+'), substring(entry from '[^:]*$'), null, '', granted, in_roles from entries
      union all
      select t.name, a ->> 'name', a ->> 'risk', a ->> 'description', 0, 0
        from resource_types t left join lateral jsonb_array_elements(t.actions) a on true where t.tenant_id = ${tenant}),
    page (type) as (
      select type from known where ${after ?? null}::text is null or type > ${after ?? null}::text collate "C"
        group by type order by type collate "C" limit ${types})
    select k.type, k.action, max(t.name) is not null as is_declared, coalesce(max(t.description), '') as type_description,
        max(k.risk) as risk, coalesce(max(k.description), '') as description, sum(k.granted)::int as granted,
        sum(k.in_roles)::int as in_roles
      from page p join known k on k.type = p.type
        left join resource_types t on t.tenant_id = ${tenant} and t.name = k.type
      group by k.type, k.action order by k.type collate "C", k.action collate "C"`.execute(tx.db)
  return rows
}
