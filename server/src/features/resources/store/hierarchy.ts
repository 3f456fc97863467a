import { resourceDepthMax } from '@agent-iam/contract/resources'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'
import type { ResourceName } from '../../capabilities/model.ts'
import { listOf } from './resources.ts'

/** The labels of all that each of some resources lies in, in their order. */
export async function readInheritedLabels(tx: Transaction, names: readonly ResourceName[]): Promise<string[][]> {
  const { rows } = await sql<{ place: number; labels: string[] }>`
    ${above(tx, names)}
    select place, array_agg(distinct label order by label) as labels
    from above, unnest(labels) as label where depth > 0 group by place`.execute(tx.db)
  const byPlace = new Map(rows.map(({ place, labels }) => [place, labels]))
  return names.map((_, n) => byPlace.get(n + 1) ?? [])
}

/** The first of some resources that lies in itself, or has more above or below it than may be. */
export async function findMisplaced(
  tx: Transaction,
  names: readonly ResourceName[],
): Promise<ResourceName | undefined> {
  if (names.length === 0) return undefined
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<ResourceName>`
    ${above(tx, names)},
    below as (
      select n.place, n.type, n.id, 0 as depth from ${listOf(names)}
      union all
      select b.place, r.type, r.id, b.depth + 1
        from below b join resources r on r.tenant_id = ${tenant} and r.parent_type = b.type and r.parent_id = b.id
        where b.depth <= ${resourceDepthMax}),
    heights as (select place, max(depth) as height from below group by place),
    depths as (select place, max(depth) as depth from above group by place)
    select n.type, n.id from ${listOf(names)} join heights h on h.place = n.place join depths d on d.place = n.place
    where d.depth + h.height > ${resourceDepthMax} order by n.place limit 1`.execute(tx.db)
  return rows[0]
}

/** Each of some resources with all that it lies in. A circle ends one step deeper than anything may lie. */
function above(tx: Transaction, names: readonly ResourceName[]) {
  const tenant = toUuid(tx.caller.tenantId)
  return sql`
    with recursive above as (
      select n.place, 0 as depth, r.labels, r.parent_type, r.parent_id
        from ${listOf(names)} join resources r on r.tenant_id = ${tenant} and r.type = n.type and r.id = n.id
      union all
      select a.place, a.depth + 1, r.labels, r.parent_type, r.parent_id
        from above a join resources r on r.tenant_id = ${tenant} and r.type = a.parent_type and r.id = a.parent_id
        where a.depth <= ${resourceDepthMax})`
}
