import pg from 'pg'

/** Another database of the same PostgreSQL, so that contenders share nothing but the machine; its address. */
export async function createDatabase(postgresUrl: string, name: string): Promise<string> {
  await onDatabase(postgresUrl, (database) => database.query(`create database ${pg.escapeIdentifier(name)}`))
  const url = new URL(postgresUrl)
  url.pathname = `/${name}`
  return url.href
}

export async function onDatabase<Result>(url: string, work: (database: pg.Client) => Promise<Result>): Promise<Result> {
  const database = new pg.Client({ connectionString: url })
  await database.connect()
  try {
    return await work(database)
  } finally {
    await database.end()
  }
}
