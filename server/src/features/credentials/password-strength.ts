import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { Problem } from '../../platform/problem.ts'
import type { JobOwner } from '../../lib/fair-queue.ts'
import { sha256 } from '../../platform/digest.ts'
import { OutsideTransaction } from '../../platform/outside-transaction.ts'
import { judging } from './password-queues.ts'

const Strength = z.object({
  /** From 0, guessed at once, to 4. */
  score: z.int().min(0).max(4),
  /** What to do better, in words. */
  advice: z.array(z.string()),
  /** Whether the whole password is in the list of leaked ones that ships with the server. */
  isLeaked: z.boolean(),
})
export type Strength = z.infer<typeof Strength>

/**
 * What is judged of a longer password. The time grows with more than the square of the length, and what so many characters
 * do not make strong, those after them need not.
 */
export const judgedCharactersMax = 64
/** Words about the person that are looked for. */
const wordsMax = 20

/** Below what a request may take; far above half a second, for a machine that is busy with everything else. */
const timeoutMs = 20_000

/** How long the process waits for another password: people who are refused try again at once. */
const idleMs = 10_000

/**
 * How hard a password is to guess for who knows the common ones and some words about its owner.
 *
 * It is judged in a process of its own that ends soon after: neither the dictionaries, some seventy megabytes of them, nor the
 * time that it takes are the server's. A thread would do the work, but not give the memory back.
 */
export async function judgePassword(owner: JobOwner, password: string, words: readonly string[]): Promise<Strength> {
  const judged = Array.from(password).slice(0, judgedCharactersMax).join('')
  const asked = { password, judged, words: words.slice(0, wordsMax) }
  const key = sha256(JSON.stringify(asked)).toString('base64')
  return judgements.run(key, () => judging.run(owner, password.length, () => judgeApart(asked)))
}

const judgements = new OutsideTransaction<Strength>()

let idle: { readonly judge: ChildProcess; readonly end: NodeJS.Timeout } | undefined

async function judgeApart(asked: { password: string; judged: string; words: readonly string[] }): Promise<Strength> {
  const judge = wakeJudge() ?? startJudge()
  try {
    judge.send(asked)
    const answers: unknown = await once(judge, 'message', { signal: AbortSignal.timeout(timeoutMs) })
    const [strength] = z.tuple([Strength, z.unknown()]).parse(answers)
    keepJudge(judge)
    return strength
  } catch (cause) {
    judge.kill()
    if (!(cause instanceof Error) || cause.name !== 'AbortError') throw cause
    throw new Problem('unavailable', 'judging the password takes too long just now; try again shortly', { cause })
  }
}

const program = fileURLToPath(new URL('./password-judge-worker.ts', import.meta.url))

function startJudge(): ChildProcess {
  // It gets no secrets to find but the password, and that by a pipe.
  const judge = fork(program, [], { env: {}, execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  // Its end is told to whoever waits for an answer; unheard an error would end the server.
  return judge
    .on('error', () => undefined)
    .on('exit', () => {
      forget(judge)
      judge.emit('error', new Problem('unavailable', 'what judges passwords has ended; try again shortly'))
    })
}

function wakeJudge(): ChildProcess | undefined {
  if (!idle) return undefined
  const { judge, end } = idle
  idle = undefined
  clearTimeout(end)
  judge.ref()
  judge.channel?.ref()
  return judge
}

/** Until the next password, or its end; a server that stops does not wait for it, and it ends when the server has. */
function keepJudge(judge: ChildProcess): void {
  judge.unref()
  judge.channel?.unref()
  idle = { judge, end: setTimeout(() => endJudge(judge), idleMs).unref() }
}

/** Forgotten first: between the signal and its end nobody may ask it. */
function endJudge(judge: ChildProcess): void {
  forget(judge)
  judge.kill()
}

function forget(judge: ChildProcess): void {
  if (idle?.judge === judge) idle = undefined
}
