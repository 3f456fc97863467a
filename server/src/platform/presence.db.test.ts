import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../../test/databases.ts'
import { openServer, type TestServer } from '../../test/test-server.ts'
import type { Context } from './context.ts'
import { Presence } from './presence.ts'

describe.each(databases)('the presence of instances on %s', (_kind, open) => {
  let server: TestServer
  let system: Context

  beforeAll(async () => {
    server = await openServer(await open())
    ;({ system } = server.app)
  })
  afterAll(() => server.close())

  test('each counts itself and the others that live, until they leave or fall silent', async () => {
    const [one, two, three] = [new Presence('one'), new Presence('two'), new Presence('three')]
    expect(one.instances).toBe(1)
    for (const each of [one, two, three, one, two]) await each.tell(system)
    expect([one.instances, two.instances, three.instances]).toEqual([3, 3, 3])
    await three.leave(system)
    await one.tell(system)
    expect(one.instances).toBe(2)
    await server.database.ask(`update instances set seen_at = seen_at - interval '16 seconds' where id = 'two'`)
    await one.tell(system)
    expect(one.instances).toBe(1)
    // Whoever was thought gone is there again as soon as it says so.
    await two.tell(system)
    await one.tell(system)
    expect(one.instances).toBe(2)
  })

  test('while the database does not answer, what was counted last is believed', async () => {
    const [one, other] = [new Presence('believes'), new Presence('beside it')]
    await other.tell(system)
    await one.tell(system)
    const counted = one.instances
    const refuse = () => Promise.reject(new Error('the database is away'))
    await expect(one.tell({ ...system, db: { ...system.db, transaction: refuse } })).rejects.toThrow('away')
    expect(one.instances).toBe(counted)
    expect(counted).toBeGreaterThan(1)
  })
})
