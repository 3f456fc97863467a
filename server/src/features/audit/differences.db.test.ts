import { getAuditHead, listAuditDifferences, listAuditEvents, listAuditLeaves } from '@agent-iam/contract/audit'
import { verifyAuditLog } from '@agent-iam/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeAgent } from '../../../test/agents.ts'
import { databases } from '../../../test/databases.ts'
import { openServer, uuidOf, type TestServer } from '../../../test/test-server.ts'

const sequence = 3
const other = `'00000000-0000-7000-8000-000000000009'`

/** Every column of `audit_events`, and what an administrator of the database might change it to. */
const changes: ReadonlyArray<readonly [column: string, change: string]> = [
  ['leaf', `leaf = 'no event'::bytea, leaf_hash = sha256('\\x00'::bytea || 'no event'::bytea)`],
  ['leaf', `leaf = '\\xff'::bytea, leaf_hash = sha256('\\x00ff'::bytea)`],
  ['leaf_hash', `leaf_hash = sha256('other')`],
  ['chain', `chain = sha256('other')`],
  ['at', `at = at + interval '1 microsecond'`],
  ['event_id', `event_id = ${other}`],
  ['type', `type = 'agent.updated'`],
  ['actor', `actor = 'anonymous'`],
  ['resource', `resource = 'file/other'`],
  ['decision', `decision = 'allow'`],
  ['decision_id', `decision_id = ${other}`],
  ['request_id', `request_id = 'req_other'`],
  ['sequence', `sequence = -1`],
  ['sequence', `sequence = 100000`],
]

describe.each(databases)('the columns that searches use, on %s', (_name, open) => {
  let server: TestServer
  let token: string

  beforeAll(async () => {
    server = await openServer(await open())
    token = await server.admin()
    for (let n = 0; n < 4; n++) await makeAgent(server, token)
    await server.database.ask('create table events_as_they_were as table audit_events')
  })
  beforeEach(async () => {
    await server.database.ask('delete from audit_events e using events_as_they_were w where e.event_id = w.event_id')
    await server.database.ask(`delete from audit_events where event_id = ${other}`)
    await server.database.ask('insert into audit_events table events_as_they_were')
  })
  afterAll(() => server.close())

  const tenant = () => uuidOf(server.app.defaultTenantId)
  const differences = async () => (await server.api.call(listAuditDifferences, { token })).differences

  async function verify() {
    return verifyAuditLog((from) => server.api.call(listAuditLeaves, { query: { from, limit: 3 }, token }), {
      readDifferences: (from) => server.api.call(listAuditDifferences, { query: { from, limit: 3 }, token }),
    })
  }

  test('a log that nobody touched has no difference, page by page', async () => {
    expect(await differences()).toEqual([])
    expect(await verify()).toMatchObject({ status: 'verified' })
  })

  test('every column is compared', async () => {
    const rows = await server.database.ask(
      `select attname as name from pg_attribute where attrelid = 'audit_events'::regclass and attnum > 0 and not attisdropped`,
    )
    const compared = [...changes.map(([column]) => column), 'tenant_id']
    expect(new Set(rows.map(({ name }) => name))).toEqual(new Set(compared))
  })

  test.each(changes)('a change of %s by SQL is reported with its sequence and column: %s', async (column, change) => {
    await server.database.ask(`update audit_events set ${change} where tenant_id = $1 and sequence = $2`, [
      tenant(),
      sequence,
    ])
    const found = await differences()
    const changed = /^sequence = (-?\d+)$/.exec(change)?.[1] ?? sequence
    expect(found).toContainEqual({ sequence: Number(changed), column })
    // What comes after a changed hash no longer fits it, and nothing else differs.
    expect(found.filter((each) => each.column !== column && each.column !== 'chain')).toEqual([])
    expect(await verify()).toMatchObject({ status: 'broken' })
  })

  test('a search follows the changed column, and the verification names it', async () => {
    const query = { type: 'agent.registered' }
    const before = await server.api.call(listAuditEvents, { query, token })
    const hidden = before.events[0]?.sequence ?? -1
    await server.database.ask(`update audit_events set type = 'agent.updated' where tenant_id = $1 and sequence = $2`, [
      tenant(),
      hidden,
    ])
    const after = await server.api.call(listAuditEvents, { query, token })
    expect(after.events).toHaveLength(before.events.length - 1)
    expect(await verify()).toMatchObject({ fault: 'column-differs', sequence: hidden, column: 'type' })
  })

  test('an event moved into another tenant’s log, or stored twice, is reported there', async () => {
    const stranger = await server.tenant('stranger')
    await server.database.ask(
      `insert into audit_events select ${tenantRow('leaf')} from audit_events where tenant_id = $2 and sequence = 0`,
      [uuidOf(stranger.id), tenant()],
    )
    const { token: theirs } = stranger.admin
    const found = await server.api.call(listAuditDifferences, { token: theirs })
    expect(found.differences).toContainEqual({ sequence: 0, column: 'tenant_id' })
    expect(found.differences).toContainEqual({ sequence: 0, column: 'sequence' })
    await server.database.ask('delete from audit_events where tenant_id = $1', [uuidOf(stranger.id)])
  })

  const tenantRow = (leaf: string) =>
    `$1, sequence, at + interval '1 hour', ${leaf}, leaf_hash, chain, event_id, type, actor, resource, decision, decision_id, request_id`

  test('many differences are cut, and the page after begins where it was asked to', async () => {
    await server.database.ask(`update audit_events set actor = 'anonymous' where tenant_id = $1 and sequence >= 2`, [
      tenant(),
    ])
    const query = { from: 4, limit: 2 }
    const { next, differences: some } = await server.api.call(listAuditDifferences, { query, token })
    expect([next, some.map((each) => each.sequence)]).toEqual([6, [4, 5]])
    const { size } = await server.api.call(getAuditHead, { token })
    expect((await server.api.call(listAuditDifferences, { query: { from: size }, token })).differences).toEqual([])
  })
})
