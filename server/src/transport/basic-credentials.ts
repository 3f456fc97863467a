import { issueToken } from '@agent-iam/contract/token'
import type { Operation } from '@agent-iam/contract/operation'
import { Problem } from '../platform/problem.ts'

/**
 * The body of a token request with what HTTP Basic says of the client (RFC 6749 §2.3.1: id and secret, each
 * form-encoded). Every other operation's body is left as it is.
 *
 * Throws `invalid-request` for Basic credentials that cannot be read, or that the body names again.
 */
export function withBasicCredentials(operation: Operation, body: unknown, authorization: string | undefined): unknown {
  const basic = operation.id === issueToken.id && /^Basic +(\S+) *$/i.exec(authorization ?? '')?.[1]
  if (!basic || typeof body !== 'object' || body === null) return body
  const sent = readBasic(basic)
  if ('client_secret' in body || 'client_assertion' in body)
    throw new Problem('invalid-request', 'prove the client in one way: HTTP Basic or the body, not both')
  if ('client_id' in body && body.client_id !== sent.client_id)
    throw new Problem('invalid-request', 'client_id: is another one than in Authorization')
  return { ...body, ...sent }
}

function readBasic(basic: string): { client_id: string; client_secret: string } {
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(basic, 'base64').toString()) ?? []
  if (id === undefined || secret === undefined)
    throw new Problem('invalid-request', 'Authorization: Basic holds the client id and the secret with a colon between')
  return { client_id: formDecode(id), client_secret: formDecode(secret) }
}

function formDecode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (error) {
    throw new Problem('invalid-request', 'Authorization: Basic is not form-encoded', { cause: error })
  }
}
