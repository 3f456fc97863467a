import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startPostgres, type TestPostgres } from './postgres.ts'

let postgres: TestPostgres

beforeAll(async () => {
  postgres = await startPostgres()
})

afterAll(async () => {
  await postgres.stop()
})

test('it is PostgreSQL 15, and durable', async () => {
  const [row] = await ask("select current_setting('server_version_num')::int / 10000 as version")
  const [settings] = await ask("select current_setting('fsync') fsync, current_setting('synchronous_commit') commit")
  expect(row).toEqual({ version: 15 })
  expect(settings).toEqual({ fsync: 'on', commit: 'on' })
})

test('what was committed is there after a crash', async () => {
  await ask('create table kept (n int)')
  await ask('insert into kept values (1)')
  const before = postgres.pid

  await postgres.kill()
  await expect(ask('select 1')).rejects.toThrow('ECONNREFUSED')
  await postgres.restart()

  expect(postgres.pid).not.toBe(before)
  expect(await ask('select n from kept')).toEqual([{ n: 1 }])
})

async function ask(sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  const { rows } = await client.query<Record<string, unknown>>(sql)
  await client.end()
  return rows
}
