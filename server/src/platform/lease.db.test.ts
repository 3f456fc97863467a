import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, openPostgres } from '../../test/databases.ts'
import { openServer, type TestServer } from '../../test/test-server.ts'
import { addSeconds } from './clock.ts'
import type { Context } from './context.ts'
import { Lease } from './lease.ts'

describe.each(databases)('a lease on %s', (_kind, open) => {
  let server: TestServer
  let system: Context

  beforeAll(async () => {
    server = await openServer(await open())
    ;({ system } = server.app)
  })
  afterAll(() => server.close())

  test('of ten who ask for it at once, one has it, and has it again', async () => {
    const leases = Array.from({ length: 10 }, (_, index) => new Lease('ten', `holder ${index}`))
    const held = await Promise.all(leases.map((lease) => lease.hold(system)))
    expect(held.filter(Boolean)).toHaveLength(1)
    expect(await Promise.all(leases.map((lease) => lease.hold(system)))).toEqual(held)
  })

  test('who lets go of it leaves it to the next at once; who never had it takes nothing away', async () => {
    const [first, second] = [new Lease('let go', 'first'), new Lease('let go', 'second')]
    expect(await first.hold(system)).toBe(true)
    await second.release(system)
    expect(await second.hold(system)).toBe(false)
    await first.release(system)
    expect(first.isHeld(system.clock.now())).toBe(false)
    expect(await second.hold(system)).toBe(true)
  })

  test('two of different names know nothing of each other', async () => {
    expect(await new Lease('one work', 'first').hold(system)).toBe(true)
    expect(await new Lease('other work', 'second').hold(system)).toBe(true)
  })

  test('an instance whose clock is a day ahead takes nothing over', async () => {
    expect(await new Lease('skewed', 'first').hold(system)).toBe(true)
    const ahead = { ...system, clock: { now: () => addSeconds(system.clock.now(), 86_400) } }
    expect(await new Lease('skewed', 'second').hold(ahead)).toBe(false)
  })

  test('one that is not renewed ends, and its holder knows when it asks again', async () => {
    const [first, second] = [new Lease('ends', 'first'), new Lease('ends', 'second')]
    expect(await first.hold(system)).toBe(true)
    await sleep(2_600)
    expect(first.isHeld(system.clock.now())).toBe(false)
    expect(await second.hold(system)).toBe(true)
    expect(await first.hold(system)).toBe(false)
  })
})

// PGlite has one session: whoever hangs in a transaction there hangs alone.
test('a holder that hangs in the middle of a renewal keeps nobody waiting for long', async () => {
  const server = await openServer(await openPostgres())
  const { system } = server.app
  const lease = new Lease('hangs', 'first')
  await lease.hold(system)
  const hanging: Context = {
    ...system,
    db: {
      ...system.db,
      transaction: (tenantId, work) =>
        system.db.transaction(tenantId, async (connection) => {
          const result = await work(connection)
          await sleep(4_000)
          return result
        }),
    },
  }
  const hung = lease.hold(hanging).catch(() => 'given up by the database')
  await sleep(200)
  const began = performance.now()
  const other = new Lease('hangs', 'second')
  while (!(await other.hold(system))) await sleep(100)
  expect((performance.now() - began) / 1000).toBeLessThan(3.5)
  expect(await hung).toBe('given up by the database')
  await server.close()
})
