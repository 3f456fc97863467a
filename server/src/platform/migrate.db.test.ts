import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, openPostgres, type TestDatabase } from '../../test/databases.ts'
import { startServer } from '../../test/test-server.ts'
import { TestClock } from '../../test/test-clock.ts'
import { migrate, underStartLock } from './migrate.ts'

const files = readdirSync(new URL('../../migrations/', import.meta.url)).toSorted()

describe.each(databases)('migrations on %s', (_name, open) => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await open()
  })
  afterAll(() => database.close())

  test('are each applied once, in order', async () => {
    expect(await database.ask('select name from migrations order by name')).toEqual(files.map((name) => ({ name })))
    expect(await migrate(database.pool)).toEqual([])
  })

  test('that were changed after they were applied are refused', async () => {
    const [name] = files
    const [row] = await database.ask('select sha256 from migrations where name = $1', [name])
    await database.ask(`update migrations set sha256 = 'other' where name = $1`, [name])
    await expect(migrate(database.pool)).rejects.toThrow(`${name} was changed after it was applied`)
    await database.ask('update migrations set sha256 = $2 where name = $1', [name, row?.['sha256']])
  })
})

// The embedded database is one process's alone, so only here can several start at once.
describe('on PostgreSQL', () => {
  test('of four servers that start at once on an empty database, each finds what the first start made once', async () => {
    const database = await openPostgres()
    await database.ask('drop schema public cascade')
    await database.ask('create schema public')
    await database.ask('grant all on schema public to public')
    const masterKey = Buffer.alloc(32, 4)
    const starts = Array.from({ length: 4 }, () =>
      underStartLock(database.pool, async () => {
        await migrate(database.pool)
        return startServer(database, { masterKey, clock: new TestClock() })
      }),
    )
    const servers = await Promise.all(starts)
    expect(new Set(servers.map(({ app }) => app.defaultTenantId)).size).toBe(1)
    expect(
      await database.ask(
        `select (select count(*)::int from tenants) as tenants, (select count(*)::int from identities) as administrators,
           (select count(*)::int from signing_keys) as keys, (select count(*)::int from master_keys) as masters`,
      ),
    ).toEqual([{ tenants: 2, administrators: 2, keys: 4, masters: 1 }])
    await database.close()
  })
})
