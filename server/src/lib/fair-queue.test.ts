import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import { FairQueue, QueueFullError, type FairQueueLimits, type JobOwner } from './fair-queue.ts'

const many = { total: 1_000, tenant: 1_000, root: 1_000 }
const limits: FairQueueLimits = {
  atOnce: { total: 1, tenant: 1, root: 1 },
  waitingMax: many,
  bytesMax: many,
  waitMsMax: 10_000,
  honestMs: 100,
  budgetMs: { tenant: 1_000, root: 500 },
  halfLifeMs: 10_000,
}

/** A queue whose jobs end when the test says so. */
class TestQueue {
  now = 0
  readonly started: string[] = []
  readonly refused: string[] = []
  readonly queue: FairQueue
  readonly #end = new Map<string, (error?: Error) => void>()

  constructor(changes: Partial<FairQueueLimits> = {}) {
    this.queue = new FairQueue({ ...limits, ...changes }, () => this.now)
  }

  /** `name` is `tenant/root/…`. */
  ask(name: string, bytes = 0): Promise<unknown> {
    const [tenantId = '', ...roots] = name.split('/')
    const owner: JobOwner = { tenantId, roots: roots.slice(0, 1) }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const asked = this.queue.run(owner, bytes, () => {
      this.started.push(name)
      this.#end.set(name, (error) => (error ? reject(error) : resolve()))
      return promise
    })
    return asked.catch((error: unknown) => {
      if (!(error instanceof QueueFullError)) throw error
      this.refused.push(`${name}: ${error.fault}`)
    })
  }

  async end(name: string, tookMs = 0, error?: Error): Promise<void> {
    this.now += tookMs
    this.#end.get(name)?.(error)
    this.#end.delete(name)
    await settled()
  }

