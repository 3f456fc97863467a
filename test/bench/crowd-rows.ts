import type pg from 'pg'

/**
 * Puts agents like one beside it as rows, with its grants: what registration leaves behind, but for keys and events. Their
 * ids tell the time at which they were made, as all do, so who is registered between them lies among them.
 */
export async function plantBeside(database: pg.Client, agentId: string, count: number): Promise<void> {
  const columns = {
    ofIdentities: await readColumns(database, 'identities'),
    ofGrants: await readColumns(database, 'capability_grants'),
  }
  const id = agentId.slice(agentId.indexOf('_') + 1)
  await database.query('begin')
  await database.query(`create temporary table planted on commit drop as ${idsSql}`, [count])
  // One row for all instead of one for each: a count of identities is the sum of its rows.
  await database.query('alter table identities disable trigger count_made')
  await database.query(copySql('identities', 'id', columns.ofIdentities), [id])
  await database.query('alter table identities enable trigger count_made')
  await database.query(countSql, [id, count])
  await database.query(copySql('capability_grants', 'identity_id', columns.ofGrants), [id])
  await database.query('commit')
}

/** UUIDv7: the time in milliseconds, then chance. */
const idsSql = `
  select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || '7'
      || substr(chance, 1, 3) || '8' || substr(chance, 4, 15))::uuid as id
    from (select replace(gen_random_uuid()::text, '-', '') as chance, n from generate_series(1, $1::integer) n) drawn`

const countSql = `
  insert into identity_counts (tenant_id, kind, change)
    select tenant_id, kind, $2::integer from identities where id = $1`

async function readColumns(database: pg.Client, table: string): Promise<string[]> {
  const { rows } = await database.query<{ column_name: string }>(
    `select column_name from information_schema.columns
      where table_schema = 'public' and table_name = $1 and is_generated = 'NEVER'`,
    [table],
  )
  return rows.map(({ column_name: name }) => name)
}

/** Every column is that of the agent's own row but for those that must be another's. */
function copySql(table: string, owner: string, columns: readonly string[]): string {
  const values = columns.map((column) => {
    if (column === owner) return 'planted.id'
    if (column === 'id') return 'gen_random_uuid()'
    return column === 'name' || column === 'name_skeleton' ? 'planted.id::text' : `original.${column}`
  })
  return `insert into ${table} (${columns.join(', ')})
    select ${values.join(', ')} from ${table} original, planted where original.${owner} = $1`
}
