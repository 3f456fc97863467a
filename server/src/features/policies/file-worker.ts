// A thread that splits a file of policies and ends: it may be 8 MB of anything.
import { parentPort, workerData } from 'node:worker_threads'
import { yieldToMainThread } from '../../platform/thread-priority.ts'
import { coreOf, splitFile } from './policy-file.ts'
import type { FileAnswer, FileTask, SplitPart } from './file-thread.ts'
import { filePartPolicies } from './policy-limits.ts'

function inParts<Item>(items: readonly Item[]): Item[][] {
  const starts = Array.from({ length: Math.ceil(items.length / filePartPolicies) }, (_, n) => n * filePartPolicies)
  return starts.map((start) => items.slice(start, start + filePartPolicies))
}

function answer({ file, stored, policiesMax }: FileTask): { answer: FileAnswer; parts: SplitPart[] } {
  const filed = splitFile(file, policiesMax + 1)
  if (filed.length > policiesMax) return { answer: { type: 'too-many' }, parts: [] }
  const parts = [
    ...inParts(filed).map((some): SplitPart => ({ filed: some, cores: [] })),
    ...inParts(stored).map((some): SplitPart => ({ filed: [], cores: some.map(coreOf) })),
  ]
  return { answer: { type: 'split', parts: parts.length }, parts }
}

// oxlint-disable-next-line typescript/no-unsafe-assignment -- workerData has no type, and file-thread.ts, which starts the thread, passes a FileTask
const task: FileTask = workerData
yieldToMainThread()
const done = answer(task)
for (const part of done.parts) task.port.postMessage(part)
parentPort?.postMessage(done.answer)
