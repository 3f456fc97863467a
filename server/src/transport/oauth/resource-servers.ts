import { errors, type Client, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider'
import { firstNotHeld } from '../../features/capabilities/service.ts'
import { knownClient, knownResource, ownResource, resourceNames } from '../../features/clients/service.ts'
import { findClient as findMachine } from '../../features/services/service.ts'
import { accessTokenSeconds } from '../../features/tokens/model.ts'
import { inTransaction, type Context } from '../../platform/context.ts'
import { identityOf } from './client-metadata.ts'
import { contextOf } from './requests.ts'
import { isCapability, isScope, openIdScopes } from './scopes.ts'

/**
 * For whom a token is where the request does not say: our own API; but for who asks only who the person is, nobody's,
 * which is what the userinfo endpoint takes.
 */
export async function defaultResource(
  koa: KoaContextWithOIDC,
  client: Client,
  oneOf?: readonly string[],
): Promise<string | string[]> {
  if (oneOf) return [...oneOf]
  const scopes = await requestedScopes(koa, client)
  const isOnlyAboutThePerson = scopes.includes('openid') && scopes.every((scope) => openIdScopes.includes(scope))
  return isOnlyAboutThePerson ? [] : ownResource(contextOf(koa))
}

/** What the provider asks of a resource server: its scopes, and what tokens for it are like. */
export async function resourceServerInfo(
  koa: KoaContextWithOIDC,
  resource: string,
  client: Client,
): Promise<ResourceServer> {
  const ctx = contextOf(koa)
  const isOwn = resource === ownResource(ctx)
  const known = isOwn ? undefined : await knownResource(ctx, resource)
  if (!isOwn && !known) throw await wrongTarget(koa, client)
  const scopes = known ? await scopesAt(koa, client, known.scopes) : await capabilitiesOf(koa, client)
  return {
    audience: resource,
    scope: scopes.join(' '),
    accessTokenTTL: accessTokenSeconds,
    accessTokenFormat: 'jwt',
  }
}

/** An identity of the tenant that authenticated gets the names that there are; to a stranger nothing is listed. */
async function wrongTarget(koa: KoaContextWithOIDC, client: Client): Promise<Error> {
  const isProved = koa.oidc.route === 'token' && identityOf(client.clientId) !== undefined
  if (!isProved) return new errors.InvalidTarget('there is no such resource; ask an administrator for its name')
  const names = await resourceNames(contextOf(koa))
  return new errors.InvalidTarget(`there is no such resource; there are ${names.join(' ')}`)
}

/**
 * A registered resource server's own scopes. A machine gets of them what is written like a capability that it holds, and
 * what an administrator made its default; a person's client gets what the person allows.
 */
async function scopesAt(koa: KoaContextWithOIDC, client: Client, declared: readonly string[]): Promise<string[]> {
  const asked = (await requestedScopes(koa, client)).filter((scope) => declared.includes(scope))
  if (identityOf(client.clientId)) {
    const given = await defaultScopesOf(contextOf(koa), client.clientId)
    const beyond = asked.filter((scope) => !given.includes(scope))
    const unwritten = beyond.find((scope) => !isCapability(scope))
    if (unwritten !== undefined) throw new errors.InvalidScope('the client was not given it', unwritten)
    await requireHeld(koa, client, beyond)
  }
  return [...declared]
}

/**
 * The scopes at our own API are capability entries, of which there is no end; so those are known that are asked for or
 * were granted. A machine asks for no more than it holds; a person's consent counts for what the person holds then.
 */
async function capabilitiesOf(koa: KoaContextWithOIDC, client: Client): Promise<string[]> {
  const asked = (await requestedScopes(koa, client)).filter(isCapability)
  const granted = koa.oidc.entities.Grant?.getResourceScope(ownResource(contextOf(koa))).split(' ') ?? []
  await requireHeld(koa, client, asked)
  return [...new Set([...asked, ...granted.filter(isCapability)])]
}

async function requireHeld(koa: KoaContextWithOIDC, client: Client, asked: readonly string[]): Promise<void> {
  const identityId = identityOf(client.clientId)
  if (!identityId || asked.length === 0) return
  const excess = await inTransaction(contextOf(koa), (tx) => firstNotHeld(tx, identityId, asked))
  if (excess !== undefined) throw new errors.InvalidScope('the client does not hold it', excess)
}

/** What the request asks for; who asks for nothing gets the client's default scopes, from here on. */
async function requestedScopes(koa: KoaContextWithOIDC, client: Client): Promise<string[]> {
  const params = koa.oidc.params ?? {}
  const { scope } = params
  if (typeof scope === 'string') return scope.split(' ')
  // Where a code or a refresh token is presented, what it was given for counts.
  if ('code' in params && params['code'] !== undefined) return []
  if (params['refresh_token'] !== undefined || params['device_code'] !== undefined) return []
  const defaults = await defaultScopesOf(contextOf(koa), client.clientId)
  if (defaults.length > 0) params['scope'] = defaults.join(' ')
  return [...defaults]
}

async function defaultScopesOf(ctx: Context, clientId: string): Promise<readonly string[]> {
  const machineId = identityOf(clientId)
  const client = machineId
    ? await inTransaction(ctx, (tx) => findMachine(tx, machineId))
    : await knownClient(ctx, clientId)
  return client?.defaultScopes.filter(isScope) ?? []
}
