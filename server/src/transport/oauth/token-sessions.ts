import {
  errors,
  type AccessToken,
  type ClientCredentials,
  type KoaContextWithOIDC,
  type UnknownObject,
} from 'oidc-provider'
import { ownResource, sessionOfGrant } from '../../features/clients/service.ts'
import { activateAgent, findAgentForUpdate, lockIdentity } from '../../features/identities/service.ts'
import { findClient as findMachine, findDelegation, requireStillProved } from '../../features/services/service.ts'
import { openSession } from '../../features/sessions/service.ts'
import { sessionSeconds } from '../../features/tokens/model.ts'
import { inTransaction, type Confirmation, type Context, type Transaction } from '../../platform/context.ts'
import type { SessionId } from '@agent-iam/contract/ids'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { loginSessionOf } from './accounts.ts'
import type { MachineId } from './client-metadata.ts'
import { proofOf } from './client-proofs.ts'
import { contextOf } from './requests.ts'
import { isCapability } from './scopes.ts'
import { statusClaim } from './token-status.ts'

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
    const sid = isOfPerson(token) ? await sessionOfPerson(koa, token) : await sessionOfMachine(koa, token)
    const status = await statusClaim(ctx, { sessionId: sid, audience: token.aud, seconds: token.expiration })
    return { sid, tenant, ...status }
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
    login: await redeemedLogin(koa, token),
  })
}

/** By which login the code was given that is redeemed; undefined where a token is refreshed. */
async function redeemedLogin(
  { oidc }: KoaContextWithOIDC,
  { sessionUid }: AccessToken,
): Promise<SessionId | undefined> {
  const { AuthorizationCode, DeviceCode } = oidc.entities
  if (!AuthorizationCode && !DeviceCode) return undefined
  const session = sessionUid === undefined ? undefined : await oidc.provider.Session.findByUid(sessionUid)
  const login = session && loginSessionOf(session)
  if (login === undefined) throw new errors.InvalidGrant('the login by which it was given has ended')
  return login
}

/** A machine proves itself for each token, so each has a session of its own, which ends with what proved it. */
async function sessionOfMachine(koa: KoaContextWithOIDC, token: ClientCredentials): Promise<string> {
  const ctx = contextOf(koa)
  const proved = proofOf(koa)
  if (!proved) throw new errors.UnauthorizedClient('only services and agents get tokens for themselves')
  const { id, method, credential } = proved
  return inTransaction(ctx, async (tx) => {
    await admit(tx, id)
    await requireStillProved(tx, proved)
    const { sessionId } = await openSession(tx, id, {
      method,
      clientId: id,
      scope: scopeAtOwnApi(ctx, token),
      confirmation: confirmationOf(token),
      credential,
      metadata: metadataOf(token),
      seconds: token.expiration,
      ...(await findDelegation(tx, proved)),
    })
    return sessionId
  })
}

/** A pending agent becomes active by the first proof of its key; the others must be so still. */
async function admit(tx: Transaction, id: MachineId): Promise<void> {
  await lockIdentity(tx, id)
  const agent = isId('agent', id) ? await findAgentForUpdate(tx, id) : undefined
  if (agent?.status === 'pending') await activateAgent(tx, agent)
  else if (!(await findMachine(tx, id))?.isActive)
    throw new Problem('identity-inactive', 'the client may not act; ask its owner or an administrator')
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
