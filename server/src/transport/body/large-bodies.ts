import { largeBodyBytes } from '@agent-iam/contract/operation'
import { readRoots } from '../../features/delegation/service.ts'
import { FairQueue, QueueFullError, type FairQueueLimits, type JobOwner } from '../../lib/fair-queue.ts'
import type { Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { BodyThread } from './body-thread.ts'
import type { ReadLarge } from './request-body.ts'

const megabyte = 1_048_576

/**
 * Requests with a large body that are under way: from the first byte that is read to the response. At 8 MB each they hold
 * 128 MB at the most, a tenant's 48 MB and an identity's 24 MB. Of one that waits, only the socket's buffer is in memory.
 */
const underWay: FairQueueLimits = {
  atOnce: { total: 16, tenant: 6, root: 3 },
  waitingMax: { total: 256, tenant: 64, root: 16 },
  bytesMax: { total: 16 * megabyte, tenant: 4 * megabyte, root: megabyte },
  waitMsMax: 10_000,
  honestMs: 0,
  // Whoever uploads slowly keeps a place for long: then others come first.
  budgetMs: { tenant: 20_000, root: 10_000 },
  halfLifeMs: 30_000,
}

/** Bodies that are parsed: one at a time, since decisions need the processor more. */
const parsing: FairQueueLimits = {
  atOnce: { total: 1, tenant: 1, root: 1 },
  waitingMax: underWay.atOnce,
  bytesMax: { total: 128 * megabyte, tenant: 48 * megabyte, root: 24 * megabyte },
  waitMsMax: 10_000,
  honestMs: 0,
  budgetMs: { tenant: 2_000, root: 1_000 },
  halfLifeMs: 30_000,
}

/** Bounds the large bodies that are in memory and that are parsed, shared fairly by tenant and by root identity. */
export class LargeBodies {
  readonly #underWay = new FairQueue(underWay)
  readonly #parsing = new FairQueue(parsing)
  readonly #thread = new BodyThread()

  /**
   * Does the work of a request with a large body when its turn comes. Throws `unavailable` when too many wait already, or
   * it waited too long.
   */
  async run<Result>(ctx: Context, work: (readLarge: ReadLarge) => Promise<Result>): Promise<Result> {
    const owner = { tenantId: ctx.caller.tenantId, roots: await readRoots(ctx) }
    try {
      return await this.#underWay.run(owner, largeBodyBytes, () => work(this.#readerOf(owner)))
    } catch (error) {
      throw error instanceof QueueFullError ? busy(error) : error
    }
  }

  async close(): Promise<void> {
    this.#underWay.close()
    this.#parsing.close()
    await this.#thread.close()
  }

  #readerOf(owner: JobOwner): ReadLarge {
    return (operationId, bytes) => this.#parsing.run(owner, bytes.length, () => this.#thread.read(operationId, bytes))
  }
}

const shares = {
  total: 'of all tenants',
  tenant: 'of this tenant',
  root: 'of this identity',
  'waited-too-long': 'of others',
  closed: 'of others',
} as const

function busy(error: QueueFullError): Problem {
  const detail = `large requests ${shares[error.fault]} are under way; try again in ${error.retryAfterSeconds} seconds, or send less at once`
  return new Problem('unavailable', detail, { retryAfterSeconds: error.retryAfterSeconds, cause: error })
}
