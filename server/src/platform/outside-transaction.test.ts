import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import { expect, test } from 'vitest'
import { inNoWorld } from '../../test/no-world.ts'
import { inTransaction, type Context } from './context.ts'
import type { Database, Tables } from './database.ts'
import { CollectedNeeds, findOpenTransaction, OutsideTransaction } from './outside-transaction.ts'
import { WorkQueue } from './work-queue.ts'

const many = { total: 10, tenant: 10, root: 10 }
const options = {
  jobs: 'tests',
  atOnce: many,
  waitingMax: many,
  bytesMax: many,
  waitMsMax: 1_000,
  honestMs: 10,
  budgetMs: many,
  halfLifeMs: 1_000,
}
const owner = { tenantId: 't', roots: ['r'] }

/** Counts transactions; nothing is ever asked of its connections. */
function counting(): { ctx: Context; ended: string[] } {
  const ended: string[] = []
  const connection = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (kysely) => new PostgresIntrospector(kysely),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
  const db: Database = {
    ...inNoWorld.db,
    async transaction(_tenant, work) {
      try {
        const result = await work(connection)
        ended.push('committed')
        return result
      } catch (error) {
        ended.push('rolled back')
        throw error
      }
    },
  }
  // What fails has no events that were not stored.
  const spine = { ...inNoWorld.spine, rejected: async () => undefined }
  return { ctx: { ...inNoWorld, db, spine }, ended }
}

test('whoever asks a queue inside a transaction gets an error, however deep', async () => {
  const { ctx } = counting()
  const queue = new WorkQueue(options)
  const ask = () => queue.run(owner, 0, async () => 'done')
  await expect(inTransaction(ctx, ask)).rejects.toThrow('tests must not wait inside a transaction')
  await expect(inTransaction(ctx, (tx) => inTransaction(tx, ask))).rejects.toThrow('must not wait')
  expect(await ask()).toBe('done')
})

test('what was started in a transaction and goes on after its end is outside', async () => {
  const { ctx } = counting()
  const queue = new WorkQueue(options)
  const { promise: end, resolve } = Promise.withResolvers<void>()
  const after = await inTransaction(ctx, async () => ({
    asked: end.then(() => queue.run(owner, 0, async () => 'done')),
  }))
  resolve()
  expect(await after.asked).toBe('done')
})

test('slow work is done after a rollback, once, and the transaction runs again with its result', async () => {
  const { ctx, ended } = counting()
  const slow = new OutsideTransaction<number>()
  let runs = 0
  const work = async () => {
    expect(findOpenTransaction()).toBeUndefined()
    return ++runs
  }
  const sum = await inTransaction(ctx, async (tx) => {
    const first = await slow.run('a', work)
    return first + (await inTransaction(tx, () => slow.run('b', work))) + (await slow.run('a', work))
  })
  expect(sum).toBe(1 + 2 + 1)
  expect(ended).toEqual(['rolled back', 'rolled back', 'committed'])
  expect(await slow.run('a', work)).toBe(3)
})

test('another transaction gets no result of this one', async () => {
  const { ctx } = counting()
  const slow = new OutsideTransaction<number>()
  let runs = 0
  const ask = () => inTransaction(ctx, () => slow.run('a', async () => ++runs))
  expect([await ask(), await ask()]).toEqual([1, 2])
})

test('a transaction inside another leaves it to the outer one to run again', async () => {
  const { ctx, ended } = counting()
  const slow = new OutsideTransaction<string>()
  expect(await inTransaction(ctx, () => inTransaction(ctx, () => slow.run('a', async () => 'done')))).toBe('done')
  expect(ended).toEqual(['rolled back', 'rolled back', 'committed', 'committed'])
})

test('what fails outside fails the whole', async () => {
  const { ctx, ended } = counting()
  const slow = new OutsideTransaction<string>()
  await expect(inTransaction(ctx, () => slow.run('a', () => Promise.reject(new Error('no'))))).rejects.toThrow('no')
  expect(ended).toEqual(['rolled back'])
})

test('what several steps need is done before the transaction runs again once', async () => {
  const { ctx, ended } = counting()
  const slow = new OutsideTransaction<number>()
  const results = await inTransaction(ctx, async () => {
    const needs = new CollectedNeeds()
    const found: Array<number | undefined> = []
    for (const each of [1, 2, 3]) found.push(await needs.attempt(() => slow.run(`${each}`, async () => each * 2)))
    needs.requireNone()
    return found
  })
  expect(results).toEqual([2, 4, 6])
  expect(ended).toEqual(['rolled back', 'committed'])
})
