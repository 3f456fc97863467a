import { FairQueue, QueueFullError, type FairQueueLimits, type JobOwner } from '../lib/fair-queue.ts'
import { requireNoTransaction } from './outside-transaction.ts'
import { Problem } from './problem.ts'

export interface WorkQueueOptions extends FairQueueLimits {
  /** What the jobs do, for the refusal: `evaluations of Biscuits`. */
  readonly jobs: string
}

/** A fair queue for slow work. It refuses to be used inside a transaction. */
export class WorkQueue {
  readonly #queue: FairQueue
  readonly #jobs: string

  constructor({ jobs, ...limits }: WorkQueueOptions, nowMs?: () => number) {
    this.#queue = new FairQueue(limits, nowMs)
    this.#jobs = jobs
  }

  get waiting(): number {
    return this.#queue.waiting
  }

  /**
   * Runs the work when its turn comes. Throws `rate-limited` when the tenant or the root has too much waiting, and
   * `unavailable` when all together have, or the wait took too long.
   */
  async run<Result>(owner: JobOwner, bytes: number, work: () => Promise<Result>): Promise<Result> {
    requireNoTransaction(this.#jobs)
    try {
      return await this.#queue.run(owner, bytes, work)
    } catch (error) {
      throw error instanceof QueueFullError ? refusal(this.#jobs, error) : error
    }
  }

  close(): void {
    this.#queue.close()
  }
}

function refusal(jobs: string, cause: QueueFullError): Problem {
  const { fault, retryAfterSeconds } = cause
  const again = `try again in ${retryAfterSeconds} s`
  const options = { cause, retryAfterSeconds }
  if (fault === 'root')
    return new Problem('rate-limited', `too many ${jobs} of this caller are waiting; ${again}`, options)
  if (fault === 'tenant')
    return new Problem('rate-limited', `too many ${jobs} of this tenant are waiting; ${again}`, options)
  return new Problem('unavailable', `too many ${jobs} are waiting; ${again}`, options)
}
