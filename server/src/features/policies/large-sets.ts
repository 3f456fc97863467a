import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import type { JobOwner } from '../../lib/fair-queue.ts'
import { WorkQueue } from '../../platform/work-queue.ts'
import type { CedarRequest } from './cedar-json.ts'
import type { LargeQuestion } from './engine-worker.ts'
import type { Answer, Outcome, Part, Stage } from './evaluator.ts'
import type { PolicyFacts } from './policy-facts.ts'
import * as limits from './policy-limits.ts'

const failure = {
  stage: z.enum(['prepare', 'decide']),
  cause: z.string(),
}
const failures = [
  z.object({ type: z.literal('wanting') }),
  z.object({ type: z.literal('refused'), ...failure }),
  z.object({ type: z.literal('trapped'), ...failure }),
] as const
const bound = z.object({
  is: z.string().optional(),
  equals: z.string().optional(),
  within: z.string().optional(),
})
const facts: z.ZodType<PolicyFacts> = z.object({
  scope: z.object({
    principal: bound,
    resource: bound,
    actions: z.union([z.undefined(), z.object({ equals: z.array(z.string()), within: z.array(z.string()) })]),
  }),
  paths: z.array(z.array(z.string())),
  nodes: z.number(),
  likeCharacters: z.number(),
})
const ReadOutcome = z.union([z.object({ type: z.literal('answered'), answer: z.array(facts) }), ...failures])
const PrepareOutcome = z.union([z.object({ type: z.literal('answered'), answer: z.literal('prepared') }), ...failures])
const answer: z.ZodType<Answer> = z.object({
  decision: z.enum(['allow', 'deny']),
  reasons: z.array(z.number()),
  errors: z.array(z.object({ place: z.number(), message: z.string() })),
})
const DecideOutcome = z.union([z.object({ type: z.literal('answered'), answer }), ...failures])

/** It took longer than it may, and was ended. */
export interface Overrun {
  readonly type: 'overran'
  readonly stage: Stage
  readonly cause: string
}

interface Task {
  readonly question: LargeQuestion
  readonly limitMs: number
}

/** Starting the thread loads and compiles the library. */
const startMs = 15_000

/**
 * A thread for what takes long, started when it is first needed: the others' decisions, made on the main thread, do not wait
 * for it. Owners get it fairly (`FairQueue`). What does not end in time is ended with the thread, and another takes its place.
 */
export class LargeSets {
  readonly #queue = new WorkQueue(limits.largeSets)
  #worker: Promise<Worker> | undefined

  /** Throws `rate-limited` when the owner has too much waiting, `unavailable` when all together have. */
  async decide(owner: JobOwner, parts: readonly Part[], request: CedarRequest): Promise<Outcome<Answer> | Overrun> {
    const bare = { kind: 'decide', parts: parts.map((part) => ({ ...part, texts: undefined })), request } as const
    const first = await this.#decide(owner, bare, 'decide')
    if (first.type !== 'wanting') return first

    // Apart, since preparing may take long and deciding may not.
    const prepared = await this.#ask(owner, { kind: 'prepare', parts }, limits.largePrepareMs)
    if (prepared === tookTooLong) return overrun('prepare')
    const outcome = PrepareOutcome.parse(prepared)
    if (outcome.type !== 'answered') return outcome
    const second = await this.#decide(owner, bare, 'decide')
    // In between others took its place.
    return second.type === 'wanting' ? this.#decide(owner, { kind: 'decide', parts, request }, 'prepare') : second
  }

  /** What the texts' syntax trees say. */
  async read(owner: JobOwner, texts: readonly string[]): Promise<Outcome<PolicyFacts[]> | Overrun> {
    const read: PolicyFacts[] = []
    for (let start = 0; start < texts.length; start += limits.largeReadMax) {
      const some = texts.slice(start, start + limits.largeReadMax)
      const reply = await this.#ask(owner, { kind: 'read', texts: some }, limits.largePrepareMs)
      if (reply === tookTooLong) return overrun('prepare')
      const outcome = ReadOutcome.parse(reply)
      if (outcome.type !== 'answered') return outcome
      read.push(...outcome.answer)
    }
    return { type: 'answered', answer: read }
  }

  /** Ends the thread; what waits for it is refused. */
  async close(): Promise<void> {
    this.#queue.close()
    await this.#discard()
  }

  async #decide(owner: JobOwner, question: LargeQuestion, stage: Stage): Promise<Outcome<Answer> | Overrun> {
    const limitMs = stage === 'decide' ? limits.largeDecideMs : limits.largePrepareMs
    const reply = await this.#ask(owner, question, limitMs)
    return reply === tookTooLong ? overrun(stage) : DecideOutcome.parse(reply)
  }

  #ask(owner: JobOwner, question: LargeQuestion, limitMs: number): Promise<unknown> {
    return this.#queue.run(owner, sizeOf(question), () => this.#serve({ question, limitMs }))
  }

  async #serve(task: Task): Promise<unknown> {
    try {
      const worker = await (this.#worker ??= startThread())
      const reply = await replyOf(worker, task)
      if (reply === tookTooLong || reply === died) await this.#discard()
      return reply === died ? { type: 'trapped', stage: 'decide', cause: 'the thread died' } : reply
    } catch (error) {
      await this.#discard()
      throw error
    }
  }

  async #discard(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    // One that could not be started is there no more.
    await worker?.then(
      (each) => each.terminate(),
      () => undefined,
    )
  }
}

const tookTooLong = Symbol('took too long')
const died = Symbol('died')

async function startThread(): Promise<Worker> {
  // Hostile policies get no secrets to find.
  const worker = new Worker(new URL('./engine-worker.ts', import.meta.url), { env: {} })
  // Unheard, the error of a thread that nobody asks anything would end the process.
  worker.on('error', () => undefined)
  await once(worker, 'message', { signal: AbortSignal.timeout(startMs) })
  // An idle thread keeps no process from ending.
  worker.unref()
  return worker
}

async function replyOf(worker: Worker, { question, limitMs }: Task): Promise<unknown> {
  const stop = new AbortController()
  const reply = once(worker, 'message', { signal: stop.signal })
  const isOver = stopwatch(limitMs)
  const watch = setInterval(() => isOver() && stop.abort(), limitMs / 4)
  worker.postMessage(question)
  try {
    return z.tuple([z.unknown()]).parse(await reply)[0]
  } catch (error) {
    return error instanceof Error && error.name === 'AbortError' ? tookTooLong : died
  } finally {
    clearInterval(watch)
  }
}

/**
 * Over when the time has passed and been spent: as long as the whole process had less of the processor than that, the
 * thread was kept from working by others on the machine, and no set is to blame. There is an end to waiting all the same.
 */
function stopwatch(limitMs: number): () => boolean {
  const began = performance.now()
  const before = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(before)
    const passed = performance.now() - began
    return passed >= limitMs * starvedMax || (passed >= limitMs && (user + system) / 1_000 >= limitMs)
  }
}

/** How many times its limit an evaluation may last when the machine is too busy to let it run. */
const starvedMax = 8

function overrun(stage: Overrun['stage']): Overrun {
  return { type: 'overran', stage, cause: 'the policies took too long' }
}

/** Bytes that a question keeps in memory while it waits, about: the texts of its policies, and the request. */
function sizeOf(question: LargeQuestion): number {
  const texts = question.kind === 'read' ? question.texts : question.parts.flatMap((part) => part.texts ?? [])
  const textBytes = texts.reduce((total, text) => total + text.length, 0)
  return textBytes + (question.kind === 'decide' ? JSON.stringify(question.request).length : 0)
}
