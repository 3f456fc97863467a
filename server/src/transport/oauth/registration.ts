import type { ServerResponse } from 'node:http'
import { RedirectUri, redirectUrisMax } from '@agent-iam/contract/clients'
import { Name } from '@agent-iam/contract/text'
import { errors, type Provider } from 'oidc-provider'
import { z } from 'zod'
import { registerDynamicClient, type Described } from '../../features/clients/service.ts'
import type { Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { refusalOf } from '../../platform/public-keys.ts'
import { isScope } from './scopes.ts'

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code'

/** RFC 7591 §2. What is not listed is not kept; the server may leave metadata out. */
const Metadata = z.object({
  redirect_uris: z.array(RedirectUri).max(redirectUrisMax).default([]),
  post_logout_redirect_uris: z.array(RedirectUri).max(redirectUrisMax).default([]),
  client_name: Name.default('An application without a name'),
  token_endpoint_auth_method: z
    .enum(['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'])
    .default('client_secret_basic'),
  grant_types: z.array(z.enum(['authorization_code', 'refresh_token', deviceGrant])).default(['authorization_code']),
  response_types: z.array(z.literal('code')).max(1).optional(),
  application_type: z.enum(['web', 'native']).optional(),
  scope: z.string().max(2000).default(''),
  jwks: z
    .object({
      keys: z
        .array(z.record(z.string(), z.union([z.string(), z.array(z.string())])))
        .min(1)
        .max(10),
    })
    .optional(),
  dpop_bound_access_tokens: z.boolean().default(false),
})
type Metadata = z.output<typeof Metadata>

const scopesMax = 100

interface Exchange {
  readonly ctx: Context
  readonly provider: Provider
  readonly response: ServerResponse
}

/** RFC 7591 §3: any page may ask, as clients in a browser do; nothing of ours comes with the request. */
export async function answerRegistration({ ctx, provider, response }: Exchange, body: string): Promise<void> {
  const answer = (status: number, content: object) =>
    response
      .writeHead(status, {
        'content-type': 'application/json; charset=utf-8',
        'cache-control': 'no-store',
        'access-control-allow-origin': '*',
      })
      .end(JSON.stringify(content))
  try {
    answer(201, await registerClient(ctx, provider, body))
  } catch (error) {
    if (error instanceof errors.OIDCProviderError)
      answer(400, { error: error.message, error_description: error.error_description })
    else if (error instanceof Problem)
      answer(429, { error: 'temporarily_unavailable', error_description: error.detail })
    else throw error
  }
}

/** Registers a client that asks for it by itself; throws an OAuth error where it asks for what is not given. */
async function registerClient(ctx: Context, provider: Provider, body: string): Promise<object> {
  const metadata = readMetadata(body)
  const described = describe(metadata)
  requireAcceptedKeys(described)
  await provider.Client.validate(wireOf(described, { client_id: 'cli_new', ...placeholderOf(described) }))
  const { client, secret } = await registerDynamicClient(ctx, described)
  return {
    ...wireOf(described, { client_id: client.id }),
    client_id_issued_at: Math.floor(client.createdAt.getTime() / 1000),
    ...(secret !== undefined && { client_secret: secret, client_secret_expires_at: 0 }),
    ...(client.defaultScopes.length > 0 && { scope: client.defaultScopes.join(' ') }),
  }
}

/** A key that the gate refuses would verify no assertion; RFC 7591 §3.2.2 has this error for it. */
function requireAcceptedKeys({ jwks }: Described): void {
  for (const key of jwks?.keys ?? []) {
    const refusal = refusalOf(key)
    if (refusal !== undefined) throw new errors.InvalidClientMetadata(`jwks: ${refusal}`)
  }
}

function readMetadata(body: string): Metadata {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    throw new errors.InvalidClientMetadata('the body is not JSON')
  }
  const read = Metadata.safeParse(json)
  if (read.success) return read.data
  const [issue] = read.error.issues
  const field = issue?.path.join('.') ?? 'the body'
  const detail = `${field}: ${issue?.message ?? 'is wrong'}`
  throw field.startsWith('redirect_uris')
    ? new errors.InvalidRedirectUri(detail)
    : new errors.InvalidClientMetadata(detail)
}

function describe(metadata: Metadata): Described {
  const { redirect_uris: redirectUris, application_type: said } = metadata
  const isLocal = redirectUris.some((uri) => !uri.startsWith('https:'))
  return {
    name: metadata.client_name,
    authMethod: metadata.token_endpoint_auth_method,
    redirectUris,
    postLogoutRedirectUris: metadata.post_logout_redirect_uris,
    grantTypes: metadata.grant_types,
    // Clients on a person's machine often do not say so; where they return to does.
    applicationType: said ?? (isLocal ? 'native' : 'web'),
    defaultScopes: metadata.scope.split(' ').filter(isScope).slice(0, scopesMax),
    jwks: metadata.jwks,
    requireDpop: metadata.dpop_bound_access_tokens,
  }
}

/** As RFC 7591 spells it, for the provider to look at and the client to read. */
function wireOf(described: Described, more: Record<string, string>) {
  const isInteractive = described.grantTypes.includes('authorization_code')
  return {
    ...more,
    client_id: more['client_id'] ?? '',
    client_name: described.name,
    redirect_uris: described.redirectUris,
    post_logout_redirect_uris: described.postLogoutRedirectUris,
    grant_types: described.grantTypes,
    response_types: isInteractive ? ['code' as const] : [],
    token_endpoint_auth_method: described.authMethod,
    application_type: described.applicationType,
    dpop_bound_access_tokens: described.requireDpop,
    ...(described.jwks && { jwks: { keys: described.jwks.keys.map((key) => ({ kty: '', ...key })) } }),
  }
}

/** The provider looks whether there is a secret, not which. */
function placeholderOf({ authMethod }: Described): Record<string, string> {
  return authMethod.startsWith('client_secret') ? { client_secret: 'none-yet' } : {}
}
