import type { IncomingHttpHeaders } from 'node:http'
import type { Operation } from '@agent-iam/contract/operation'
import { callerOfApiKey } from '../features/api-keys/service.ts'
import { enrolmentTokenPrefix } from '../features/credentials/model.ts'
import { callerOfEnrolmentToken } from '../features/credentials/service.ts'
import { callerOfToken } from '../features/biscuits/service.ts'
import type { RecentCallers } from '../features/sessions/service.ts'
import type { Caller, Context } from '../platform/context.ts'
import { Problem } from '../platform/problem.ts'

/**
 * Turns credentials into a caller; who may do what is not decided here.
 *
 * Throws `unauthenticated` without a token where one is needed, `invalid-token` or `token-revoked` for one that is not
 * good, `invalid-proof` where its proof of possession is missing. On public operations a token is not looked at.
 *
 * @param recent where a caller that was looked up before will do, since the answer is refused if too much has changed since
 */
export async function authenticate(
  anonymous: Context,
  operation: Operation,
  headers: IncomingHttpHeaders,
  recent?: RecentCallers,
): Promise<Caller> {
  if (operation.action === 'public') return anonymous.caller
  const apiKey = presentedApiKey(headers)
  if (apiKey !== undefined) return callerOfApiKey(anonymous, apiKey)
  const { scheme, token } = presentedToken(headers.authorization)
  if (scheme === 'dpop' && !anonymous.caller.dpop)
    throw new Problem('invalid-proof', 'a token sent as DPoP needs a proof in the header DPoP (RFC 9449)')
  if (!token.startsWith(enrolmentTokenPrefix)) return callerOfToken(anonymous, token, recent)
  const caller = scheme === 'bearer' ? await callerOfEnrolmentToken(anonymous, token) : undefined
  if (!caller) throw new Problem('invalid-token', 'the enrolment token is unknown, expired or revoked; ask for another')
  return caller
}

/** A key in either header; in both, or beside a token, nobody could tell which is meant. */
function presentedApiKey(headers: IncomingHttpHeaders): string | undefined {
  const alone = headers['x-api-key']
  const bearer = /^Bearer +(aik_[\w-]+) *$/i.exec(headers.authorization ?? '')?.[1]
  if (alone !== undefined && headers.authorization !== undefined)
    throw new Problem('invalid-request', 'send an API key in X-API-Key or in Authorization, not in both')
  return typeof alone === 'string' ? alone : bearer
}

function presentedToken(authorization: string | undefined): { scheme: string; token: string } {
  const [, scheme, token] = /^(Bearer|DPoP) +([A-Za-z0-9._~+/=-]+) *$/i.exec(authorization ?? '') ?? []
  if (scheme && token) return { scheme: scheme.toLowerCase(), token }
  throw new Problem('unauthenticated', 'log in and send the access token as Authorization: Bearer …')
}
