import { parentPort } from 'node:worker_threads'
import type { CedarRequest } from './cedar-json.ts'
import { Evaluator, type Part } from './evaluator.ts'
import { largePreparedCharactersMax, slotsMax } from './policy-limits.ts'

/** What the thread is asked; it knows nothing else. */
export type LargeQuestion =
  | { readonly kind: 'read'; readonly texts: readonly string[] }
  | { readonly kind: 'prepare'; readonly parts: readonly Part[] }
  | { readonly kind: 'decide'; readonly parts: readonly Part[]; readonly request: CedarRequest }

// A thread that evaluates what takes long. Whatever that does to the library, it does it here.
const evaluator = new Evaluator({ slotsMax, charactersMax: largePreparedCharactersMax })

function answer(question: LargeQuestion) {
  switch (question.kind) {
    case 'read':
      return evaluator.read(question.texts)
    case 'prepare':
      return evaluator.prepare(question.parts)
    case 'decide':
      return evaluator.decide(question.parts, question.request)
  }
}

parentPort?.on('message', (question: LargeQuestion) => parentPort?.postMessage(answer(question)))
parentPort?.postMessage('ready')
