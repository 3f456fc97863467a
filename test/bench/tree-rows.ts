import type pg from 'pg'

/** How many more there are at each link than at the one above. */
const growth = 3.5
/** Links below the agent that the rows are put under: with its own, the longest chain. */
const levels = 9

/**
 * Puts agents below one as rows, each like it and with its grants, the same number to each parent of a level. That is
 * what delegation leaves behind, but for sessions and events.
 */
export async function plantBelow(database: pg.Client, top: string, count: number): Promise<void> {
  const weights = Array.from({ length: levels }, (_, level) => growth ** level)
  const whole = weights.reduce((sum, weight) => sum + weight, 0)
  let planted = 0
  await database.query('create temporary table planted (id uuid, parent_id uuid, level integer, place integer)')
  await database.query('create index on planted (level, place)')
  await database.query('insert into planted values ($1, null, 0, 0)', [top.slice(top.indexOf('_') + 1)])
  for (const [index, weight] of weights.entries()) {
    const isLast = index === levels - 1
    const size = isLast ? count - planted : Math.ceil((count * weight) / whole)
    await database.query(placesSql, [index, size])
    await database.query('analyze planted')
    planted += size
  }
  await database.query(agentsSql)
  await database.query(grantsSql)
  await database.query('analyze identities, capability_grants')
}

const placesSql = `
  insert into planted
    select gen_random_uuid(), p.id, $1::integer + 1, g - 1
      from (select count(*)::integer as parents from planted where level = $1::integer) above
        cross join generate_series(1, $2::integer) g
        join planted p on p.level = $1::integer and p.place = (g - 1) % above.parents`

/** All columns are those of the agent above, whatever columns there are. */
const agentsSql = `
  insert into identities
    select made.*
      from identities top, planted p, jsonb_populate_record(null::identities, to_jsonb(top) || jsonb_build_object(
        'id', p.id, 'name', p.id, 'name_skeleton', p.id, 'parent_id', p.parent_id, 'parent_kind', 'agent')) made
      where p.level > 0 and top.id = (select id from planted where level = 0)
      order by p.level`

const grantsSql = `
  insert into capability_grants
    select made.*
      from capability_grants g, planted p,
        jsonb_populate_record(null::capability_grants, to_jsonb(g) || jsonb_build_object(
          'identity_id', p.id, 'id', gen_random_uuid())) made
      where p.level > 0 and g.identity_id = (select id from planted where level = 0)`
