import { errors, type Provider, type TokenEndpointGrantContext } from 'oidc-provider'
import { exchangeToken, type Exchanged } from '../../features/delegation/service.ts'
import { ExchangeRefused, type ExchangeRefusal } from '../../features/delegation/model.ts'
import { asCaller, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { dpopNonce } from '../dpop-nonce.ts'
import { readProof, type NonceUse } from '../dpop.ts'
import { tokenExchangeGrant } from './client-metadata.ts'
import { contextOf } from './requests.ts'
import { prepareClaims } from './token-sessions.ts'
import { statusClaim } from './token-status.ts'

const accessTokenUri = 'urn:ietf:params:oauth:token-type:access_token'
const subjectTokenTypes = [accessTokenUri, 'urn:ietf:params:oauth:token-type:jwt']
const parameters = [
  'subject_token',
  'subject_token_type',
  'actor_token',
  'actor_token_type',
  'requested_token_type',
  'audience',
  'resource',
  'scope',
]

type Koa = TokenEndpointGrantContext

/** Token exchange (RFC 8693) at the token endpoint: the library proves the client, features/delegation decides. */
export function registerTokenExchange(provider: Provider, nonceUse: NonceUse): void {
  provider.registerGrantType(tokenExchangeGrant, (koa: Koa) => answer(koa, nonceUse), parameters)
}

async function answer(koa: Koa, nonceUse: NonceUse): Promise<void> {
  const { client, params } = koa.oidc
  const wanted = readParameters(params)
  try {
    const ctx = await withProof(koa, nonceUse)
    const exchanged = await exchangeToken(ctx, { ...wanted, clientId: client.clientId })
    koa.body = {
      access_token: await issue(koa, exchanged, ctx),
      issued_token_type: accessTokenUri,
      token_type: ctx.caller.dpop ? 'DPoP' : 'Bearer',
      expires_in: exchanged.seconds,
      scope: exchanged.scopes.join(' '),
    }
  } catch (error) {
    throw toOauthError(koa, error)
  }
}

interface Wanted {
  readonly subjectToken: string
  readonly resource: string | undefined
  readonly scopes: readonly string[] | undefined
}

function readParameters(params: Readonly<Record<string, unknown>>): Wanted {
  const { subject_token: subjectToken, subject_token_type: type, requested_token_type: wantedType } = params
  if (typeof subjectToken !== 'string') throw new errors.InvalidRequest('subject_token is missing')
  if (!subjectTokenTypes.some((each) => each === type))
    throw new errors.InvalidRequest(`subject_token_type must be ${accessTokenUri}`)
  if (wantedType !== undefined && wantedType !== accessTokenUri)
    throw new errors.InvalidRequest(`requested_token_type can only be ${accessTokenUri}`)
  if (params['actor_token'] !== undefined)
    throw new errors.InvalidRequest('send no actor_token: who acts is the client that proves itself')
  return { subjectToken, resource: targetOf(params), scopes: scopesOf(params) }
}

/** A resource server is asked for by its URI, under either name. */
function targetOf({ resource, audience }: Readonly<Record<string, unknown>>): string | undefined {
  if (resource !== undefined && audience !== undefined && resource !== audience)
    throw new errors.InvalidTarget('resource and audience name two resource servers; ask for one')
  const target = resource ?? audience
  if (target === undefined || typeof target === 'string') return target
  throw new errors.InvalidTarget('ask for one resource server at a time')
}

function scopesOf({ scope }: Readonly<Record<string, unknown>>): string[] | undefined {
  return typeof scope === 'string' ? scope.split(' ').filter((each) => each !== '') : undefined
}

/** The library reads DPoP proofs for its own grants only, so here it is read as at our own API. */
async function withProof(koa: Koa, nonceUse: NonceUse): Promise<Context> {
  const ctx = contextOf(koa)
  const proof = koa.get('DPoP')
  if (proof === '') return ctx
  const request = { method: 'POST', urls: [`${koa.oidc.issuer}/oauth/token`] }
  return asCaller(ctx, { ...ctx.caller, dpop: await readProof(ctx, proof, request, nonceUse) })
}

/** The library's own token, so that it is spelt as every other; our claims of it are ready. */
async function issue({ oidc }: Koa, exchanged: Exchanged, ctx: Context): Promise<string> {
  const { provider, client } = oidc
  const { identityId, sessionId, act, resource, scopes, seconds } = exchanged
  const scope = scopes.join(' ')
  const token = new provider.AccessToken({
    accountId: identityId,
    client,
    grantId: sessionId,
    gty: 'token_exchange',
    expiresIn: seconds,
    scope,
    resourceServer: new provider.ResourceServer(resource.resource, {
      scope,
      audience: resource.resource,
      accessTokenTTL: seconds,
      accessTokenFormat: 'jwt',
    }),
  })
  const jkt = ctx.caller.dpop?.thumbprint
  if (jkt !== undefined) token.setThumbprint('jkt', jkt)
  const status = await statusClaim(ctx, { sessionId, audience: resource.resource, seconds })
  prepareClaims(token, { sid: sessionId, ...status, ...(act && { act }) })
  oidc.entity('AccessToken', token)
  return token.save()
}

const targetRefusals: readonly ExchangeRefusal[] = ['resource-unknown', 'resource-not-granted']

/** RFC 8693 §2.2.2: a subject token that is not acceptable makes an invalid request. */
function toOauthError(koa: Koa, error: unknown): unknown {
  if (error instanceof ExchangeRefused) {
    const { reason, message } = error
    if (reason === 'client-is-no-identity') return new errors.UnauthorizedClient(message)
    if (reason === 'scope-not-granted') return new errors.InvalidScope(message, String(koa.oidc.params.scope))
    return targetRefusals.includes(reason) ? new errors.InvalidTarget(message) : new errors.InvalidRequest(message)
  }
  if (!(error instanceof Problem)) return error
  if (error.code === 'use-dpop-nonce') {
    koa.set('DPoP-Nonce', dpopNonce(contextOf(koa)))
    return new errors.UseDpopNonce(error.detail)
  }
  const isProof = error.code === 'invalid-proof' || error.code === 'replayed'
  return isProof ? new errors.InvalidDpopProof(error.detail) : new errors.InvalidGrant(error.detail)
}
