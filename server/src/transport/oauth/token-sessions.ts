import {
  errors,
  type AccessToken,
  type ClientCredentials,
  type KoaContextWithOIDC,
  type UnknownObject,
} from 'oidc-provider'
import { isGrantLive, ownResource, sessionOfGrant } from '../../features/clients/service.ts'
import { openSession } from '../../features/sessions/service.ts'
import { sessionSeconds } from '../../features/tokens/model.ts'
import { inTransaction, type Confirmation, type Context } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { identityOf } from './client-metadata.ts'
import { isCapability } from './resource-servers.ts'
import { contextOf } from './requests.ts'

/** How long what a person granted lasts where they allowed it to go on without them (`offline_access`). */
export const offlineSeconds = 14 * 86_400

type Token = AccessToken | ClientCredentials

const prepared = new WeakMap<Token, UnknownObject>()

/** For a grant of our own making: the claims of its token, whose session was opened before. */
export function prepareClaims(token: Token, claims: UnknownObject): void {
  prepared.set(token, claims)
}

/**
 * Our claims of a token, as `signAccessToken` makes them: its session, which is looked up at each use and ends it, and
 * its tenant. The session is opened here, so no token is made without.
 */
export async function claimsOf(koa: KoaContextWithOIDC, token: Token): Promise<UnknownObject> {
  const ctx = contextOf(koa)
  const tenant = ctx.caller.tenantId
  const ready = prepared.get(token)
  if (ready) return { tenant, ...ready }
  try {
    const sid = isOfPerson(token) ? await sessionOfPerson(koa, token) : await sessionOfMachine(ctx, token)
    return { sid, tenant }
  } catch (error) {
    throw error instanceof Problem ? new errors.InvalidGrant(error.detail) : error
  }
}

function isOfPerson(token: Token): token is AccessToken {
  return token.kind === 'AccessToken'
}

async function sessionOfPerson(koa: KoaContextWithOIDC, token: AccessToken): Promise<string> {
  const ctx = contextOf(koa)
  const { accountId, grantId, clientId = '' } = token
  if (!isId('user', accountId) || grantId === undefined) throw new errors.InvalidGrant('the grant is of nobody')
  return sessionOfGrant(ctx, grantId, accountId, {
    clientId,
    scope: scopeAtOwnApi(ctx, token) ?? [],
    confirmation: confirmationOf(token),
    metadata: metadataOf(token),
    seconds: remainingSeconds(koa),
  })
}

/** A machine proves itself for each token, so each has a session of its own. */
async function sessionOfMachine(ctx: Context, token: ClientCredentials): Promise<string> {
  const identityId = identityOf(token.clientId ?? '')
  if (!identityId) throw new errors.UnauthorizedClient('only services and agents get tokens for themselves')
  const { sessionId } = await inTransaction(ctx, (tx) =>
    openSession(tx, identityId, {
      method: 'client-credentials',
      scope: scopeAtOwnApi(ctx, token),
      confirmation: confirmationOf(token),
      metadata: metadataOf(token),
      seconds: token.expiration,
    }),
  )
  return sessionId
}

/**
 * What the token may do at our own API. A machine's that asked for nothing narrower may do what the machine may; a token
 * for somebody else may do nothing here.
 */
function scopeAtOwnApi(ctx: Context, token: Token): string[] | undefined {
  if (token.aud !== ownResource(ctx)) return []
  return token.scope?.split(' ').filter(isCapability)
}

function confirmationOf(token: Token): Confirmation | undefined {
  return token.jkt === undefined ? undefined : { jkt: token.jkt }
}

function metadataOf({ aud, scope }: Token): Record<string, string> {
  return { ...(typeof aud === 'string' && { audience: aud }), ...(scope !== undefined && { scope }) }
}

/** As long as the grant: the session of a refreshed token ends with the login that began it. */
function remainingSeconds(koa: KoaContextWithOIDC): number {
  const { Grant } = koa.oidc.entities
  return Math.max(1, Grant?.remainingTTL ?? sessionSeconds)
}

/** Whether what a token descends from still stands: its grant, and the sessions of it. */
export async function isDescentLive(ctx: Context, grantId: string | undefined): Promise<boolean> {
  return grantId === undefined || isGrantLive(ctx, grantId)
}
