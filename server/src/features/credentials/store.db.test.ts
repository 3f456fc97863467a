import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, type TestDatabase } from '../../../test/databases.ts'
import { startServer, type TestServer } from '../../../test/test-server.ts'
import { TestClock } from '../../../test/test-clock.ts'
import { addSeconds } from '../../platform/clock.ts'
import { inTransaction } from '../../platform/context.ts'
import { insertNonce } from './store.ts'

describe.each(databases)('nonces on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  beforeAll(async () => {
    database = await open()
    server = await startServer(database, { masterKey: Buffer.alloc(32, 3), clock: new TestClock() })
  })
  afterAll(() => server.close())

  const use = (nonce: string) => {
    const expiresAt = addSeconds(server.clock.now(), 60)
    return inTransaction(server.app.system, (tx) => insertNonce(tx, 'test', nonce, expiresAt))
  }
  const count = async () => (await database.ask('select count(*)::int as count from used_nonces'))[0]?.['count']

  test('a nonce is good once, for some time after it has expired as well; old ones are swept some at a time', async () => {
    expect([await use('one'), await use('one')]).toEqual([true, false])
    server.clock.advance(120)
    expect([await use('other'), await use('one')]).toEqual([true, false])
    await database.ask(
      `insert into used_nonces select tenant_id, 'old', n::text, expires_at - interval '1 day'
       from used_nonces, generate_series(1, 150) n where nonce = 'one'`,
    )
    await use('third')
    expect(await count()).toBe(3 + 50)
    await use('fourth')
    expect(await count()).toBe(4)
  })
})
