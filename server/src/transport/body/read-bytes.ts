import type { IncomingMessage } from 'node:http'
import { Problem } from '../../platform/problem.ts'

/** How long a body may take to arrive. */
export interface Patience {
  readonly totalMs: number
  /** Without a single byte. */
  readonly stallMs: number
}

/**
 * The bytes of a body. Throws `too-large` for more than `bytesMax`, before anything is read where `Content-Length` says so,
 * and `request-timeout` for one that arrives too slowly.
 */
export function readBytes(message: IncomingMessage, bytesMax: number, patience: Patience): Promise<Buffer> {
  // Its client has gone while the request waited.
  if (message.destroyed) return Promise.reject(cutOff())
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  let received = 0
  const declared = Number(message.headers['content-length'] ?? Number.NaN)
  const fail = (error: Problem) => {
    stop()
    reject(error)
  }
  const onTotal = () => fail(tooSlow(`the body did not arrive within ${patience.totalMs / 1000} seconds`))
  const onStall = () => fail(tooSlow(`nothing of the body arrived for ${patience.stallMs / 1000} seconds`))
  let total: NodeJS.Timeout | undefined
  let stall: NodeJS.Timeout | undefined
  // A small body arrives whole with its head, and needs no timers.
  const waiting = setImmediate(() => {
    total = setTimeout(onTotal, patience.totalMs)
    stall = setTimeout(onStall, patience.stallMs)
  })
  const onData = (chunk: Buffer) => {
    received += chunk.length
    if (received > bytesMax) return fail(tooLarge(bytesMax))
    chunks.push(chunk)
    stall?.refresh()
  }
  const onEnd = () => {
    stop()
    if (!Number.isNaN(declared) && declared !== received) reject(cutOff())
    else resolve(Buffer.concat(chunks, received))
  }
  const onError = () => fail(cutOff())
  function stop(): void {
    clearImmediate(waiting)
    clearTimeout(total)
    clearTimeout(stall)
    message.off('data', onData).off('end', onEnd).off('error', onError).off('close', onError)
  }
  message.on('data', onData).on('end', onEnd).on('error', onError).on('close', onError)
  return promise
}

export function tooLarge(bytesMax: number): Problem {
  return new Problem('too-large', `the body is over ${Math.floor(bytesMax / 1024)} KB; send less at once`)
}

function tooSlow(detail: string): Problem {
  return new Problem('request-timeout', `${detail}; send it again, in parts if the connection is slow`)
}

function cutOff(): Problem {
  return new Problem('invalid-request', 'the body is not as long as Content-Length says')
}
