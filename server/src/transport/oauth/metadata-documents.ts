import type { Client, Configuration, KoaContextWithOIDC } from 'oidc-provider'
import { keepDescribedClient, knownClient, type Described } from '../../features/clients/service.ts'
import type { Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { isLoopbackName } from '../host-guard.ts'
import { isLoginLive } from './accounts.ts'
import { clientName } from './pages/client-name.ts'
import { currentContext } from './requests.ts'

/** Shortest and longest time that a document is believed without being read again. */
const cacheDuration = { min: 60, max: 3600 }
const documentBytesMax = 5120

/** What our model knows of the ways in which a client goes on. */
const authMethods = ['none', 'private_key_jwt'] as const
const grantTypes = ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'] as const

type Feature = NonNullable<NonNullable<Configuration['features']>['clientIdMetadataDocument']>

/**
 * Clients named by the URL of their metadata (OAuth Client ID Metadata Document). A stranger's URL is read only once a
 * person has logged in here to use it, or a person did so before; and only through the way out for untrusted addresses.
 */
export function metadataDocuments(tenantCtx: Context): Feature {
  return {
    enabled: true,
    ack: 'draft-02',
    cacheDuration,
    async allowFetch(koa: KoaContextWithOIDC | undefined, url) {
      const ctx = currentContext(tenantCtx)
      const isFront = koa?.oidc.route === 'authorization'
      if (isFront) return koa.oidc.session !== undefined && isLoginLive(ctx, koa.oidc.session)
      return (await knownClient(ctx, url)) !== undefined
    },
    async allowClient(_koa, client) {
      const described = describe(client)
      if (!described) return false
      try {
        await keepDescribedClient(currentContext(tenantCtx), client.clientId, described)
        return true
      } catch (error) {
        if (error instanceof Problem) return false
        throw error
      }
    },
  }
}

/** The library's way out: documents, and the key sets that clients name. */
export function fetchUntrusted(tenantCtx: Context): NonNullable<Configuration['fetch']> {
  const { fetch, caller } = tenantCtx
  return (url, options) => fetch.untrusted({ tenantId: caller.tenantId, bytesMax: documentBytesMax })(url, options)
}

/** What is kept of a document; undefined where it asks for what we do not give. */
function describe(client: Client): Described | undefined {
  const authMethod = authMethods.find((each) => each === client.clientAuthMethod)
  const returnsTo = [...(client.redirectUris ?? []), ...(client.postLogoutRedirectUris ?? [])]
  if (!authMethod || returnsTo.some(isInTheClear)) return undefined
  return {
    name: clientName(client),
    authMethod,
    redirectUris: [...(client.redirectUris ?? [])],
    postLogoutRedirectUris: [...(client.postLogoutRedirectUris ?? [])],
    grantTypes: grantTypes.filter((each) => client.grantTypeAllowed(each)),
    applicationType: client.applicationType ?? 'web',
    defaultScopes: [],
    jwks: undefined,
    requireDpop: client.dpopBoundAccessTokens ?? false,
  }
}

/** The library takes plain http to any host; codes go so to this machine alone (RFC 8252 §7.3). */
function isInTheClear(uri: string): boolean {
  const url = URL.parse(uri)
  return url?.protocol === 'http:' && !isLoopbackName(url.host)
}
