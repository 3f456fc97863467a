import { parentPort } from 'node:worker_threads'
import { authorize, type BiscuitAnswer } from '@agent-iam/standards/biscuit/authorize'
import { BiscuitError } from '@agent-iam/standards/biscuit/errors'
import { findThreadNumber } from '../../platform/thread-priority.ts'
import { biscuitLibrary } from './library.ts'
import type { DatalogQuestion } from './datalog-pool.ts'

// A thread that evaluates what strangers wrote into their tokens. Whatever that does to the library, it does it here.
const library = await biscuitLibrary()

function answer({ token, rootKeyId, publicKey, ...question }: DatalogQuestion): BiscuitAnswer {
  try {
    return authorize(library, token, (id) => (id === rootKeyId ? publicKey : undefined), question)
  } catch (error) {
    if (error instanceof BiscuitError) return { type: 'denied', failed: [error.code] }
    throw error
  }
}

parentPort?.on('message', (question: DatalogQuestion) => {
  parentPort?.postMessage(answer(question))
})
parentPort?.postMessage(findThreadNumber())
