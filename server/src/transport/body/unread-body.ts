import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { largeBodyBytes, type Operation } from '@agent-iam/contract/operation'
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import { tooLarge } from './read-bytes.ts'

/**
 * What may still arrive of a body that nobody reads after the response was sent. A client that sends while it is refused
 * reads the response and keeps its connection; beyond this, its connection is closed.
 */
const droppedBytesMax = 1_048_576
const droppedMsMax = 2_000

/** Requests that wait for `100 Continue`. */
const expecting = new WeakSet<ServerResponse>()

/**
 * Leaves bodies alone until somebody reads them. A client that asks whether to send its body (`Expect: 100-continue`, RFC
 * 9110 §10.1.1) gets the answer when the body is read, or the refusal instead of it.
 */
export function leaveBodiesUnread(server: FastifyInstance): void {
  const http: Pick<Server, 'on' | 'emit'> = server.server
  http.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    expecting.add(response)
    http.emit('request', request, response)
  })
  server.addHook('onResponse', (request, _reply, done) => {
    dropUnread(request.raw)
    done()
  })
  server.addHook('onSend', (_request, reply, _payload, done) => {
    // The client may send the body or not, so that nobody knows where its next request begins.
    if (expecting.has(reply.raw)) reply.header('connection', 'close')
    done()
  })
}

/** What is no operation's, as the OAuth endpoints are: its body is as small as that of anything that strangers may ask. */
export function boundForeignBodies(
  operationOf: (request: FastifyRequest) => Operation | undefined,
): onRequestHookHandler {
  return (request, reply, done) => {
    if (operationOf(request)) return done()
    if (Number(request.headers['content-length'] ?? 0) > largeBodyBytes) return done(tooLarge(largeBodyBytes))
    expectBody(reply.raw)
    done()
  }
}

/** The body will be read: a client that waits is told to send it. */
export function expectBody(response: ServerResponse): void {
  if (expecting.delete(response)) response.writeContinue()
}

/** Node.js drops what arrives after the response, without an end. */
function dropUnread(message: IncomingMessage): void {
  const { socket } = message
  if (message.complete || !(socket instanceof Socket)) return
  message.resume()
  const before = socket.bytesRead
  const endsAt = performance.now() + droppedMsMax
  const timer = setInterval(() => {
    const isOver = socket.bytesRead - before > droppedBytesMax || performance.now() > endsAt
    if (isOver && !message.complete) socket.destroy()
    if (isOver || message.complete || socket.destroyed) clearInterval(timer)
  }, lookEveryMs).unref()
}

const lookEveryMs = 50
