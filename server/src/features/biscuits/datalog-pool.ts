import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { BiscuitAnswer } from '@agent-iam/standards/biscuit/authorize'
import { z } from 'zod'
import type { JobOwner } from '../../lib/fair-queue.ts'
import type { Confirmation } from '../../platform/context.ts'
import { lowerThreadPriority } from '../../platform/thread-priority.ts'
import { WorkQueue } from '../../platform/work-queue.ts'

/** What a thread is asked; it knows nothing else. */
export interface DatalogQuestion {
  readonly token: string
  readonly rootKeyId: number
  readonly publicKey: string
  readonly operation: string
  readonly resource: string
  readonly audience: string
  readonly time: Date
  readonly confirmation: Confirmation | undefined
}

/** Two: while one is kept busy by a hostile token, the other answers. */
const threadsMax = 2
/** Far above what an honest token takes on a busy machine, about a millisecond; far below what anybody notices. */
const wallClockMs = 500
/** What takes longer gets less of the processor from then on, and its thread is replaced: others answer everybody else. */
const slowMs = 150
/** Starting a thread loads and compiles the library. */
const startMs = 15_000
/** What an evaluation may hold in memory is bounded by its facts; this bounds what we did not think of. */
const memoryMb = 64

/** Tokens have up to 8 kB; so many wait for at most two seconds, each of an honest one for a few milliseconds. */
const limits = {
  jobs: 'evaluations of Biscuits',
  // One of a root: with two threads there is always one for the others of its tenant.
  atOnce: { total: threadsMax, tenant: threadsMax, root: 1 },
  waitingMax: { total: 200, tenant: 100, root: 25 },
  bytesMax: { total: 1_600_000, tenant: 800_000, root: 200_000 },
  waitMsMax: 2_000,
  honestMs: 50,
  // A root is over its budget with one token that takes too long, a tenant with those of several roots.
  budgetMs: { tenant: 2_000, root: 300 },
  halfLifeMs: 10_000,
}

const Answers = z.tuple([
  z.discriminatedUnion('type', [
    z.object({ type: z.literal('allowed') }),
    z.object({ type: z.literal('denied'), failed: z.array(z.string()) }),
    z.object({ type: z.literal('limit'), limit: z.enum(['facts', 'iterations', 'time']) }),
  ]),
])

/** What a thread sends once it has started. */
const Greeting = z.tuple([z.int().optional()])

/**
 * Threads that evaluate Datalog, started when they are first needed. A thread that does not answer in time is ended and
 * another takes its place: the evaluation is `limit`, and nobody else's is touched. Owners get the threads fairly.
 */
export class DatalogPool {
  readonly #idle: Worker[] = []
  readonly #queue = new WorkQueue(limits)
  /** Those that have started, by the number that the operating system knows them by. */
  readonly #ready = new WeakMap<Worker, number | undefined>()

  /**
   * Throws `rate-limited` or `unavailable` when too many wait already.
   *
   * @param requireMay is called when the turn has come, and throws for an owner that may not evaluate any more
   */
  run(owner: JobOwner, question: DatalogQuestion, requireMay: () => void = () => undefined): Promise<BiscuitAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<BiscuitAnswer>()
    const turn = this.#queue.run(owner, question.token.length, async () => {
      requireMay()
      await this.#work(question, resolve)
    })
    turn.catch(reject)
    return promise
  }

  /** @param answered is called before a thread is replaced, so that nobody waits for that but who comes next */
  async #work(question: DatalogQuestion, answered: (answer: BiscuitAnswer) => void): Promise<void> {
    const worker = this.#idle.pop() ?? this.#start()
    let isGood = false
    let isSlow = false
    try {
      await this.#untilReady(worker)
      const timer = setTimeout(() => (isSlow = this.#lowerPriority(worker)), slowMs)
      const answer = await ask(worker, question).finally(() => clearTimeout(timer))
      answered(answer ?? { type: 'limit', limit: 'time' })
      // The priority of a thread cannot be raised again.
      isGood = answer !== undefined && !isSlow
    } finally {
      if (isGood) this.#idle.push(worker)
      else await this.#replace(worker)
    }
  }

  /** Returns false where threads have no priority. */
  #lowerPriority(worker: Worker): boolean {
    const thread = this.#ready.get(worker)
    if (thread === undefined) return false
    lowerThreadPriority(thread)
    return true
  }

  /** Before the turn ends: the time that it takes counts against the owner whose token ended the thread. */
  async #replace(worker: Worker): Promise<void> {
    await worker.terminate()
    const next = this.#start()
    try {
      await this.#untilReady(next)
      // Taken last: a thread is slow until it has evaluated some.
      this.#idle.unshift(next)
    } catch {
      // The next evaluation starts another, and reports what is wrong.
      await next.terminate()
    }
  }

  #start(): Worker {
    const worker = new Worker(new URL('./datalog-worker.ts', import.meta.url), {
      // Hostile programs get no secrets to find.
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
    })
    // Unheard, the error of a thread that nobody asks anything would end the process.
    worker.on('error', () => undefined)
    worker.once('exit', () => {
      const place = this.#idle.indexOf(worker)
      if (place !== -1) this.#idle.splice(place, 1)
    })
    return worker
  }

  async #untilReady(worker: Worker): Promise<void> {
    if (this.#ready.has(worker)) return
    const greeting: unknown = await once(worker, 'message', { signal: AbortSignal.timeout(startMs) })
    this.#ready.set(worker, Greeting.parse(greeting)[0])
    // An idle thread keeps no process from ending.
    worker.unref()
  }
}

/** Undefined when the thread did not answer in time. */
async function ask(worker: Worker, question: DatalogQuestion): Promise<BiscuitAnswer | undefined> {
  const answer = once(worker, 'message', { signal: AbortSignal.timeout(wallClockMs) })
  worker.postMessage(question)
  try {
    const answers: unknown = await answer
    return Answers.parse(answers)[0]
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') return undefined
    throw error
  }
}
