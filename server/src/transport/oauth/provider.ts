import { EventEmitter } from 'node:events'
import { Provider, type Configuration, type JWK, type KoaContextWithOIDC } from 'oidc-provider'
import { isGrantLive } from '../../features/clients/service.ts'
import { accessTokenSeconds, sessionSeconds } from '../../features/tokens/model.ts'
import type { Context } from '../../platform/context.ts'
import { hmacSha256 } from '../../platform/digest.ts'
import { endLoginAtLogout, findAccount, loginPolicy, noteLogin } from './accounts.ts'
import { PayloadAdapter } from './adapter.ts'
import { ClientAdapter } from './client-metadata.ts'
import { cookiesOf } from './cookies.ts'
import { assertAssertion, isSecretOf } from './client-proofs.ts'
import type { Terms } from './issuers.ts'
import { answerForJwts } from './jwt-tokens.ts'
import { gateKeys } from './key-gate.ts'
import { fetchUntrusted, metadataDocuments } from './metadata-documents.ts'
import { renderError } from './pages/error.ts'
import { deviceFlowPages } from './pages/device.ts'
import { logoutPages } from './pages/logout.ts'
import { recordRefusals } from './refusals.ts'
import { defaultResource, resourceServerInfo } from './resource-servers.ts'
import { contextOf, currentContext } from './requests.ts'
import { openIdScopes } from './scopes.ts'
import { registerTokenExchange } from './token-exchange.ts'
import { claimsOf, offlineSeconds } from './token-sessions.ts'
import { dropUnsavedSessions } from './unsaved-sessions.ts'

/** What a provider is made of: one tenant's issuer and keys. */
export interface Tenant extends Terms {
  /** The system's own context in the tenant. */
  readonly ctx: Context
  readonly issuer: string
  readonly jwks: ReadonlyArray<Record<string, unknown>>
}

/** Long enough to find the password, short enough that a forgotten page is not a way in. */
const interactionSeconds = 1800
/** RFC 6749 §4.1.2 recommends ten minutes at most; a client redeems its code at once. */
const codeSeconds = 60
const deviceCodeSeconds = 600

/** The OAuth 2.1 and OpenID Connect provider of one tenant: the library, on our storage, keys, people and clients. */
export function createProvider(tenant: Tenant): Provider {
  const provider = new Provider(tenant.issuer, configurationOf(tenant))
  // Headers are set by us from what we know, so what the client sent is not what is believed: see `mount`.
  provider.proxy = true
  provider.Client.prototype.compareClientSecret = function compareClientSecret(actual) {
    return isSecretOf(this.clientId, actual, tenant.ctx)
  }
  deriveSuccessors(provider, tenant.ctx)
  dropUnsavedSessions(provider)
  registerTokenExchange(provider, tenant.isNonceRequired ? 'required' : 'optional')
  recordRefusals(provider, tenant.refusals)
  gateKeys(provider)
  answerForJwts(provider)
  endLoginAtLogout(provider)
  // Grants that the library does not have are registered here.
  provider.on('interaction.ended', noteLogin)
  logFaults(provider, tenant.ctx)
  return provider
}

function configurationOf(tenant: Tenant): Configuration {
  const { ctx, issuer, jwks, isNonceRequired } = tenant
  const current = () => currentContext(ctx)
  const [first] = jwks
  const algorithm = first?.['alg'] === 'EdDSA' ? 'EdDSA' : 'RS256'
  return {
    adapter: (model) => (model === 'Client' ? new ClientAdapter(current) : new PayloadAdapter(model, current)),
    jwks: { keys: jwks.map(toJwk) },
    clientDefaults: { id_token_signed_response_alg: algorithm },
    ...protocol,
    cookies: cookiesOf(ctx, issuer),
    fetch: fetchUntrusted(ctx),
    ttl,
    findAccount,
    // draft-ietf-oauth-status-list §9.1.
    discovery: { status_list_aggregation_endpoint: `${issuer}/status-lists` },
    loadExistingGrant,
    extraTokenClaims: claimsOf,
    assertJwtClientAuthClaimsAndHeader: assertAssertion,
    renderError,
    interactions: {
      policy: loginPolicy(),
      url: (_koa, interaction) => `${issuer}/oauth/interaction/${interaction.uid}`,
    },
    enabledJWA: {
      clientAuthSigningAlgValues: ['EdDSA', 'Ed25519', 'ES256', 'RS256', 'PS256'],
      dPoPSigningAlgValues: ['EdDSA', 'Ed25519', 'ES256'],
      idTokenSigningAlgValues: [algorithm],
    },
    features: {
      ...features,
      dPoP: { enabled: true, nonceSecret: ctx.sealer.derive('oauth dpop nonce'), requireNonce: () => isNonceRequired },
      clientIdMetadataDocument: metadataDocuments(ctx),
      deviceFlow: { enabled: true, ...deviceFlowPages },
      // Answered by us, so that a client is kept as all others are; here it is announced.
      registration: { enabled: ctx.settings.dynamicRegistration, issueRegistrationAccessToken: false },
      rpInitiatedLogout: { enabled: true, ...logoutPages },
    },
  }
}

