import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { policyCharactersMax } from '@agent-iam/contract/policies'
import { z } from 'zod'
import type { CheckTask, DeclaredAttributes, PolicyCheck } from './check-policy.ts'
import * as limits from './policy-limits.ts'
import { ValidationGate } from './validation-gate.ts'

export type { CheckedPolicy, DeclaredAttributes, PolicyCheck } from './check-policy.ts'

/**
 * Checks a tenant's policy before it is stored: one policy, within our limits, valid against our schema and what the
 * tenant's resource types declare.
 *
 * It runs in a thread of its own, which ends with it: text that traps the library, or keeps it busy, harms nobody else.
 */
export async function validatePolicy(text: string, declared: DeclaredAttributes = {}): Promise<PolicyCheck> {
  if (text.length > policyCharactersMax) return refuse(`the policy is longer than ${policyCharactersMax} characters`)
  if (!text.isWellFormed() || text.includes('\u0000')) return refuse('the policy holds a NUL or half a character')
  return gate.pass(() => checkInThread({ text, declared }))
}

const gate = new ValidationGate(limits.validationsMax, limits.validationsWaitingMax)

const Faults = z.array(
  z.object({ message: z.string(), line: z.int().exactOptional(), column: z.int().exactOptional() }),
)
const Answers = z.tuple([
  z.union([
    z.object({ effect: z.enum(['permit', 'forbid']), isUnscoped: z.boolean(), warnings: Faults }),
    z.object({ errors: Faults }),
  ]),
])

async function checkInThread(task: CheckTask): Promise<PolicyCheck> {
  const worker = new Worker(new URL('./validation-worker.ts', import.meta.url), {
    workerData: task,
    // Hostile text gets no secrets to find.
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: limits.validationMemoryMb, stackSizeMb: limits.validationStackMb },
  })
  // Once we have stopped listening for an answer, a dying thread's error concerns nobody; unheard it would end the process.
  worker.on('error', () => undefined)
  try {
    const answers: unknown = await once(worker, 'message', { signal: AbortSignal.timeout(limits.validationTimeoutMs) })
    return Answers.parse(answers)[0]
  } catch (error) {
    return refuseOrThrow(error)
  } finally {
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
