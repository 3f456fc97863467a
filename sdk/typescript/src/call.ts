import type { Operation } from '@agent-iam/contract/operation'
import { ProblemDocument } from '@agent-iam/contract/problems'
import type { z } from 'zod'
import type { Possession } from './possession.ts'
import { AgentIamError, RefusedError, UnexpectedAnswerError, UnreachableError } from './errors.ts'

/** Where the server is, and as whom to speak to it. */
export interface Connection {
  /** The server's address, such as `https://iam.example.com`. */
  readonly server: string
  /** An access token; an enrolment token for `registerAgent`. */
  readonly token?: string | undefined
  readonly fetch?: typeof globalThis.fetch | undefined
  /** The key that the token is bound to, or will be: each request then proves that it is held. */
  readonly possession?: Possession | undefined
}

type Schema = z.ZodType | undefined

type Part<Name extends string, S extends Schema> = S extends z.ZodType
  ? Partial<z.input<S>> extends z.input<S>
    ? { readonly [Key in Name]?: z.input<S> }
    : { readonly [Key in Name]: z.input<S> }
  : unknown

/** What an operation is given: `params`, `query` and `body`, those that it has. */
export type Input<Params extends Schema, Query extends Schema, Body extends Schema> = Part<'params', Params> &
  Part<'query', Query> &
  Part<'body', Body>

/** The input may be left out where nothing of it is required. */
export type Arguments<Params extends Schema, Query extends Schema, Body extends Schema> =
  Partial<Input<Params, Query, Body>> extends Input<Params, Query, Body>
    ? [input?: Input<Params, Query, Body>]
    : [input: Input<Params, Query, Body>]

/** Makes a function of an operation. */
export type Bind = <P extends Schema, Q extends Schema, B extends Schema, R extends z.ZodType>(
  operation: Operation<P, Q, B, R>,
) => (...input: Arguments<P, Q, B>) => Promise<z.output<R>>

/** Longest wait for an answer: the server itself gives up sooner, so a later answer is none. */
export const answerSecondsMax = 30

/** Calls one operation of the contract: this is all of the client; the rest gives it names. */
export async function call<
  Params extends Schema,
  Query extends Schema,
  Body extends Schema,
  Response extends z.ZodType,
>(
  connection: Connection,
  operation: Operation<Params, Query, Body, Response>,
  ...[input]: Arguments<Params, Query, Body>
): Promise<z.output<Response>> {
  const given = new Map<string, unknown>(Object.entries(Object(input)))
  const url = urlOf(connection.server, fill(operation.path, given.get('params')), given.get('query'))
  const request = {
    url,
    method: operation.method,
    body: given.get('body'),
    bindsTokens: operation.bindsTokens === true,
  }
  const answer = await send(connection, request)
  if (!answer.ok) throw refusal(answer)
  const read = operation.response.safeParse(operation.produces ? answer.text : parseJson(answer))
  if (!read.success) throw new UnexpectedAnswerError(url, answer.status, read.error)
  return read.data
}

/** The server's address in the one spelling that files and requests use: no slash at the end, no query. */
export function normaliseServer(server: string): string {
  if (!/^https?:/i.test(server) || !URL.canParse(server)) {
    throw new AgentIamError(
      `${JSON.stringify(server)} is not a server's address; it should look like http://localhost:9000`,
    )
  }
  const { origin, pathname } = new URL(server)
  return origin + pathname.replace(/\/+$/, '')
}

interface Request {
  readonly url: string
  readonly method: string
  readonly body: unknown
  /** Its answer is a token, which may be bound to a key. */
  readonly bindsTokens: boolean
}

interface Answer {
  readonly url: string
  readonly status: number
  readonly ok: boolean
  readonly text: string
  readonly nonce: string | undefined
}

/** Sends a request; once more, when the server wants its nonce in the proof. */
async function send(connection: Connection, request: Request): Promise<Answer> {
  const answer = await sendOnce(connection, request)
  const { possession } = connection
  if (!possession || answer.nonce === undefined) return answer
  possession.nonce = answer.nonce
  const refused = answer.ok ? undefined : refusal(answer)
  const isAsked = refused instanceof RefusedError && refused.code === 'use-dpop-nonce'
  return isAsked ? sendOnce(connection, request) : answer
}

async function sendOnce(connection: Connection, request: Request): Promise<Answer> {
  const { fetch = globalThis.fetch } = connection
  const { url, method, body } = request
  try {
    const response = await fetch(url, {
      method,
      headers: {
        accept: 'application/json, application/problem+json, text/*',
        ...credentials(connection, request),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      // A redirect would carry the body, perhaps a proof or a password, to a place nobody chose.
      redirect: 'error',
      signal: AbortSignal.timeout(answerSecondsMax * 1000),
    })
    const nonce = response.headers.get('dpop-nonce') ?? undefined
    return { url, status: response.status, ok: response.ok, text: await response.text(), nonce }
  } catch (error) {
    throw new UnreachableError(url, error)
  }
}

function credentials({ token, possession }: Connection, request: Request): Record<string, string> {
  if (!possession) return token === undefined ? {} : { authorization: `Bearer ${token}` }
  if (token === undefined && !request.bindsTokens) return {}
  const proof = { dpop: possession.proof({ ...request, token }) }
  return token === undefined ? proof : { ...proof, authorization: `DPoP ${token}` }
}

function refusal(answer: Answer): Error {
  const problem = ProblemDocument.safeParse(parseJson(answer))
  return problem.success ? new RefusedError(problem.data) : new UnexpectedAnswerError(answer.url, answer.status)
}

function parseJson({ url, status, text }: Answer): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UnexpectedAnswerError(url, status, error)
  }
}

function fill(path: string, params: unknown): string {
  const values = new Map<string, unknown>(Object.entries(Object(params)))
  return path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(plain(values.get(name))))
}

function urlOf(server: string, path: string, query: unknown): string {
  const url = new URL(normaliseServer(server) + path)
  for (const [name, value] of Object.entries<unknown>(Object(query)))
    if (value !== undefined) url.searchParams.set(name, plain(value))
  return url.href
}

/** Parameters are texts, numbers and booleans: texts as they are, the others as JSON spells them. */
function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
