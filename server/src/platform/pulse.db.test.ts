import { eventTypes, type EventType } from '@agent-iam/contract/event-types'
import { platformTenantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, type TestDatabase } from '../../test/databases.ts'
import { TestClock } from '../../test/test-clock.ts'
import { isEveryday, Pulse } from './pulse.ts'

describe.each(databases)('the pulse of a tenant on %s', (_name, open) => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await open()
  })
  afterAll(() => database.close())

  const raise = () =>
    database.ask('update audit_heads set changes = changes + 1 where tenant_id = $1', [
      '00000000-0000-7000-8000-000000000001',
    ])

  test('is asked once a second, and at once when this instance changed something', async () => {
    const clock = new TestClock()
    const pulse = new Pulse(database.db, clock)
    const { changes } = await pulse.of(platformTenantId)
    await raise()
    expect(await pulse.of(platformTenantId)).toMatchObject({ changes })
    pulse.forget(platformTenantId)
    expect(await pulse.of(platformTenantId)).toMatchObject({ changes: changes + 1 })
    await raise()
    clock.advance(1)
    expect(await pulse.of(platformTenantId)).toMatchObject({ changes: changes + 2 })
  })

  test('the database tells everyday events from others as the server does', async () => {
    const types = Object.keys(eventTypes).filter((type): type is EventType => type in eventTypes)
    const everyday = await database.db.transaction(platformTenantId, async (db) => {
      const { rows } = await sql<{ type: EventType }>`
        select type from unnest(${types}::text[]) type where is_everyday(type)`.execute(db)
      return rows.map(({ type }) => type)
    })
    expect(everyday).toEqual(types.filter(isEveryday))
    expect(everyday).toContain('session.started')
    expect(everyday).not.toContain('capability.granted')
  })
})
