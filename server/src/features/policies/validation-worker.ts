import { parentPort, workerData } from 'node:worker_threads'
import { loadCedar } from './cedar-instance.ts'
import { checkPolicy, type CheckTask, type PolicyCheck } from './check-policy.ts'

let cedar = loadCedar()

/** A thread that checks policies and ends: whatever a text does to the library, it does it here. */
function checkHere(text: string, declared: CheckTask['declared']): PolicyCheck {
  try {
    return checkPolicy(cedar, text, declared)
  } catch (error) {
    if (!isTrap(error)) throw error
    cedar = loadCedar()
    return { errors: [{ message: 'the policy is nested too deeply' }] }
  }
}

/** Out of the library's own stack, out of the thread's, or beyond what the library's reader bears. */
function isTrap(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return error.name === 'RuntimeError' || error instanceof RangeError || error.message.includes('recursion limit')
}

// oxlint-disable-next-line typescript/no-unsafe-assignment -- a thread is told no types; whoever starts it keeps to this one
const task: CheckTask = workerData
for (const text of task.texts) parentPort?.postMessage(checkHere(text, task.declared))
