import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import { Problem } from '../../platform/problem.ts'
import { Turns } from './turns.ts'

const Strength = z.object({
  /** From 0, guessed at once, to 4. */
  score: z.int().min(0).max(4),
  /** What to do better, in words. */
  advice: z.array(z.string()),
})
export type Strength = z.infer<typeof Strength>

/**
 * What is judged of a longer password. The time grows with more than the square of the length, and what so many characters
 * do not make strong, those after them need not.
 */
export const judgedCharactersMax = 64
/** Words about the person that are looked for. */
const wordsMax = 20

/** Judging at once: it takes a core for half a second. */
const judgingMax = 1
/** Waiting to be judged: some seconds' work. */
const waitingMax = 16
const turns = new Turns(judgingMax, waitingMax)

const timeoutMs = 10_000

/** How long the thread waits for another password: people who are refused try again at once. */
const idleMs = 10_000

/**
 * How hard a password is to guess for who knows the common ones and some words about its owner.
 *
 * It is judged in a thread that ends soon after: neither the dictionaries, some seventy megabytes of them, nor the time that
 * it takes are the server's.
 */
export async function judgePassword(password: string, words: readonly string[]): Promise<Strength> {
  const judged = Array.from(password).slice(0, judgedCharactersMax).join('')
  return turns.take(() => judgeInThread({ password: judged, words: words.slice(0, wordsMax) }))
}

let idle: { readonly worker: Worker; readonly end: NodeJS.Timeout } | undefined

async function judgeInThread(asked: { password: string; words: readonly string[] }): Promise<Strength> {
  const worker = wakeWorker() ?? startWorker()
  try {
    worker.postMessage(asked)
    const answers: unknown = await once(worker, 'message', { signal: AbortSignal.timeout(timeoutMs) })
    const [strength] = z.tuple([Strength]).parse(answers)
    keepWorker(worker)
    return strength
  } catch (cause) {
    await worker.terminate()
    if (!(cause instanceof Error) || cause.name !== 'AbortError') throw cause
    throw new Problem('unavailable', 'judging the password takes too long just now; try again shortly', { cause })
  }
}

function startWorker(): Worker {
  const worker = new Worker(new URL('./password-strength-worker.ts', import.meta.url), { env: {} })
  // Once we have stopped listening for an answer, a dying thread's error concerns nobody; unheard it would end the process.
  return worker.on('error', () => undefined)
}

function wakeWorker(): Worker | undefined {
  if (!idle) return undefined
  const { worker, end } = idle
  idle = undefined
  clearTimeout(end)
  worker.ref()
  return worker
}

/** Until the next password, or its end; a server that stops does not wait for it. */
function keepWorker(worker: Worker): void {
  worker.unref()
  const end = setTimeout(() => {
    idle = undefined
    void worker.terminate()
  }, idleMs)
  idle = { worker, end: end.unref() }
}
