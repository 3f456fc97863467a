import { once } from 'node:events'
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import { z } from 'zod'
import { addPart } from '../../lib/value-parts.ts'
import { Problem } from '../../platform/problem.ts'
import { takeParts } from '../../platform/thread-parts.ts'

/** A body to parse and to read by its operation's schema. */
export interface BodyTask {
  readonly operationId: string
  readonly bytes: Uint8Array
  /** Where the parts of the body go. */
  readonly port: MessagePort
}

const Answer = z.discriminatedUnion('type', [
  z.object({ type: z.literal('read'), parts: z.int() }),
  z.object({
    type: z.literal('refused'),
    detail: z.string(),
    errors: z.array(z.object({ field: z.string(), message: z.string() })),
  }),
])
export type BodyAnswer = Readonly<z.output<typeof Answer>> | Refused
interface Refused {
  readonly type: 'refused'
  readonly detail: string
  readonly errors: Problem['errors']
}

const Part = z.object({ field: z.string(), members: z.array(z.unknown()) })

/** Starting the thread loads the contract. */
const startMs = 15_000
/** The largest honest body takes half a second, on a busy machine several times that. */
const parseMsMax = 10_000
/** Memory of the thread: 8 MB of empty lists take 200 MB once parsed. */
const memoryMbMax = 384

/**
 * Parses large bodies in a thread, and reads them by the schema of their operation. The result comes
 * over in parts, so that the event loop is never blocked for long.
 */
export class BodyThread {
  #worker: Promise<Worker> | undefined

  /**
   * The body as the operation's schema reads it; throws `invalid-request` when it does not. Only one at a time.
   */
  async read(operationId: string, bytes: Uint8Array): Promise<unknown> {
    const { port1, port2 } = new MessageChannel()
    try {
      const worker = await (this.#worker ??= startThread())
      const reply = once(worker, 'message', { signal: AbortSignal.timeout(parseMsMax) })
      const task: BodyTask = { operationId, bytes, port: port2 }
      worker.postMessage(task, [port2])
      return await this.#take(port1, z.tuple([Answer]).parse(await reply)[0])
    } catch (error) {
      if (error instanceof Problem) throw error
      await this.close()
      throw blamed(error)
    } finally {
      port1.close()
    }
  }

  /** Ends the thread; the next body starts another. */
  async close(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.then(
      (each) => each.terminate(),
      () => undefined,
    )
  }

  async #take(port: MessagePort, answer: z.output<typeof Answer>): Promise<unknown> {
    if (answer.type === 'refused')
      throw new Problem('invalid-request', answer.detail, { errors: answer.errors.map((each) => ({ ...each })) })
    let frame: unknown
    let isFrame = true
    for await (const part of takeParts(port, answer.parts + 1)) {
      if (isFrame) frame = part
      else addPart(frame, Part.parse(part))
      isFrame = false
    }
    return frame
  }
}

/** What a body can bring about is its sender's to change; the rest is our fault. */
function blamed(error: unknown): unknown {
  const isTooLong = error instanceof Error && error.name === 'AbortError'
  const isTooMuch = error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
  if (!isTooLong && !isTooMuch) return error
  return new Problem('too-large', 'the body takes too much time or memory to parse; send less at once', {
    cause: error,
  })
}

async function startThread(): Promise<Worker> {
  const worker = new Worker(new URL('./body-worker.ts', import.meta.url), {
    // A hostile body gets no secrets to find.
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: memoryMbMax },
  })
  // Without a listener, the error of a thread that nobody waits for would end the process.
  worker.on('error', () => undefined)
  await once(worker, 'message', { signal: AbortSignal.timeout(startMs) })
  // An idle thread does not keep the process alive.
  worker.unref()
  return worker
}