  /** Ends whatever runs until nothing does; every job takes as long. */
  async drain(tookMs = 1): Promise<string[]> {
    await settled()
    for (let [name] = this.#end.keys(); name !== undefined; [name] = this.#end.keys()) await this.end(name, tookMs)
    return this.started
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

afterEach(() => void vi.useRealTimers())

test('tenants take turns, however much one of them asks', async () => {
  const jobs = new TestQueue()
  for (const name of ['a/x/1', 'a/y/2', 'a/z/3', 'a/x/4', 'b/x/1', 'c/x/1', 'b/x/2']) void jobs.ask(name)
  expect(await jobs.drain()).toEqual(['a/x/1', 'b/x/1', 'c/x/1', 'a/y/2', 'b/x/2', 'a/z/3', 'a/x/4'])
})

test('within a tenant the roots take turns', async () => {
  const jobs = new TestQueue()
  for (const name of ['a/x/1', 'a/x/2', 'a/x/3', 'a/y/1', 'a/z/1']) void jobs.ask(name)
  expect(await jobs.drain()).toEqual(['a/x/1', 'a/y/1', 'a/z/1', 'a/x/2', 'a/x/3'])
})

test('a tenant that burnt time waits behind those that did not, until that is long ago', async () => {
  const jobs = new TestQueue()
  void jobs.ask('a/x/1')
  await settled()
  await jobs.end('a/x/1', 800)
  void jobs.ask('c/x/0')
  for (const name of ['a/x/2', 'b/x/1', 'b/x/2', 'b/x/3']) void jobs.ask(name)
  expect(await jobs.drain(100)).toEqual(['a/x/1', 'c/x/0', 'b/x/1', 'b/x/2', 'b/x/3', 'a/x/2'])

  jobs.now += 200_000
  void jobs.ask('c/x/1')
  for (const name of ['a/x/3', 'b/x/4']) void jobs.ask(name)
  await jobs.drain(1)
  expect(jobs.started.slice(6)).toEqual(['c/x/1', 'a/x/3', 'b/x/4'])
})

test('a tenant or a root has no more at once than it may', async () => {
  const jobs = new TestQueue({ atOnce: { total: 4, tenant: 2, root: 1 } })
  for (const name of ['a/x/1', 'a/x/2', 'a/y/1', 'a/z/1', 'b/x/1']) void jobs.ask(name)
  await settled()
  expect(jobs.started).toEqual(['a/x/1', 'a/y/1', 'b/x/1'])
  await jobs.end('b/x/1')
  expect(jobs.started).toHaveLength(3)
  await jobs.end('a/y/1')
  expect(jobs.started.at(-1)).toBe('a/z/1')
})

test('those over their budget never have all places together', async () => {
  const jobs = new TestQueue({ atOnce: { total: 2, tenant: 2, root: 1 }, budgetMs: { tenant: 2_000, root: 500 } })
  for (const name of ['a/x/1', 'b/x/1']) void jobs.ask(name)
  await settled()
  await jobs.end('a/x/1', 700)
  await jobs.end('b/x/1', 700)
  for (const name of ['a/x/2', 'b/x/2', 'b/y/1', 'a/x/3']) void jobs.ask(name)
  await settled()
  // Of b the root x is over its budget, but neither b nor its root y.
  expect(jobs.started.slice(2)).toEqual(['a/x/2', 'b/y/1'])
  await jobs.end('b/y/1')
  expect(jobs.started).toHaveLength(4)
  await jobs.end('a/x/2', 700)
  expect(jobs.started.slice(4)).toEqual(['b/x/2'])
})

test('many short jobs are no excess, however many', async () => {
  const jobs = new TestQueue({ atOnce: { total: 2, tenant: 2, root: 1 } })
  for (const root of ['x', 'y'])
    for (let n = 0; n < 50; n++) {
      void jobs.ask(`a/${root}/${n}`)
      await settled()
      await jobs.end(`a/${root}/${n}`, 100)
    }
  for (const name of ['a/x/last', 'a/y/last']) void jobs.ask(name)
  await settled()
  expect(jobs.started.slice(100)).toEqual(['a/x/last', 'a/y/last'])
})

test('a root that is full is refused, and nobody else', async () => {
  const jobs = new TestQueue({ waitingMax: { total: 10, tenant: 5, root: 2 } })
  for (const name of ['a/x/1', 'a/x/2', 'a/x/3', 'a/x/4', 'a/y/1', 'b/x/1']) void jobs.ask(name)
  await settled()
  expect(jobs.refused).toEqual(['a/x/4: root'])
  expect(await jobs.drain()).toHaveLength(5)
})

test('in a full tenant the largest root gives way to a smaller one, and to no other', async () => {
  const jobs = new TestQueue({ waitingMax: { total: 10, tenant: 3, root: 3 } })
  for (const name of ['b/x/0', 'a/x/1', 'a/x/2', 'a/x/3', 'a/y/1', 'a/y/2', 'a/x/4']) void jobs.ask(name)
  await settled()
  expect(jobs.refused).toEqual(['a/x/3: tenant', 'a/y/2: tenant', 'a/x/4: tenant'])
})

test('a full queue refuses the tenant that fills it', async () => {
  const jobs = new TestQueue({ waitingMax: { total: 4, tenant: 4, root: 4 } })
  for (const name of ['a/x/0', 'a/x/1', 'a/x/2', 'a/x/3', 'a/x/4', 'b/x/1', 'b/x/2', 'c/x/1']) void jobs.ask(name)
  await settled()
  expect(jobs.refused).toEqual(['a/x/4: total', 'a/x/3: total', 'b/x/2: total'])
  void jobs.ask('a/y/1')
  await settled()
  expect(jobs.refused.at(-1)).toBe('a/x/2: total')
})

test('where no bytes are counted, a full queue still refuses the tenant that fills it', async () => {
  const queue = new TestQueue({ bytesMax: undefined, waitingMax: { total: 2, tenant: 2, root: 2 } })
  for (const name of ['busy/r/1', 'busy/r/2', 'busy/r/3', 'calm/r/1']) void queue.ask(name)
  await settled()
  expect(queue.refused).toEqual(['busy/r/3: total'])
})

test('bytes that wait are bounded for each in the same way', async () => {
  const jobs = new TestQueue({ bytesMax: { total: 100, tenant: 60, root: 40 } })
  void jobs.ask('z/z/0', 1_000)
  const asked: ReadonlyArray<readonly [string, number]> = [
    ['a/x/1', 30],
    ['a/x/2', 11],
    ['a/y/1', 30],
    ['a/z/1', 10],
    ['b/x/1', 40],
    ['c/x/1', 5],
  ]
  for (const [name, bytes] of asked) void jobs.ask(name, bytes)
  await settled()
  expect(jobs.refused).toEqual(['a/x/2: root', 'a/y/1: tenant'])
})

test('of several names the busiest counts', async () => {
  const jobs = new TestQueue()
  const started: string[] = []
  const asked = [
    ['1', 'account a', 'address 1'],
    ['2', 'account b', 'address 1'],
    ['3', 'account a', 'address 2'],
    ['4', 'account c', 'address 3'],
  ].map(([name = '', ...roots]) =>
    jobs.queue.run({ tenantId: 't', roots }, 0, async () => {
      started.push(name)
      jobs.now += 10
    }),
  )
  await Promise.all(asked)
  expect(started).toEqual(['1', '4', '2', '3'])
})

test('a job that failed leaves its place, and its time counts', async () => {
  const jobs = new TestQueue()
  const failing = jobs.ask('a/x/1')
  void jobs.ask('a/x/2')
  void jobs.ask('b/x/1')
  await settled()
  const failed = failing.catch((error: unknown) => error)
  await jobs.end('a/x/1', 5, new Error('no'))
  expect(await failed).toMatchObject({ message: 'no' })
  expect(jobs.started.at(-1)).toBe('b/x/1')
})

test('a closed queue refuses what waits and what comes', async () => {
  const jobs = new TestQueue()
  for (const name of ['a/x/1', 'a/x/2']) void jobs.ask(name)
  await settled()
  jobs.queue.close()
  void jobs.ask('b/x/1')
  await settled()
  expect(jobs.refused).toEqual(['a/x/2: closed', 'b/x/1: closed'])
})

test('who used much time is told to wait as long, others a second', async () => {
  const jobs = new TestQueue({ waitingMax: { total: 10, tenant: 10, root: 0 } })
  const secondsFor = async (roots: string[]) => {
    const error: unknown = await jobs.queue
      .run({ tenantId: 'a', roots }, 0, async () => 'in')
      .catch((each: unknown) => each)
    return error instanceof QueueFullError ? error.retryAfterSeconds : error
  }
  void jobs.ask('a/x/1')
  await settled()
  await jobs.end('a/x/1', 5_500)
  void jobs.ask('b/x/1')
  await settled()
  expect(await secondsFor(['x'])).toBe(6)
  expect(await secondsFor(['y'])).toBe(1)
})

test('a job that waited too long is refused, and its place is free', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const jobs = new TestQueue({ waitMsMax: 100, waitingMax: { total: 1, tenant: 1, root: 1 } })
  for (const name of ['a/x/1', 'a/x/2']) void jobs.ask(name)
  vi.advanceTimersByTime(101)
  void jobs.ask('a/x/3')
  await settled()
  expect(jobs.refused).toEqual(['a/x/2: waited-too-long'])
  expect(await jobs.drain()).toEqual(['a/x/1', 'a/x/3'])
})

test('whatever others ask, limits hold, nothing is lost, and who comes with one job is next and not refused', async () => {
  const names = fc.record({ tenant: fc.constantFrom('a', 'b', 'c'), root: fc.constantFrom('x', 'y', 'z') })
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ type: fc.constant('ask' as const), name: names, bytes: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('end' as const), place: fc.nat(3), tookMs: fc.nat(2_000) }) },
  )
  const tight: FairQueueLimits = {
    ...limits,
    atOnce: { total: 2, tenant: 2, root: 1 },
    waitingMax: { total: 8, tenant: 5, root: 3 },
    bytesMax: { total: 100, tenant: 80, root: 60 },
  }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const jobs = new TestQueue(tight)
      for (const name of ['a/x/0', 'b/x/0', 'c/x/0']) {
        void jobs.ask(name)
        await settled()
        await jobs.end(name, 5)
      }
      jobs.started.length = 0
      const running: string[] = []
      let asked = 0
      const seen = () => running.push(...jobs.started.slice(running.length + ended))
      let ended = 0
      for (const each of steps) {
        if (each.type === 'ask') void jobs.ask(`${each.name.tenant}/${each.name.root}/${asked++}`, each.bytes)
        await settled()
        seen()
        if (each.type === 'end' && running.length > 0) {
          const [name = ''] = running.splice(each.place % running.length, 1)
          ended++
          await jobs.end(name, each.tookMs)
          seen()
        }
        expect(running.length).toBeLessThanOrEqual(2)
        expect(new Set(running.map(rootOf)).size).toBe(running.length)
        expect(jobs.queue.waiting).toBeLessThanOrEqual(8)
        expect(jobs.started.length + jobs.refused.length + jobs.queue.waiting).toBe(asked)
      }
      const before = jobs.started.length
      void jobs.ask('honest/h/1', 10)
      await settled()
      const [first] = running
      if (jobs.started.length === before && first !== undefined) await jobs.end(first, 1)
      expect(jobs.refused.some((each) => each.startsWith('honest'))).toBe(false)
      expect(jobs.started[before]).toBe('honest/h/1')
      await jobs.drain()
    }),
    { numRuns: 200 },
  )
})

function rootOf(name: string): string {
  return name.split('/').slice(0, 2).join('/')
}
