import { login } from '@agent-iam/contract/auth'
import { sql } from 'kysely'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { releaseUser } from '../src/features/credentials/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { openPostgres, type TestDatabase } from './databases.ts'
import { openServer, type TestServer, type TestUser } from './test-server.ts'

// PGlite has one session, so nobody there waits for another's lock.
let database: TestDatabase
let server: TestServer
beforeAll(async () => {
  database = await openPostgres()
  server = await openServer(database)
})
afterAll(() => server.close())

/** The rows that count attempts at the user, that of everywhere being the one that two addresses share. */
async function countFailures({ email }: TestUser, from: readonly string[]) {
  await database.ask('delete from attempts')
  for (const address of from)
    await server.api.send(login, { body: { email, password: 'not the password' }, from: address })
  const rows = await database.ask(
    `select a.account, a.place, a.count from attempts a
     where (select count(*) from attempts b where b.account = a.account) = $1`,
    [from.length + 1],
  )
  const everywhere = rows.find(({ count }) => count === from.length)
  return { everywhere, places: rows.filter((row) => row !== everywhere) }
}

/** Whether nobody holds the row. */
async function isFree(row: Record<string, unknown> | undefined): Promise<boolean> {
  const free = await database.ask('select 1 from attempts where account = $1 and place = $2 for update skip locked', [
    row?.['account'],
    row?.['place'],
  ])
  return free.length === 1
}

test('who forgets failures holds the count from everywhere last, as who counts, so that neither waits for good', async () => {
  const user = await server.user('member')
  const ctx = server.inTenant(user.tenantId)
  for (let round = 1; round <= 8; round++) {
    const addresses = [1, 2, 3].map((n) => `10.${round}.${n}.1`)
    const { everywhere, places } = await countFailures(user, addresses)
    expect(places).toHaveLength(3)
    let released: Promise<boolean> | undefined
    const isLastFree = await inTransaction(ctx, async (tx) => {
      // As one who counts an attempt from there.
      await sql`select 1 from attempts where place = ${places[round % 3]?.['place']} for update`.execute(tx.db)
      released = inTransaction(ctx, (other) => releaseUser(other, user))
      await sleep(100)
      return isFree(everywhere)
    })
    expect([round, isLastFree, await released]).toEqual([round, true, true])
  }
})
