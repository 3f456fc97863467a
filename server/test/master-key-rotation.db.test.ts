import { listAuditEvents } from '@agent-iam/contract/audit'
import { validate } from '@agent-iam/contract/auth'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inTransaction } from '../src/platform/context.ts'
import { systemRandom } from '../src/platform/random.ts'
import { createSealer } from '../src/platform/sealing.ts'
import { readKeySet } from '../src/features/keys/store.ts'
import { databases, type TestDatabase } from './databases.ts'
import { openServer, startServer, type TestServer } from './test-server.ts'

const next = Buffer.alloc(32, 5)

describe.each(databases)('another master key on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let rotated: TestServer
  let token: string
  const lines: string[] = []

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
    token = await server.admin()
  })
  afterAll(() => server.close())

  const start = (current: Buffer, others: readonly Buffer[]) =>
    startServer(
      { ...database, close: () => Promise.resolve() },
      {
        masterKey: current,
        clock: server.clock,
        onLog: (line) => lines.push(line),
        replace: (world) => ({ ...world, db: database.another(), sealer: createSealer(current, systemRandom, others) }),
      },
    )

  test('comes in beside the one that the database knows, and not alone', async () => {
    await expect(start(next, [])).rejects.toThrow('not the one that sealed this database')
    await expect(start(next, [Buffer.alloc(32, 9)])).rejects.toThrow('not the one that sealed this database')
    rotated = await start(next, [server.masterKey])
    // What was sealed and signed before is as good as ever.
    expect((await rotated.api.call(validate, { token })).valid).toBe(true)
  })

  test('once it is in, nobody starts without it', async () => {
    await expect(start(server.masterKey, [])).rejects.toThrow('not the one that sealed this database')
    await (await start(server.masterKey, [next])).close()
  })

  test('seals anew whatever another sealed, while both serve', async () => {
    expect(await sealedWith(server)).toBeGreaterThan(3)
    const beside = await start(server.masterKey, [next])
    await Promise.all([rotated.app.tend(), rotated.app.tend()])
    expect(await sealedWith(server)).toBe(0)
    for (const each of [rotated, beside]) {
      const keys = await inTransaction(each.inTenant(each.app.defaultTenantId), readKeySet)
      expect(keys.keys.length).toBeGreaterThan(1)
      expect((await each.api.call(validate, { token: await each.admin() })).valid).toBe(true)
    }
    await rotated.app.tend()
    expect(lines.join('\n')).toMatch(/sealed anew with the present master key/)
    expect(lines.join('\n')).toMatch(/nothing lasting is sealed with another master key/)
    await beside.close()
  })

  test('then does without the other, and opens all that the log holds', async () => {
    await rotated.close()
    const alone = await start(next, [])
    const { events } = await alone.api.call(listAuditEvents, {
      query: { type: 'setup.completed' },
      token: await alone.admin(),
    })
    expect(events[0]?.personal).toMatchObject({ email: 'admin@example.com' })
    await alone.close()
  })

  /** How many lasting values that server's own master key sealed. */
  async function sealedWith({ world }: TestServer): Promise<number> {
    const [row] = await database.ask(
      `select count(*)::int as count from (select sealed from data_keys union all select sealed from signing_keys) s
       where encode(substring(sealed from 2 for 8), 'hex') = $1`,
      [world.sealer.keyId],
    )
    return Number(row?.['count'])
  }
})
