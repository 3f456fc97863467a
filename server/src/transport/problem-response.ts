import type { ProblemCode } from '@agent-iam/contract/problems'
import { Problem } from '../platform/problem.ts'
import { sqlState } from '../platform/database.ts'

/** What the caller may read of whatever was thrown: only a Problem speaks; the rest is ours alone. */
export function toProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown
  const known = ofFramework(thrown) ?? ofText(thrown) ?? ofDependency(thrown)
  return (
    known ??
    new Problem('internal-error', 'something went wrong on our side; the operator finds it by the requestId', {
      cause: thrown,
    })
  )
}

/** Faults of the request that Fastify finds before we do, by its error codes. */
const frameworkProblems: Readonly<Record<string, [ProblemCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['too-large', 'the body is over 256 KB; send less at once'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported-media-type', 'send the body as application/json'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['invalid-request', 'the body is not as long as Content-Length says'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['invalid-request', 'the body is empty; send JSON, or no Content-Type'],
  FST_ERR_CTP_INVALID_JSON_BODY: [
    'invalid-request',
    'the body is not JSON, or has a key named __proto__ or constructor',
  ],
  FST_ERR_BAD_URL: ['invalid-request', 'the path is not well-formed'],
}

function ofFramework(thrown: unknown): Problem | undefined {
  const code = codeOf(thrown)
  const found = code === undefined ? undefined : frameworkProblems[code]
  return found && new Problem(found[0], found[1], { cause: thrown })
}

/** A NUL in a text for a column, and one in JSON. */
const unstorableText = new Set(['22021', '22P05'])

/** The schemas of the contract refuse such a text before; this is for what they overlook. */
function ofText(thrown: unknown): Problem | undefined {
  return unstorableText.has(sqlState(thrown) ?? '')
    ? new Problem('invalid-request', 'a text holds a NUL character, which cannot be stored; remove it', {
        cause: thrown,
      })
    : undefined
}

const connectionErrors = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT'])
// Class 08: connection; 57P: shut down or starting; 53: out of resources; 55P03, 40P01, 25P03: locks and time-outs.
const unavailableStates = /^(08|53|57P|55P03|40P01|25P03)/
const poolMessages =
  /timeout exceeded when trying to connect|Connection terminated|Client (has encountered a connection error|was closed)/

function ofDependency(thrown: unknown): Problem | undefined {
  const isDown =
    connectionErrors.has(codeOf(thrown) ?? '') ||
    unavailableStates.test(sqlState(thrown) ?? '') ||
    (thrown instanceof Error && poolMessages.test(thrown.message))
  return isDown
    ? new Problem('unavailable', 'the database does not answer; try again shortly', { cause: thrown })
    : undefined
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
}
