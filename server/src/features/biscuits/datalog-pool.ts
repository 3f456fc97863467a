import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { BiscuitAnswer } from '@agent-iam/standards/biscuit/authorize'
import { z } from 'zod'
import type { Confirmation } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'

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
/** Starting a thread loads and compiles the library. */
const startMs = 15_000
/** Evaluations that may wait: at a millisecond each, the last waits a tenth of a second. */
const waitingMax = 200
/** Those of one holder, so that there is always room for others. */
const waitingOfOneMax = waitingMax / 4
/** What an evaluation may hold in memory is bounded by its facts; this bounds what we did not think of. */
const memoryMb = 64

interface Job {
  readonly holder: string
  readonly question: DatalogQuestion
  readonly settle: (answer: BiscuitAnswer | Error) => void
}

const Answers = z.tuple([
  z.discriminatedUnion('type', [
    z.object({ type: z.literal('allowed') }),
    z.object({ type: z.literal('denied'), failed: z.array(z.string()) }),
    z.object({ type: z.literal('limit'), limit: z.enum(['facts', 'iterations', 'time']) }),
  ]),
])

/**
 * Threads that evaluate Datalog, started when they are first needed. One that does not answer in time is ended and another
 * takes its place: its evaluation is `limit`, and nobody else's is touched. A holder has one at a time, so that no one
 * keeps all threads busy, and what it has waiting behind one that took too long is given up with that.
 */
export class DatalogPool {
  readonly #idle: Worker[] = []
  readonly #waiting: Job[] = []
  readonly #busyHolders = new Set<string>()
  readonly #ready = new WeakSet<Worker>()
  #threads = 0

  /** Throws `unavailable` when too many wait already. */
  run(holder: string, question: DatalogQuestion): Promise<BiscuitAnswer> {
    const ofHolder = this.#waiting.filter((job) => job.holder === holder)
    if (this.#waiting.length >= waitingMax || ofHolder.length >= waitingOfOneMax) return Promise.reject(tooMany())
    const { promise, resolve, reject } = Promise.withResolvers<BiscuitAnswer>()
    const settle = (answer: BiscuitAnswer | Error) => (answer instanceof Error ? reject(answer) : resolve(answer))
    this.#waiting.push({ holder, question, settle })
    this.#next()
    return promise
  }

  /** Starts a thread, should there be none: where nobody waits for it with a transaction open. */
  async warm(): Promise<void> {
    if (this.#threads > 0) return
    const worker = this.#start()
    try {
      await this.#untilReady(worker)
    } catch (error) {
      await worker.terminate()
      throw error
    }
    this.#idle.push(worker)
    this.#next()
  }

  #next(): void {
    const place = this.#waiting.findIndex(({ holder }) => !this.#busyHolders.has(holder))
    if (place === -1 || (this.#idle.length === 0 && this.#threads >= threadsMax)) return
    const [job] = this.#waiting.splice(place, 1)
    if (!job) return
    this.#busyHolders.add(job.holder)
    void this.#work(job).then(job.settle, (error: unknown) => {
      job.settle(error instanceof Error ? error : new Error('a Datalog thread failed', { cause: error }))
    })
  }

  async #work({ holder, question }: Job): Promise<BiscuitAnswer> {
    const worker = this.#idle.pop() ?? this.#start()
    let isGood = false
    try {
      await this.#untilReady(worker)
      const answer = await ask(worker, question)
      isGood = answer !== undefined
      if (!isGood) this.#giveUp(holder)
      return answer ?? { type: 'limit', limit: 'time' }
    } finally {
      if (isGood) this.#idle.push(worker)
      else await worker.terminate()
      this.#busyHolders.delete(holder)
      this.#next()
    }
  }

  #giveUp(holder: string): void {
    const given = this.#waiting.filter((job) => job.holder === holder)
    this.#waiting.splice(0, this.#waiting.length, ...this.#waiting.filter((job) => job.holder !== holder))
    for (const { settle } of given) settle(tooMany())
  }

  #start(): Worker {
    const worker = new Worker(new URL('./datalog-worker.ts', import.meta.url), {
      // Hostile programs get no secrets to find.
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
    })
    this.#threads++
    // Unheard, the error of a thread that nobody asks anything would end the process.
    worker.on('error', () => undefined)
    worker.once('exit', () => {
      this.#threads--
      const place = this.#idle.indexOf(worker)
      if (place !== -1) this.#idle.splice(place, 1)
    })
    return worker
  }

  async #untilReady(worker: Worker): Promise<void> {
    if (this.#ready.has(worker)) return
    await once(worker, 'message', { signal: AbortSignal.timeout(startMs) })
    this.#ready.add(worker)
    // An idle thread keeps no process from ending.
    worker.unref()
  }
}

function tooMany(): Problem {
  return new Problem('unavailable', 'too many Biscuits are being evaluated; try again shortly')
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
