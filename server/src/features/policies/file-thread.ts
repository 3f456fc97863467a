import { once } from 'node:events'
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import { z } from 'zod'
import { FairQueue, QueueFullError } from '../../lib/fair-queue.ts'
import type { Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { takeParts } from '../../platform/thread-parts.ts'
import { readRoots } from '../delegation/service.ts'
import { annotationNames, type FiledPolicy } from './policy-file.ts'
import * as limits from './policy-limits.ts'

/** What the thread gets. */
export interface FileTask {
  readonly file: string
  /** Texts of stored policies, of which the core is wanted. */
  readonly stored: readonly string[]
  readonly policiesMax: number
  /** Where the parts of the result go. */
  readonly port: MessagePort
}

const Answer = z.discriminatedUnion('type', [
  z.object({ type: z.literal('split'), parts: z.int() }),
  z.object({ type: z.literal('too-many') }),
])
export type FileAnswer = z.output<typeof Answer>

const Part = z.object({
  filed: z.array(
    z.object({
      line: z.int(),
      column: z.int(),
      annotations: z.partialRecord(z.enum(annotationNames), z.string()),
      cedar: z.string(),
      inPlace: z.string(),
    }),
  ),
  cores: z.array(z.string()),
})
/** Some policies of the file, or some cores of stored ones. */
export interface SplitPart {
  readonly filed: readonly FiledPolicy[]
  readonly cores: readonly string[]
}

/** A file in its policies, and of each stored text what a file would have of it. */
export interface SplitFile {
  readonly filed: readonly FiledPolicy[]
  readonly cores: readonly string[]
}

const queue = new FairQueue(limits.fileQueue)

/**
 * Splits a file of policies in a thread of its own, fairly by tenant. Not inside a transaction. Throws `too-large` for more
 * policies than a file may have, or what takes too long; `unavailable` when too many wait.
 */
export async function splitInThread(ctx: Context, file: string, stored: readonly string[]): Promise<SplitFile> {
  const owner = { tenantId: ctx.caller.tenantId, roots: await readRoots(ctx) }
  try {
    return await queue.run(owner, file.length, () => split(file, stored))
  } catch (error) {
    if (!(error instanceof QueueFullError)) throw error
    const { retryAfterSeconds } = error
    const detail = `other files of policies are being read; try again in ${retryAfterSeconds} seconds`
    throw new Problem('unavailable', detail, { retryAfterSeconds, cause: error })
  }
}

async function split(file: string, stored: readonly string[]): Promise<SplitFile> {
  const { port1, port2 } = new MessageChannel()
  const task: FileTask = { file, stored, policiesMax: limits.filePoliciesMax, port: port2 }
  const worker = new Worker(new URL('./file-worker.ts', import.meta.url), {
    workerData: task,
    transferList: [port2],
    // Hostile text gets no secrets to find.
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: limits.fileMemoryMb },
  })
  // Once nobody listens any more, a dying thread's error would end the process.
  worker.on('error', () => undefined)
  try {
    const reply = await once(worker, 'message', { signal: AbortSignal.timeout(limits.fileSplitMs) })
    return await takeOver(port1, z.tuple([Answer]).parse(reply)[0])
  } catch (error) {
    throw blamed(error)
  } finally {
    port1.close()
    await worker.terminate()
  }
}

async function takeOver(port: MessagePort, answer: FileAnswer): Promise<SplitFile> {
  if (answer.type === 'too-many')
    throw new Problem('too-large', `a file may have ${limits.filePoliciesMax} policies; send it in parts`)
  const filed: FiledPolicy[] = []
  const cores: string[] = []
  for await (const part of takeParts(port, answer.parts)) {
    const read: SplitPart = Part.parse(part)
    filed.push(...read.filed)
    cores.push(...read.cores)
  }
  return { filed, cores }
}

/** What a file can bring about is its sender's to change; the rest is our fault. */
function blamed(error: unknown): unknown {
  const isTooLong = error instanceof Error && error.name === 'AbortError'
  const isTooMuch = error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
  if (!isTooLong && !isTooMuch) return error
  return new Problem('too-large', 'the file takes too long to read; send it in parts', { cause: error })
}
