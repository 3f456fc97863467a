import { on } from 'node:events'
import { Worker } from 'node:worker_threads'
import { policyCharactersMax } from '@agent-iam/contract/policies'
import { z } from 'zod'
import type { JobOwner } from '../../lib/fair-queue.ts'
import { WorkQueue } from '../../platform/work-queue.ts'
import type { CheckTask, DeclaredAttributes, PolicyCheck } from './check-policy.ts'
import * as limits from './policy-limits.ts'

export type { PolicyCheck } from './check-policy.ts'

/**
 * Checks a tenant's policy before it is stored: one policy, within our limits, valid against our schema and what the
 * tenant's resource types declare.
 *
 * It runs in a thread of its own, which ends with it: text that traps the library, or keeps it busy, harms nobody else.
 */
export async function validatePolicy(
  owner: JobOwner,
  text: string,
  declared: DeclaredAttributes = {},
): Promise<PolicyCheck> {
  return findUnreadable(text) ?? onlyOne(await queue.run(owner, text.length, () => checkInThreads([text], declared)))
}

/** Checks many by and by, so that others get their turn between; each as if it were checked alone. */
export async function validatePolicies(
  owner: JobOwner,
  texts: readonly string[],
  declared: DeclaredAttributes = {},
): Promise<PolicyCheck[]> {
  const deadline = performance.now() + limits.validationOfManyTimeoutMs
  const checks: PolicyCheck[] = []
  for (let start = 0; start < texts.length; start += limits.validationsAtOnce) {
    const turn = texts.slice(start, start + limits.validationsAtOnce)
    const isLate = performance.now() > deadline
    const readable = isLate ? [] : turn.filter((text) => findUnreadable(text) === undefined)
    const found =
      readable.length === 0 ? [] : await queue.run(owner, sizeOf(readable), () => checkInThreads(readable, declared))
    const late = refuse('the policies take too long to check; send fewer at once')
    checks.push(...turn.map((text) => findUnreadable(text) ?? found.shift() ?? late))
  }
  return checks
}

function findUnreadable(text: string): PolicyCheck | undefined {
  if (text.length > policyCharactersMax) return refuse(`the policy is longer than ${policyCharactersMax} characters`)
  if (!text.isWellFormed() || text.includes('\u0000')) return refuse('the policy holds a NUL or half a character')
  return undefined
}

function onlyOne([check]: readonly PolicyCheck[]): PolicyCheck {
  if (!check) throw new Error('one text gives one answer')
  return check
}

const queue = new WorkQueue(limits.validations)

function sizeOf(texts: readonly string[]): number {
  return texts.reduce((total, text) => total + text.length, 0)
}

const Faults = z.array(
  z.object({ message: z.string(), line: z.int().exactOptional(), column: z.int().exactOptional() }),
)
const Answer = z.union([
  z.object({ effect: z.enum(['permit', 'forbid']), isUnscoped: z.boolean(), warnings: Faults }),
  z.object({ errors: Faults }),
])

/** A text may end its thread: those after it go to another. */
async function checkInThreads(texts: readonly string[], declared: DeclaredAttributes): Promise<PolicyCheck[]> {
  const checks: PolicyCheck[] = []
  while (checks.length < texts.length)
    checks.push(...(await checkInThread({ texts: texts.slice(checks.length), declared })))
  return checks
}

async function checkInThread(task: CheckTask): Promise<PolicyCheck[]> {
  const worker = new Worker(new URL('./validation-worker.ts', import.meta.url), {
    workerData: task,
    // Hostile text gets no secrets to find.
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: limits.validationMemoryMb, stackSizeMb: limits.validationStackMb },
  })
  // Once we have stopped listening for answers, a dying thread's error concerns nobody; unheard it would end the process.
  worker.on('error', () => undefined)
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(), limits.validationTimeoutMs)
  const checks: PolicyCheck[] = []
  try {
    for await (const answers of on(worker, 'message', { signal: patience.signal, close: ['exit'] })) {
      checks.push(Answer.parse(answers[0]))
      timer.refresh()
      if (checks.length === task.texts.length) return checks
    }
    throw new Error('a checking thread ended before its work')
  } catch (error) {
    return [...checks, refuseOrThrow(error)]
  } finally {
    clearTimeout(timer)
    await worker.terminate()
  }
}

/** What the text itself can bring about is its author's to mend; anything else is a fault of ours. */
function refuseOrThrow(error: unknown): PolicyCheck {
  if (error instanceof Error && error.name === 'AbortError') return refuse('the policy takes too long to check')
  if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY')
    return refuse('the policy takes too much memory to check')
  throw error
}

function refuse(message: string): PolicyCheck {
  return { errors: [{ message }] }
}