/** What the server does, the same for every tenant. OAuth 2.1: codes with PKCE, and nothing that OAuth 2.1 left out. */
const protocol = {
  responseTypes: ['code'],
  subjectTypes: ['public'],
  scopes: openIdScopes,
  claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
  pkce: { required: () => true },
  allowOmittingSingleRegisteredRedirectUri: false,
  clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  rotateRefreshToken: true,
  issueRefreshToken: (_koa, client) => client.grantTypeAllowed('refresh_token'),
  expiresWithSession: (_koa, source) => !source.scopes.has('offline_access'),
  clientBasedCORS: (_koa, origin, client) =>
    (client.redirectUris ?? []).some((uri) => URL.parse(uri)?.origin === origin),
  routes: {
    authorization: '/oauth/authorize',
    code_verification: '/oauth/device',
    device_authorization: '/oauth/device_authorization',
    end_session: '/oauth/logout',
    introspection: '/oauth/introspect',
    jwks: '/.well-known/jwks.json',
    pushed_authorization_request: '/oauth/par',
    registration: '/oauth/register',
    revocation: '/oauth/revoke',
    token: '/oauth/token',
    userinfo: '/oauth/userinfo',
  },
} satisfies Configuration

const features = {
  devInteractions: { enabled: false },
  clientCredentials: { enabled: true },
  pushedAuthorizationRequests: { enabled: true },
  introspection: {
    enabled: true,
    allowedPolicy: (_koa, client, token) => token.clientId === client.clientId,
  },
  revocation: {
    enabled: true,
    allowedPolicy: (_koa, client, token) => token.clientId === client.clientId,
  },
  resourceIndicators: {
    enabled: true,
    defaultResource,
    getResourceServerInfo: resourceServerInfo,
    useGrantedResource: () => true,
  },
} satisfies Configuration['features']

const ttl = {
  AccessToken: accessTokenSeconds,
  AuthorizationCode: codeSeconds,
  ClientCredentials: accessTokenSeconds,
  DeviceCode: deviceCodeSeconds,
  Grant: (_koa, grant) =>
    grant.getOIDCScope().split(' ').includes('offline_access') ? offlineSeconds : sessionSeconds,
  IdToken: accessTokenSeconds,
  Interaction: interactionSeconds,
  // No longer than its grant, however often it is rotated.
  RefreshToken: (koa) => Math.max(1, koa.oidc.entities.Grant?.remainingTTL ?? sessionSeconds),
  Session: sessionSeconds,
} satisfies Configuration['ttl']

/** A grant whose sessions were ended elsewhere is none any more; the person is asked again. */
async function loadExistingGrant({ oidc, req }: KoaContextWithOIDC) {
  const { provider, client, session, result } = oidc
  const grantId = result?.consent?.grantId ?? session?.grantIdFor(client?.clientId ?? '')
  if (grantId === undefined || !(await isGrantLive(contextOf({ req }), grantId))) return undefined
  return provider.Grant.find(grantId)
}

/**
 * DESIGN D7: a refresh token that is used once more within its grace yields the same successor, never a second. So the
 * successor's value is derived from it, with a key that nobody else has.
 */
function deriveSuccessors({ RefreshToken }: Provider, ctx: Context): void {
  const key = ctx.sealer.derive('oauth refresh token successor')
  const random: unknown = Reflect.get(RefreshToken.prototype, 'generateTokenId')
  if (typeof random !== 'function') throw new Error('the provider names its tokens in another way now')
  Reflect.set(RefreshToken.prototype, 'generateTokenId', function generateTokenId(this: object): unknown {
    const rotated = Provider.ctx?.oidc.entities.RotatedRefreshToken
    return rotated ? hmacSha256(key, rotated.jti).toString('base64url') : Reflect.apply(random, this, [])
  })
}

function toJwk(key: Record<string, unknown>): JWK {
  const { kty } = key
  if (typeof kty !== 'string') throw new Error('a signing key has no type')
  return { ...key, kty }
}

/** What is no refusal is a fault of ours. NOTE: the log writes what every error has: what hangs on it may be secret. */
function logFaults(provider: Provider, tenantCtx: Context): void {
  const log = (error: unknown) => {
    const { log: target, requestId } = currentContext(tenantCtx)
    target.error({ requestId, error }, 'an OAuth request failed')
  }
  provider.on('server_error', (_koa, error) => log(error))
  // The library's types know no listener for it, and without one Koa prints to the console.
  EventEmitter.prototype.on.call(provider, 'error', log)
}
