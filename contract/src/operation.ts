import type { z } from 'zod'
import type { ProblemCode } from './problems.ts'

type Schema = z.ZodType | undefined

/** What a schema yields once read; nothing where there is no schema. */
export type Read<S extends Schema> = S extends z.ZodType ? z.output<S> : undefined
/** What a client may send for a schema. */
export type Sent<S extends Schema> = S extends z.ZodType ? z.input<S> : undefined

/** Who may call: anyone, any authenticated identity about itself, or who holds the permission `noun:verb`. */
export type OperationAction = 'public' | 'self' | `${string}:${string}`

/**
 * How much a request counts against limits on requests. An ordinary one counts as one. With `each`, every item of that list in the
 * body counts as one; `most` is the longest list that the operation takes.
 */
export interface Cost {
  readonly base?: number
  readonly each?: { readonly field: string; readonly most: number }
  /** How many times as much, with `?explain=true`. */
  readonly explained?: number
}

/** One endpoint of the API: all that client and server must agree on, and nothing else. */
export interface Operation<
  Params extends Schema = Schema,
  Query extends Schema = Schema,
  Body extends Schema = Schema,
  Response extends z.ZodType = z.ZodType,
> {
  readonly id: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With `:name` for each parameter. What lies under `/api/v1` is also answered under `/v1`. */
  readonly path: string
  /** Second paths that requirements name, with the same body. */
  readonly aliases?: readonly string[]
  readonly action: OperationAction
  /** What an operation of `self` does, as `noun:verb`. It needs no permission, but derived credentials are refused by it. */
  readonly selfAction?: `${string}:${string}`
  /** One sentence for the documentation. */
  readonly summary: string
  readonly params?: Params
  readonly query?: Query
  readonly body?: Body
  readonly status: 200 | 201
  readonly response: Response
  /** The media type of the answer where it is not JSON; the response schema is then a string. */
  readonly produces?: 'text/html' | 'text/plain' | 'application/statuslist+jwt'
  /** Its refusals are a message in plain text, as its standard has it; a problem document for who accepts that. */
  readonly refusesIn?: 'text/plain'
  /** Its tokens are bound to the key of a DPoP proof that comes with the request, if one does (RFC 9449 §5). */
  readonly bindsTokens?: true
  /** Its tokens are signed once its transaction is over, so that it takes no `Idempotency-Key`. */
  readonly signsTokens?: true
  /**
   * Its answer has a `revision`, sent as `ETag` as well; what changes the thing honours `If-Match` (RFC 9110 §13.1.1), so
   * that nobody overwrites what they have not seen.
   */
  readonly hasRevision?: true
  /** Largest body where it must be more than that of other operations. A public operation declares none. */
  readonly bodyBytesMax?: number
  /** How much one request counts against limits, where that is not one. */
  readonly cost?: Cost
  /** Fields of the answer that are secret, told once and stored nowhere. */
  readonly secrets?: readonly string[]
  /** The refusals that a client must expect beyond those that every operation shares. */
  readonly problems: readonly ProblemCode[]
  /** One valid request: for the OpenAPI document, the docs, and the test that tries every operation. */
  readonly example: {
    readonly params?: Sent<Params>
    readonly query?: Sent<Query>
    readonly body?: Sent<Body>
  }
}

/**
 * Bodies above this are large: the server reads them only for a caller that it knows, and parses them in a thread. It is
 * also the largest body of a public operation, since anybody may send that.
 */
export const largeBodyBytes = 65_536
/** Largest body of an operation that declares no other: the longest policy text, each character written as an escape. */
const otherBodyBytes = 262_144

/** The largest body that an operation accepts. */
export function bodyLimitOf({
  action,
  bodyBytesMax = otherBodyBytes,
}: Pick<Operation, 'action' | 'bodyBytesMax'>): number {
  return action === 'public' ? largeBodyBytes : bodyBytesMax
}

/**
 * How much a request counts against limits. It is asked before the request is validated, so it believes nothing: a list that is none
 * counts as one item, and one that is too long as the longest that is taken.
 */
export function costOf({ cost = {} }: Pick<Operation, 'cost'>, sent: { query?: unknown; body?: unknown } = {}): number {
  const { base = 1, each, explained = 1 } = cost
  const items: unknown = each && memberOf(sent.body, each.field)
  const count = each && Array.isArray(items) ? Math.min(Math.max(items.length, 1), each.most) : 1
  return base * count * (memberOf(sent.query, 'explain') === 'true' ? explained : 1)
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/** Declares an operation; the types of its schemas are kept. */
export function operation<
  Response extends z.ZodType,
  Params extends Schema = undefined,
  Query extends Schema = undefined,
  Body extends Schema = undefined,
>(definition: Operation<Params, Query, Body, Response>): Operation<Params, Query, Body, Response> {
  return definition
}
