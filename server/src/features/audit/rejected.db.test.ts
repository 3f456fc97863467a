import { listAuditEvents } from '@agent-iam/contract/audit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../../../test/databases.ts'
import { openServer, type TestServer } from '../../../test/test-server.ts'
import { inTransaction, type Context, type EventDraft } from '../../platform/context.ts'
import { recordAlone, recordEvent } from './service.ts'
import { EventNotStorableError, leafBytesMax } from './storable.ts'

/** Two events that no use case makes: what is verbatim was validated. */
const unstorable: ReadonlyArray<readonly [what: string, event: EventDraft, code: string]> = [
  ['a NUL', { type: 'policy.created', data: { cedar: 'secret\u0000' }, verbatim: ['cedar'] }, 'invalid-request'],
  [
    'too many bytes',
    { type: 'policy.created', data: { cedar: 'secret'.repeat(leafBytesMax / 6) }, verbatim: ['cedar'] },
    'too-large',
  ],
]

describe.each(databases)('an event that cannot be stored, on %s', (_name, open) => {
  let server: TestServer
  let ctx: Context

  beforeAll(async () => {
    server = await openServer(await open())
    ctx = server.inTenant(server.app.defaultTenantId)
  })
  afterAll(() => server.close())

  test.each(unstorable)('alone, for %s: it fails, and another event says so', async (_what, event, code) => {
    const before = await rejections()
    await expect(recordAlone(ctx, event)).rejects.toMatchObject({ code })
    await expectRejection(before, code)
  })

  test.each(unstorable)(
    'in a transaction, for %s: nothing of it lands, and another event says so',
    async (_what, event, code) => {
      const before = await rejections()
      const failing = inTransaction(ctx, (tx) => {
        recordEvent(tx, { type: 'agent.updated', data: { n: 1 } })
        return Promise.resolve(recordEvent(tx, event))
      })
      await expect(failing).rejects.toMatchObject({ code })
      await expectRejection(before, code)
      const { events } = await server.api.call(listAuditEvents, {
        query: { type: 'agent.updated' },
        token: await admin(),
      })
      expect(events).toEqual([])
    },
  )

  test('of many at once, those that only the database refuses fail alone, and each leaves an event', async () => {
    const before = await rejections()
    await server.database.ask(
      `alter table audit_events add constraint no_poison check (position('poison'::bytea in leaf) = 0)`,
    )
    const names = Array.from({ length: 60 }, (_, n) => (n % 20 === 7 ? `poison ${n}` : `good ${n}`))
    const ended = await Promise.allSettled(
      names.map((name) => recordAlone(ctx, { type: 'agent.updated', data: { name } })),
    )
    expect(ended.map(({ status }) => status === 'fulfilled')).toEqual(names.map((name) => name.startsWith('good')))
    const reasons = ended.flatMap((each): unknown[] => (each.status === 'rejected' ? [each.reason] : []))
    expect(reasons.every((reason) => reason instanceof EventNotStorableError)).toBe(true)
    const query = { type: 'agent.updated', limit: 200 }
    const { events } = await server.api.call(listAuditEvents, { query, token: await admin() })
    expect(events.toReversed().map(({ data }) => data['name'])).toEqual(names.filter((name) => name.startsWith('good')))
    expect((await rejections()).length - before.length).toBe(3)
  })

  const admin = () => server.admin()

  async function rejections() {
    const query = { type: 'log.event-rejected', limit: 200 }
    return (await server.api.call(listAuditEvents, { query, token: await admin() })).events
  }

  async function expectRejection(before: readonly unknown[], code: string): Promise<void> {
    const after = await rejections()
    expect(after.length - before.length).toBe(1)
    expect(after[0]).toMatchObject({ actor: 'system', decision: 'deny', reasons: [code] })
    expect(after[0]?.data).toMatchObject({ types: expect.arrayContaining(['policy.created']) })
    expect(JSON.stringify(after[0])).not.toContain('secret')
  }
})
