import assert from 'node:assert/strict'
import type { Operation, Sent } from '@agent-iam/contract/operation'
import { ProblemDocument } from '@agent-iam/contract/problems'
import { z } from 'zod'
import type { App } from '../src/app.ts'
import { problemsOf } from '../src/transport/openapi.ts'

type Schema = z.ZodType | undefined

/** What goes into a request; `from` is the address that it seems to come from. */
export interface Input {
  readonly params?: unknown
  readonly query?: unknown
  readonly body?: unknown
  readonly token?: string
  readonly from?: string
  readonly headers?: Readonly<Record<string, string>>
}

interface GoodInput<P extends Schema, Q extends Schema, B extends Schema> extends Input {
  readonly params?: Sent<P>
  readonly query?: Sent<Q>
  readonly body?: Sent<B>
}

export interface Answer {
  /** The trace that the request named as its own: no other request of this API has it. */
  readonly traceId: string
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
}

/** The refusal as it was sent, with the log of whom it is. */
export type Refusal = z.infer<typeof ProblemDocument>

/** The API of a server without a socket. Whatever it refuses must be a problem that the operation declares. */
export class TestApi {
  readonly #app: App
  #logins = 0
  #requests = 0
  /** Receives every call that succeeded. */
  onCall: (operation: Operation, call: { readonly input: Input; readonly answer: Answer }) => void = () => undefined

  constructor(app: App) {
    this.#app = app
  }

  /** The answer of an operation that must succeed, read by the contract. */
  async call<P extends Schema, Q extends Schema, B extends Schema, R extends z.ZodType>(
    operation: Operation<P, Q, B, R>,
    input: GoodInput<P, Q, B> = {},
  ): Promise<z.output<R>> {
    const answer = await this.send(operation, input)
    assert.equal(answer.status, operation.status, `${operation.id}: ${answer.text}`)
    this.onCall(operation, { input, answer })
    return operation.response.parse(operation.produces ? answer.text : JSON.parse(answer.text))
  }

  /** The problem with which an operation must refuse. */
  async refuse(operation: Operation, input: Input = {}): Promise<Refusal> {
    const answer = await this.send(operation, input)
    assert(answer.status >= 400, `${operation.id} was not refused: ${answer.text}`)
    return readProblem(answer)
  }

  /** Sends whatever it is given. */
  async send(operation: Operation, { params, query, body, ...rest }: Input = {}): Promise<Answer> {
    const search = new URLSearchParams(texts(query)).toString()
    const url = pathOf(operation.path, texts(params)) + (search === '' ? '' : `?${search}`)
    const isText = typeof body === 'string'
    const payload = body === undefined || isText ? body : JSON.stringify(body)
    const sent = { method: operation.method, url, ...(payload !== undefined && { payload }) }
    const headers = { accept: 'application/json, application/problem+json', ...rest.headers }
    const answer = await this.raw(sent, { from: this.#addressFor(operation), ...rest, headers })
    if (answer.status >= 400) requireDeclared(operation, answer)
    return answer
  }

  /** Logins are limited by address: each comes from one of its own, unless a test says where from. */
  #addressFor({ id }: Operation): string {
    if (id !== 'login') return '127.0.0.1'
    const n = ++this.#logins
    return `127.1.${Math.floor(n / 250)}.${(n % 250) + 1}`
  }

  async raw(
    options: { readonly method: Operation['method']; readonly url: string; readonly payload?: string },
    { token, from = '127.0.0.1', headers = {} }: Omit<Input, 'params' | 'query' | 'body'> = {},
  ): Promise<Answer> {
    const traceId = (++this.#requests).toString(16).padStart(32, '0')
    const response = await this.#app.http.inject({
      ...options,
      remoteAddress: from,
      headers: {
        host: 'localhost:9000',
        traceparent: `00-${traceId}-00000000000000ff-01`,
        ...(options.payload !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...headers,
      },
    })
    return { traceId, status: response.statusCode, headers: response.headers, text: response.body }
  }
}

/** An answer as the problem document that it must be. */
export function readProblem({ status, headers, text }: Answer): Refusal {
  assert.match(String(headers['content-type']), /^application\/problem\+json(;|$)/, text)
  const problem = z.strictObject(ProblemDocument.shape).parse(JSON.parse(text))
  assert.deepEqual([problem.status, problem.type], [status, `urn:agent-iam:problem:${problem.code}`])
  assert.match(problem.detail ?? '', /\S/, 'a refusal says what to do next')
  if (status === 401) assert.match(String(headers['www-authenticate']), /^Bearer realm="/)
  return problem
}

function requireDeclared(operation: Operation, answer: Answer): void {
  const { code, detail } = readProblem(answer)
  const declared = problemsOf(operation).some((each) => each === code)
  assert(declared, `${operation.id} refused with ${code}, which it does not declare: ${detail}`)
}

function pathOf(path: string, params: Record<string, string>): string {
  return path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''))
}

function texts(fields: unknown): Record<string, string> {
  if (typeof fields !== 'object' || fields === null) return {}
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)]))
}
