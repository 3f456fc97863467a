import type { IncomingHttpHeaders } from 'node:http'
import { bodyLimitOf, largeBodyBytes, type Operation } from '@agent-iam/contract/operation'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { findJsonFault } from '../../lib/json-faults.ts'
import { Problem } from '../../platform/problem.ts'
import { patience, smallBounds } from './body-limits.ts'
import { readBytes, tooLarge } from './read-bytes.ts'
import { expectBody } from './unread-body.ts'

/** A body, and whether it was read by its operation's schema already. */
export interface RequestBody {
  readonly value: unknown
  readonly isRead: boolean
}

const noBody: RequestBody = { value: undefined, isRead: false }

/** Whether a request announces a body. What a GET sends is never read. */
export function bringsBody({ method, headers }: Pick<FastifyRequest, 'method' | 'headers'>): boolean {
  if (method === 'GET' || method === 'HEAD') return false
  const { 'content-length': length = '0', 'content-type': type, 'transfer-encoding': encoding } = headers
  return type !== undefined || encoding !== undefined || length !== '0'
}

/** How many bytes a body may have, by what its request announces. */
export function announcedBytes({ headers }: Pick<FastifyRequest, 'headers'>, operation: Operation): number {
  const limit = bodyLimitOf(operation)
  return headers['transfer-encoding'] === undefined ? Math.min(limit, Number(headers['content-length'] ?? 0)) : limit
}

/** Whether a request brings a large body, as far as that is known before it is read. */
export function bringsLargeBody(request: FastifyRequest, operation: Operation): boolean {
  return bringsBody(request) && announcedBytes(request, operation) > largeBodyBytes
}

/** Refuses by the headers alone what would be refused once it is read. */
export function requireReadable({ headers }: Pick<FastifyRequest, 'headers'>, operation: Operation): void {
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json') throw new Problem('unsupported-media-type', 'send the body as application/json')
  requireUncompressed(headers)
  const limit = bodyLimitOf(operation)
  if (Number(headers['content-length'] ?? 0) > limit) throw tooLarge(limit)
}

/** A few bytes can be decompressed to any number. */
function requireUncompressed(headers: IncomingHttpHeaders): void {
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding.toLowerCase() !== 'identity')
    throw new Problem('unsupported-media-type', 'send the body without Content-Encoding')
}

/** Parses a large body, and reads it by the schema of the operation. */
export type ReadLarge = (operationId: string, bytes: Uint8Array) => Promise<unknown>

const refuseLarge: ReadLarge = () => Promise.reject(tooLarge(largeBodyBytes))

/** Reads a request's body. A small one is parsed here. */
export async function readBody(
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  operation: Operation,
  readLarge: ReadLarge = refuseLarge,
): Promise<RequestBody> {
  if (!bringsBody(request)) return noBody
  requireReadable(request, operation)
  expectBody(reply.raw)
  const bytes = await readBytes(request.raw, bodyLimitOf(operation), patience)
  if (bytes.length > largeBodyBytes) return { value: await readLarge(operation.id, bytes), isRead: true }
  return { value: parseSmall(bytes), isRead: false }
}

function parseSmall(bytes: Buffer): unknown {
  if (bytes.length === 0) throw new Problem('invalid-request', 'the body is empty; send JSON, or no Content-Type')
  const value = parse(bytes.toString())
  const fault = findJsonFault(value, smallBounds)
  if (fault !== undefined) throw new Problem('invalid-request', `the body ${fault}`)
  return value
}

function parse(text: string): unknown {
  try {
    // A parser may ignore a byte order mark (RFC 8259 §8.1).
    return JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text)
  } catch {
    // Without its cause: the words of the error hold a part of the body, which may be secret.
    throw new Problem('invalid-request', 'the body is not JSON')
  }
}
