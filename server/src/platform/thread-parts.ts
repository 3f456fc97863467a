import { setImmediate as nextTurn } from 'node:timers/promises'
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads'

/**
 * Takes over parts of a result that a thread put into a port. Each part is a turn of the event loop of its own, so that
 * others are served between them however many there are.
 */
export async function* takeParts(port: MessagePort, count: number): AsyncGenerator {
  for (let part = 0; part < count; part++) {
    await nextTurn()
    const received: { readonly message: unknown } | undefined = receiveMessageOnPort(port)
    if (!received) throw new Error('the thread promised more parts than it sent')
    yield received.message
  }
}
