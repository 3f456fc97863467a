import type { Operation, Read } from '@agent-iam/contract/operation'
import type { z } from 'zod'
import type { Context } from './context.ts'
import { Problem } from './problem.ts'
import { readIfMatch, type IfMatch } from './revision.ts'

interface RawInput {
  readonly params: unknown
  readonly query: unknown
  readonly body: unknown
  /** The operation's schema read the body already, in the thread that parsed it. */
  readonly isBodyRead?: boolean
  /** The header `If-Match`. */
  readonly ifMatch?: string | undefined
}

/** What is left to do of a request that was read; it may run inside a transaction that is open already. */
type Work = (ctx: Context) => Promise<unknown>

/** An operation of the contract with the code that answers it. */
export interface Route {
  readonly operation: Operation
  /** Reads what came in, and does what must not happen inside a transaction. */
  readonly prepare: (ctx: Context, raw: RawInput) => Promise<Work>
  /** Refuses a caller that may not do this whatever its body says. A large body is read only after that. */
  readonly beforeBody?: (ctx: Context) => Promise<void>
  /** Whether a caller that was looked up before will do. */
  readonly takesRecentCaller?: boolean
}

/** A route that answers by nothing but what the log takes at the caller's epoch, so a caller that was looked up before will do. */
export function ofRecentCaller(whole: Route): Route {
  return { ...whole, takesRecentCaller: true }
}

/** A route whose large bodies are read only for a caller that this lets through. */
export function refusingBeforeBody(whole: Route, beforeBody: (ctx: Context) => Promise<void>): Route {
  return { ...whole, beforeBody }
}

type Schema = z.ZodType | undefined

interface Input<Params extends Schema, Query extends Schema, Body extends Schema> {
  readonly params: Read<Params>
  readonly query: Read<Query>
  readonly body: Read<Body>
  /** Which revisions may be changed, of an operation that has them. */
  readonly ifMatch: IfMatch
}

/** Binds an operation to its verb: reads what came in, and checks what goes out against the contract. */
export function route<Params extends Schema, Query extends Schema, Body extends Schema, Response extends z.ZodType>(
  operation: Operation<Params, Query, Body, Response>,
  handle: (ctx: Context, input: Input<Params, Query, Body>) => Promise<z.input<Response>>,
): Route {
  return slowRoute(operation, () => Promise.resolve(undefined), handle)
}

/**
 * A route that first does something slow, such as waiting for a queue: never inside a transaction, where each request that
 * waits would hold a connection. What it found is given to `handle`.
 */
export function slowRoute<
  Params extends Schema,
  Query extends Schema,
  Body extends Schema,
  Response extends z.ZodType,
  Found,
>(
  operation: Operation<Params, Query, Body, Response>,
  prepare: (ctx: Context, input: Input<Params, Query, Body>) => Promise<Found>,
  handle: (ctx: Context, input: Input<Params, Query, Body>, found: Found) => Promise<z.input<Response>>,
): Route {
  return {
    operation,
    async prepare(ctx, raw) {
      const params = read(operation.params, raw.params, 'path')
      const query = read(operation.query, raw.query, 'query')
      const body = readBody(operation.body, raw)
      const ifMatch = operation.hasRevision ? readIfMatch(raw.ifMatch) : undefined
      const input = { params, query, body, ifMatch }
      const found = await prepare(ctx, input)
      // A response that breaks its own schema is our fault: it throws a ZodError and ends as a 500.
      return async (joined) => operation.response.parse(await handle(joined, input, found))
    },
  }
}

/** The one place where what came from outside is believed. */
export function read<S extends Schema>(schema: S | undefined, raw: unknown, part: string): Read<S>
export function read(schema: Schema, raw: unknown, part: string): unknown {
  if (!schema) return refuseUnexpected(raw, part)
  const result = schema.safeParse(raw)
  if (result.success) return result.data
  const errors = result.error.issues.flatMap((issue) => faultsOf(issue, part))
  const detail = errors.map(({ field, message }) => `${field}: ${message}`).join('; ')
  throw new Problem('invalid-request', detail.slice(0, detailCharactersMax), { errors: errors.slice(0, errorsMax) })
}

/** A problem document is read by people: what does not fit a screen is cut. */
const detailCharactersMax = 1000
const errorsMax = 20

function readBody<S extends Schema>(schema: S | undefined, raw: RawInput): Read<S>
function readBody(schema: Schema, { body, isBodyRead }: RawInput): unknown {
  return isBodyRead ? body : read(schema, body, 'body')
}

function refuseUnexpected(raw: unknown, part: string): undefined {
  const isEmpty = raw === undefined || (typeof raw === 'object' && raw !== null && Object.keys(raw).length === 0)
  if (isEmpty || part === 'path') return undefined
  throw new Problem('invalid-request', `this operation takes no ${part}`)
}

/** Of a body that fits none of several forms, the faults of the form it comes nearest to. */
function faultsOf(issue: z.core.$ZodIssue, part: string): Array<{ field: string; message: string }> {
  const field = issue.path.join('.') || part
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [{ field, message: issue.message }]
  const nearest = issue.errors.toSorted((a, b) => a.length - b.length)[0] ?? []
  return nearest.map((inner) => ({ field: [...issue.path, ...inner.path].join('.') || part, message: inner.message }))
}
