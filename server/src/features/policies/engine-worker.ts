import { parentPort } from 'node:worker_threads'
import type { CedarRequest } from './cedar-json.ts'
import { Evaluator, type Part } from './evaluator.ts'
import { largePreparedCharactersMax, slotsMax } from './policy-limits.ts'

/** What the thread is asked; it knows nothing else. */
export type LargeQuestion =
  | { readonly kind: 'read'; readonly texts: readonly string[] }
  | { readonly kind: 'decide'; readonly parts: readonly Part[]; readonly request: CedarRequest }

// A thread that evaluates what takes long. Whatever that does to the library, it does it here.
const evaluator = new Evaluator({ slotsMax, charactersMax: largePreparedCharactersMax })

parentPort?.on('message', (question: LargeQuestion) => {
  const { kind } = question
  parentPort?.postMessage(
    kind === 'read' ? evaluator.read(question.texts) : evaluator.decide(question.parts, question.request),
  )
})
parentPort?.postMessage('ready')
