import type { Operation } from '@agent-iam/contract/operation'
import { enrolmentTokenPrefix } from '../features/credentials/model.ts'
import { callerOfEnrolmentToken } from '../features/credentials/service.ts'
import { callerOfAccessToken } from '../features/sessions/service.ts'
import type { Caller, Context } from '../platform/context.ts'
import { Problem } from '../platform/problem.ts'

/**
 * Turns credentials into a caller; who may do what is not decided here.
 *
 * Throws `unauthenticated` without a token where one is needed, `invalid-token` or `token-revoked` for one that is not
 * good. On public operations a token is not looked at.
 */
export async function authenticate(
  anonymous: Context,
  operation: Operation,
  authorization: string | undefined,
): Promise<Caller> {
  if (operation.action === 'public') return anonymous.caller
  const token = bearerToken(authorization)
  if (!token.startsWith(enrolmentTokenPrefix)) return callerOfAccessToken(anonymous, token)
  const caller = await callerOfEnrolmentToken(anonymous, token)
  if (!caller) throw new Problem('invalid-token', 'the enrolment token is unknown, expired or revoked; ask for another')
  return caller
}

function bearerToken(authorization: string | undefined): string {
  const token = /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(authorization ?? '')?.[1]
  if (token) return token
  throw new Problem('unauthenticated', 'log in and send the access token as Authorization: Bearer …')
}
