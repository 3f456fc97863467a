import type { TenantId } from '@agent-iam/contract/ids'
import type { Database } from '../../platform/database.ts'
import { Problem } from '../../platform/problem.ts'
import { EventNotStorableError } from './storable.ts'
import { appendLeaves, type Landed } from './store.ts'

interface Waiting {
  readonly leaf: Uint8Array
  readonly epoch: number | null
  readonly settle: (landed: Landed) => void
  readonly fail: (error: unknown) => void
}

/** Most leaves of one commit: they hold the tenant's head while they are written. */
const batchLeavesMax = 500
/** Most bytes of one commit. A leaf may be as large, and is then committed alone. */
const batchBytesMax = 4_194_304
/** More waiting than this, and the database does not keep up: say so instead of queueing without end. */
const waitingMax = 20_000
/** The same for one tenant, so that a tenant that asks for more than its log takes leaves room for the others. */
export const tenantWaitingMax = 5_000

/**
 * Appends events that stand alone, such as decisions, many to a commit: what arrives while one commit is on its way
 * goes into the next. Whoever commits waits until the event is durable. A leaf that the database refuses fails alone.
 */
export class GroupCommitter {
  readonly #db: Database
  readonly #queues = new Map<TenantId, Waiting[]>()
  readonly #running = new Set<Promise<void>>()
  #waiting = 0

  constructor(db: Database) {
    this.#db = db
  }

  /** Resolves once the leaf is durable, or to undefined when a narrowing overtook its epoch. */
  commit(tenantId: TenantId, leaf: Uint8Array, epoch: number | null): Promise<Landed> {
    if (this.#waiting >= waitingMax || (this.#queues.get(tenantId)?.length ?? 0) >= tenantWaitingMax)
      return Promise.reject(new Problem('unavailable', 'the audit log does not keep up; try again shortly'))
    this.#waiting++
    return new Promise((settle, fail) => {
      const queue = this.#queues.get(tenantId)
      const waiting = { leaf, epoch, settle, fail }
      if (queue) queue.push(waiting)
      else this.#start(tenantId, waiting)
    })
  }

  /** How many events wait to become durable. */
  get lag(): number {
    return this.#waiting
  }

  /** Waits until everything that was given is durable. */
  async close(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #start(tenantId: TenantId, first: Waiting): void {
    this.#queues.set(tenantId, [first])
    const run = this.#drain(tenantId).finally(() => this.#running.delete(run))
    this.#running.add(run)
  }

  /** One commit at a time for a tenant: its head is one row, so two would only wait for each other. */
  async #drain(tenantId: TenantId): Promise<void> {
    for (;;) {
      const batch = takeBatch(this.#queues.get(tenantId) ?? [])
      if (batch.length === 0) break
      await this.#commitBatch(tenantId, batch)
      this.#waiting -= batch.length
    }
    this.#queues.delete(tenantId)
  }

  /** Commits all, or the halves one after the other when a leaf is at fault: the order stays, and that leaf fails alone. */
  async #commitBatch(tenantId: TenantId, batch: readonly Waiting[]): Promise<void> {
    const error = await this.#tryBatch(tenantId, batch)
    if (error === undefined) return
    if (!(error instanceof EventNotStorableError) || batch.length === 1) {
      for (const waiting of batch) waiting.fail(error)
      return
    }
    const half = Math.ceil(batch.length / 2)
    await this.#commitBatch(tenantId, batch.slice(0, half))
    await this.#commitBatch(tenantId, batch.slice(half))
  }

  /** Returns why nothing was committed; undefined when all was. */
  async #tryBatch(tenantId: TenantId, batch: readonly Waiting[]): Promise<unknown> {
    try {
      const landed = await this.#db.transaction(tenantId, (db) =>
        appendLeaves({ db, caller: { kind: 'system', tenantId, address: '' } }, { leaves: batch, narrows: false }),
      )
      for (const [index, waiting] of batch.entries()) waiting.settle(landed[index])
      return undefined
    } catch (error) {
      return error ?? new Error('thrown for no reason')
    }
  }
}

/** Takes the first that fit one commit out of a queue: at least one, if there is any. */
function takeBatch(queue: Waiting[]): Waiting[] {
  let bytes = 0
  const end = queue.slice(0, batchLeavesMax).findIndex(({ leaf }) => (bytes += leaf.length) > batchBytesMax)
  return queue.splice(0, end < 0 ? batchLeavesMax : Math.max(end, 1))
}
