import type { LogId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../../../test/databases.ts'
import { openServer, uuidOf, type TestServer } from '../../../test/test-server.ts'
import type { Context, PendingEvent } from '../../platform/context.ts'
import type { Connection } from '../../platform/database.ts'
import { toLeaf } from './model.ts'
import { appendLeaves, type Landed } from './store.ts'

const undone = new Error('rolled back on purpose')

describe.each(databases)('the two forms of audit_append on %s', (_name, open) => {
  let server: TestServer
  let ctx: Context

  beforeAll(async () => {
    server = await openServer(await open())
    ctx = server.inTenant(server.app.defaultTenantId)
  })
  afterAll(() => server.close())

  test.each([
    ['what happens every day', ['decision.made', 'login.locked'] as const, false],
    ['what may change a decision, and narrows', ['decision.made', 'agent.suspended'] as const, true],
  ])('that of the release before and ours leave the same: %s', async (_what, types, narrows) => {
    const leaves = types.flatMap((type) => [
      { leaf: leafOf(type), epoch: null },
      { leaf: leafOf(type), epoch: -1 },
    ])
    const before = await leftBy(async (db) => {
      const { rows } = await sql<{ sequence: number | null; leaf_hash: Buffer | null }>`
        select sequence, leaf_hash from audit_append(${leaves.map(({ leaf }) => Buffer.from(leaf))}::bytea[],
          ${leaves.map(({ epoch }) => epoch)}::bigint[], ${narrows}) order by ordinal`.execute(db)
      return rows.map(({ sequence, leaf_hash }): Landed =>
        sequence === null || leaf_hash === null ? undefined : { sequence, leafHash: leaf_hash.toString('hex') },
      )
    })
    const now = await leftBy((db) => appendLeaves({ db, caller: ctx.caller }, { leaves, narrows }))
    expect(now).toEqual(before)
    expect(now.landed.map((each) => each !== undefined)).toEqual([true, false, true, false])
    expect(now.rows).toHaveLength(types.length)
  })

  function leafOf(type: PendingEvent['type']): Uint8Array {
    const event = { id: ctx.newId('event'), at: ctx.clock.now(), type, decisionId: ctx.newId('decision') }
    const log: LogId = ctx.newId('log')
    return toLeaf(
      event,
      { log, actor: 'system', authentication: {}, requestId: ctx.newId('request'), traceId: undefined },
      null,
    )
  }

  /** What an append answers, and what it leaves; it is undone. */
  async function leftBy(append: (db: Connection) => Promise<Landed[]>) {
    const left = { landed: new Array<Landed>(), rows: new Array<unknown>(), head: new Array<unknown>() }
    const appended = ctx.db.transaction(ctx.caller.tenantId, async (db) => {
      const tenant = uuidOf(ctx.caller.tenantId)
      const { size } = await db
        .selectFrom('audit_heads')
        .select('size')
        .where('tenant_id', '=', tenant)
        .executeTakeFirstOrThrow()
      left.landed = await append(db)
      left.rows = await db
        .selectFrom('audit_events')
        .selectAll()
        .where('sequence', '>=', size)
        .orderBy('sequence')
        .execute()
      left.head = await db.selectFrom('audit_heads').selectAll().where('tenant_id', '=', tenant).execute()
      throw undone
    })
    await expect(appended).rejects.toBe(undone)
    return left
  }
})
