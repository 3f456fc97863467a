import { decodeJwt, errors } from 'jose'
import { z } from 'zod'
import { inTransaction, type Confirmation, type Context, type Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { AccessTokenClaimsSchema } from '../../platform/keys.ts'
import { Problem } from '../../platform/problem.ts'
import { looksLikeBiscuit } from '../biscuits/model.ts'
import { callerOfToken } from '../biscuits/service.ts'
import { ownResource } from '../clients/service.ts'
import { accessTokenType } from '../keys/model.ts'
import { requireLive } from '../sessions/model.ts'
import { findSession } from '../sessions/service.ts'
import { ExchangeRefused, type SubjectSession } from './model.ts'

/** What a subject token says, its signature verified. */
export interface ShownToken {
  readonly sub: string
  readonly sid: string
  /** In seconds since 1970. */
  readonly exp: number
  /** The token itself, where it is a Biscuit that was narrowed since it was made. */
  readonly attenuation: string | undefined
  /** Of the keys that it was verified with. */
  readonly keysVersion: number
}

/** A live access token of this issuer, for whomever it is. Throws `ExchangeRefused`. */
export async function readSubjectToken(ctx: Context, token: string, keysVersion?: number): Promise<ShownToken> {
  return looksLikeBiscuit(token) ? readBiscuit(ctx, token) : readJwt(ctx, token, keysVersion)
}

/** A Biscuit is verified with the keys of the moment each time. */
async function readBiscuit(ctx: Context, token: string): Promise<ShownToken> {
  const presented = await callerOfToken(ctx, token).catch((error: unknown) => {
    throw error instanceof Problem && error.code !== 'unavailable'
      ? new ExchangeRefused('subject-token-invalid')
      : error
  })
  if (presented.tenantId !== ctx.caller.tenantId) throw new ExchangeRefused('subject-token-invalid')
  const { identityId: sub, sessionId: sid, expiresAt, attenuation } = presented
  const keysVersion = await inTransaction(ctx, async (tx) => (await findSession(tx, sid))?.keysVersion ?? 0)
  return { sub, sid, exp: Math.floor(expiresAt.getTime() / 1000), attenuation, keysVersion }
}

async function readJwt(ctx: Context, token: string, keysVersion?: number): Promise<ShownToken> {
  try {
    const { aud } = decodeJwt(token)
    if (typeof aud !== 'string') throw new ExchangeRefused('subject-token-invalid')
    const expected = { typ: accessTokenType, audience: aud, now: ctx.clock.now(), keysVersion }
    const verified = await ctx.keys.verifyJwt(ctx.caller.tenantId, token, expected)
    const { sub, sid, exp } = AccessTokenClaimsSchema.parse(verified.claims)
    return { sub, sid, exp, attenuation: undefined, keysVersion: verified.keysVersion }
  } catch (error) {
    const isItsFault = error instanceof errors.JOSEError || error instanceof z.ZodError || isInvalidToken(error)
    throw isItsFault ? new ExchangeRefused('subject-token-invalid') : error
  }
}

function isInvalidToken(error: unknown): boolean {
  return error instanceof Problem && error.code === 'invalid-token'
}

/** What a session that a token was made for notes of it. */
const Metadata = z.object({ audience: z.string().optional(), scope: z.string().optional() })

/** The session of a subject token, as it is now. Throws `ExchangeRefused` unless it lives. */
export async function loadSubject(
  tx: Transaction,
  shown: ShownToken,
): Promise<{ subject: SubjectSession; boundTo: Confirmation | undefined; presentVersion: number }> {
  const found = isId('session', shown.sid) ? await findSession(tx, shown.sid) : undefined
  if (!found || found.session.identityId !== shown.sub) throw new ExchangeRefused('subject-token-invalid')
  const { session, identity, keysVersion } = found
  try {
    requireLive(session, identity, tx.clock.now())
  } catch (error) {
    throw error instanceof Problem ? new ExchangeRefused('subject-token-invalid') : error
  }
  const { audience = ownResource(tx), scope } = Metadata.parse(session.metadata)
  const { id, identityId, clientId = identityId, actors, confirmation, delegator, scope: entries } = session
  const attenuation = session.attenuation ?? shown.attenuation
  const isWhole = entries === undefined
  const subject = {
    id,
    identityId,
    clientId,
    actors,
    audience,
    scopes: scope?.split(' ') ?? [],
    isWhole,
    entries,
    attenuation,
    delegator,
  }
  return { subject, boundTo: confirmation, presentVersion: keysVersion }
}
