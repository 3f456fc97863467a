import type { Decision } from '@agent-iam/contract/authorization'
import type { ProblemDocument } from '@agent-iam/contract/problems'

/** What every error of this SDK is, so that a caller can tell them from its own. */
export class AgentIamError extends Error {
  override name = 'AgentIamError'
}

/** The server refused. `code` is stable: branch on it, never on the text. */
export class RefusedError extends AgentIamError {
  override name = 'RefusedError'
  readonly code: string
  readonly problem: ProblemDocument

  constructor(problem: ProblemDocument) {
    const fields = (problem.errors ?? []).map(({ field, message }) => `${field} ${message}`)
    super([problem.detail ?? problem.title, ...fields].join('; '))
    this.code = problem.code
    this.problem = problem
  }
}

/** No answer came: nothing listens at `url`, the network failed, or the answer took too long. */
export class UnreachableError extends AgentIamError {
  override name = 'UnreachableError'
  readonly url: string

  constructor(url: string, cause: unknown) {
    super(`no answer from ${url}: ${reasonOf(cause)}`, { cause })
    this.url = url
  }
}

/** An answer came that no Agent IAM server of this version gives: a proxy's page, or another program. */
export class UnexpectedAnswerError extends AgentIamError {
  override name = 'UnexpectedAnswerError'
  readonly url: string
  readonly status: number

  constructor(url: string, status: number, cause?: unknown) {
    super(`${url} answered ${status} with something that is not the Agent IAM API`, { cause })
    this.url = url
    this.status = status
  }
}

/** The action was not run, because the decision was deny. `decision` holds the reasons and the record. */
export class DeniedError extends AgentIamError {
  override name = 'DeniedError'
  readonly decision: Decision

  constructor(action: string, resource: string | { type: string; id: string }, decision: Decision) {
    const name = typeof resource === 'string' ? resource : `${resource.type}/${resource.id}`
    super(`${action} ${name} is denied: ${decision.reason}`)
    this.decision = decision
  }
}

/** A file of keys or tokens cannot be used. The message says which and what to do. */
export class CredentialsError extends AgentIamError {
  override name = 'CredentialsError'
  readonly file: string

  constructor(file: string, message: string, cause?: unknown) {
    super(message, { cause })
    this.file = file
  }
}

/** The server sent a text to sign that is no challenge for this agent. Nothing was signed. */
export class UnsafeChallengeError extends AgentIamError {
  override name = 'UnsafeChallengeError'
}

/** Why the status of a token is not known. */
export type StatusFault = 'no-status' | 'foreign-list' | 'list-unreachable' | 'list-invalid' | 'list-stale'

/** The status of a token cannot be told. Refuse the token, unless you know better. */
export class StatusUnknownError extends AgentIamError {
  override name = 'StatusUnknownError'
  readonly fault: StatusFault

  constructor(fault: StatusFault, message: string, cause?: unknown) {
    super(message, { cause })
    this.fault = fault
  }
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  // The runtime says only "fetch failed"; why is one level further down, and there sometimes only as a code.
  if (cause.cause instanceof Error) return reasonOf(cause.cause)
  return cause.message || ('code' in cause ? String(cause.code) : cause.name)
}
