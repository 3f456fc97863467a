import { problems, type ProblemCode, type ProblemDocument } from '@agent-iam/contract/problems'

export interface FieldFault {
  readonly field: string
  readonly message: string
}

interface ProblemOptions {
  /** For the log only. */
  readonly cause?: unknown
  /** Public: which fields are at fault. */
  readonly errors?: readonly FieldFault[]
  /** For the audit log: the policies that denied. */
  readonly policyIds?: readonly string[]
  /** When to try again: the header `Retry-After`. */
  readonly retryAfterSeconds?: number
  /** The scope that a token would need: told in `WWW-Authenticate`. */
  readonly scope?: string
}

/**
 * A refusal the caller is meant to see. Thrown anywhere, rendered once, at the door.
 * `detail` is public and says what to do next; what only operators may read goes into `cause`.
 */
export class Problem extends Error {
  override name = 'Problem'
  readonly code: ProblemCode
  readonly detail: string
  readonly errors: readonly FieldFault[]
  readonly policyIds: readonly string[]
  readonly retryAfterSeconds: number | undefined
  readonly scope: string | undefined

  constructor(code: ProblemCode, detail: string, options: ProblemOptions = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.detail = detail
    this.errors = options.errors ?? []
    this.policyIds = options.policyIds ?? []
    this.retryAfterSeconds = options.retryAfterSeconds
    this.scope = options.scope
  }
}

/**
 * The same words, whether a thing does not exist, is another tenant's, or may not be seen by the caller: none of the
 * three is told from the others.
 */
export function notFound(type: string, id: string, options?: ProblemOptions): Problem {
  return new Problem('not-found', `there is no ${type}/${id} that this caller may see`, options)
}

/** A refusal as it is sent (RFC 9457). */
export function problemDocument({ code, detail, errors }: Problem, requestId: string): ProblemDocument {
  return {
    type: `urn:agent-iam:problem:${code}`,
    title: problems[code].title,
    status: problems[code].status,
    detail,
    code,
    requestId,
    ...(errors.length > 0 && { errors: errors.map((error) => ({ ...error })) }),
  }
}
