import { getAgent, suspendAgent } from '@agent-iam/contract/agents'
import { getAuditHead, listAuditEvents } from '@agent-iam/contract/audit'
import { check } from '@agent-iam/contract/authorization'
import { platformTenantId } from '@agent-iam/contract/ids'
import { chainNext, chainStart } from '@agent-iam/standards/hash-chain'
import { leafHash } from '@agent-iam/standards/merkle'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeAgent } from '../../../test/agents.ts'
import { databases } from '../../../test/databases.ts'
import { openServer, startServer, uuidOf, type TestServer } from '../../../test/test-server.ts'
import { inTransaction, type Context } from '../../platform/context.ts'
import type { Database } from '../../platform/database.ts'
import { GroupCommitter } from './committer.ts'
import { recordAlone, recordEvent } from './service.ts'

const writers = 50

describe.each(databases)('the audit log on %s', (_name, open) => {
  let server: TestServer
  let ctx: Context
  let token: string
  let transactions = 0

  beforeAll(async () => {
    const counting = (db: Database): Database => ({
      ...db,
      transaction: (tenantId, work) => (transactions++, db.transaction(tenantId, work)),
    })
    server = await openServer(await open(), { replace: (world) => ({ ...world, db: counting(world.db) }) })
    ctx = server.inTenant(server.app.defaultTenantId)
  })
  beforeEach(async () => {
    token = await server.admin()
  })
  afterAll(() => server.close())

  test('has no gap at any moment, however many write at once, so its order is the order of commits', async () => {
    let isWriting = true
    const gaps: unknown[] = []
    const watch = async () => {
      for (;;) {
        if (!isWriting) return
        const [row] = await server.database.ask(
          'select count(*)::int as count, max(sequence)::int + 1 as size from audit_events where tenant_id = $1',
          [uuidOf(server.app.defaultTenantId)],
        )
        if (row?.['count'] !== row?.['size']) gaps.push(row)
      }
    }
    const watching = watch()
    const records = await Promise.all(
      Array.from({ length: writers }, (_, n) => (n % 2 === 0 ? alone(n) : inChange(n))),
    ).finally(() => (isWriting = false))
    await watching
    expect(gaps).toEqual([])
    expect(new Set(records.map((record) => record?.sequence)).size).toBe(writers)
  })

  test('is chained as the published rule says, from the first leaf to the head', async () => {
    const rows = await server.database.ask(
      'select sequence::int, leaf, leaf_hash, chain from audit_events where tenant_id = $1 order by sequence',
      [uuidOf(server.app.defaultTenantId)],
    )
    expect(rows.length).toBeGreaterThan(writers)
    let chain = chainStart
    for (const [index, row] of rows.entries()) {
      const hash = leafHash(bytes(row['leaf']))
      chain = chainNext(chain, hash)
      expect(row).toMatchObject({ sequence: index, leaf_hash: Buffer.from(hash), chain: Buffer.from(chain) })
    }
    const head = await server.api.call(getAuditHead, { token })
    expect(head).toMatchObject({ size: rows.length, chain: Buffer.from(chain).toString('hex') })
  })

  test('commits many events at once together', async () => {
    await alone(0)
    const before = transactions
    const records = await Promise.all(Array.from({ length: 200 }, (_, n) => alone(n)))
    expect(new Set(records.map(({ sequence }) => sequence)).size).toBe(200)
    expect(transactions - before).toBeLessThan(10)
  })

  test('a transaction that fails leaves no event', async () => {
    const before = await server.api.call(getAuditHead, { token })
    const failing = inTransaction(ctx, async (tx) => {
      recordEvent(tx, { type: 'agent.updated' })
      await Promise.reject(new Error('on purpose'))
    })
    await expect(failing).rejects.toThrow('on purpose')
    expect(await server.api.call(getAuditHead, { token })).toEqual(before)
  })

  test('a stranger’s refusals are told at once the first time in a minute, then counted', async () => {
    const from = '192.0.2.17'
    const neighbour = '192.0.2.200'
    const first = await server.api.refuse(getAuditHead, { from })
    for (let n = 0; n < 4; n++) await server.api.refuse(getAuditHead, { from: neighbour })
    expect(await counts('192.0.2.0/24')).toEqual([1])
    await server.app.flush()
    expect(await counts('192.0.2.0/24')).toEqual([1, 4])
    expect(await server.refusals(platformTenantId, first.requestId)).toHaveLength(1)
    server.clock.advance(61)
    await server.api.refuse(getAuditHead, { from })
    expect(await counts('192.0.2.0/24')).toEqual([1, 4, 1])
  })

  test('an identity’s refusals are told one by one up to sixty a minute, then counted', async () => {
    const user = await server.user()
    for (let n = 0; n < 63; n++) await server.api.refuse(getAuditHead, { token: user.token })
    expect(await countsOf(user.id)).toEqual(Array.from({ length: 60 }, () => 1))
    await server.app.flush()
    expect((await countsOf(user.id)).slice(60)).toEqual([3])
  })

  test('what was decided before a narrowing is not recorded after it', async () => {
    const { agentId, epoch } = await narrowed()
    const event = { type: 'decision.made' as const, id: ctx.newId('event'), at: ctx.clock.now() }
    const before = await server.api.call(getAuditHead, { token })
    expect(await ctx.spine.commitAlone(ctx, event, epoch)).toBeUndefined()
    expect(await server.api.call(getAuditHead, { token })).toEqual(before)
    expect(await ctx.spine.commitAlone(ctx, event, before.epoch)).toMatchObject({ sequence: before.size })
    expect(await server.api.call(getAgent, { params: { agentId }, token })).toMatchObject({ status: 'suspended' })
  })

  test('a transaction that a narrowing overtook runs again, and lands once', async () => {
    const { epoch } = await narrowed()
    let attempts = 0
    const event = await inTransaction(ctx, (tx) => {
      tx.grounds.epoch = attempts++ === 0 ? epoch : epoch + 1
      return Promise.resolve(recordEvent(tx, { type: 'agent.updated', data: { attempts } }))
    })
    expect([attempts, event.data]).toEqual([2, { attempts: 2 }])
    const { events } = await server.api.call(listAuditEvents, { query: { type: 'agent.updated' }, token })
    expect(events.map(({ data }) => data['attempts'])).toEqual([2])
  })

  test('a decision that waits while its agent is suspended elsewhere is made again, and denies', async () => {
    const held = new HeldCommitter(server.database.db)
    const { masterKey, clock, database } = server
    const here = await startServer(database, { masterKey, clock, replace: (world) => ({ ...world, committer: held }) })
    const agent = await makeAgent(server, token, ['file/*:read'])
    const body = { agentId: agent.id, resource: 'file/a', action: 'read' }
    expect(await here.api.call(check, { body, token })).toMatchObject({ decision: 'allow' })

    held.hold()
    const waiting = here.api.call(check, { body, token })
    await held.untilHeld()
    await server.api.call(suspendAgent, { params: { agentId: agent.id }, token })
    held.release()
    const decision = await waiting
    expect(decision.decision).toBe('deny')
    expect(decision.reasons.map(({ policyId }) => policyId)).toContain('system:guard-inactive')
    const { events } = await server.api.call(listAuditEvents, { query: { decisionId: decision.decisionId }, token })
    expect(events.map((event) => event.decision)).toEqual(['deny'])
  })

  /** The epoch before something was taken away. */
  async function narrowed() {
    const { id: agentId } = await makeAgent(server, token)
    const { epoch } = await server.api.call(getAuditHead, { token })
    await server.api.call(suspendAgent, { params: { agentId }, token })
    return { agentId, epoch }
  }

  async function alone(n: number) {
    return recordAlone(ctx, { type: 'policy-engine.faulted', data: { n } })
  }

  async function inChange(n: number) {
    const event = await inTransaction(ctx, (tx) =>
      Promise.resolve(recordEvent(tx, { type: 'agent.reactivated', data: { n } })),
    )
    return event.record
  }

  async function counts(addressPrefix: string): Promise<unknown[]> {
    const query = { type: 'request.refused', limit: 200 }
    const { events } = await server.api.call(listAuditEvents, { query, token: await server.admin('platform') })
    const here = events.filter(({ personal }) => personal?.['addressPrefix'] === addressPrefix)
    return here.toReversed().map(({ data }) => data['count'])
  }

  async function countsOf(actor: string): Promise<unknown[]> {
    const query = { type: 'request.refused', actor, limit: 200 }
    const { events } = await server.api.call(listAuditEvents, { query, token: await server.admin() })
    return events.toReversed().map(({ data }) => data['count'])
  }
})

/** Holds events back, as a slow database would, until it is told to go on. */
class HeldCommitter extends GroupCommitter {
  #gate = Promise.withResolvers<void>()
  #held = Promise.withResolvers<void>()
  #isHolding = false

  hold(): void {
    this.#isHolding = true
  }

  release(): void {
    this.#isHolding = false
    this.#gate.resolve()
  }

  untilHeld(): Promise<void> {
    return this.#held.promise
  }

  override async commit(...event: Parameters<GroupCommitter['commit']>) {
    if (this.#isHolding) {
      this.#held.resolve()
      await this.#gate.promise
    }
    return super.commit(...event)
  }
}

function bytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new Error('not bytes')
}
