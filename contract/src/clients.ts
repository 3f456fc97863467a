import { z } from 'zod'
import { CapabilityEntry, capabilitiesMax } from './capabilities.ts'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { Instant, Name } from './text.ts'

/** Most redirect URIs of one client: more than any honest one has. */
export const redirectUrisMax = 20
/** Most scopes that a resource server may declare. */
export const resourceScopesMax = 100

/** Visible ASCII: all that a URL holds unescaped; and neither a fragment nor what some parsers take for a slash. */
const unescaped = /^[\x21\x22\x24-\x5b\x5d-\x7e]*$/

/** An absolute URL as OAuth compares it: letter by letter, so it is kept as it was sent. */
const Url = (what: string, isGood: (url: URL) => boolean) =>
  z
    .string()
    .max(500)
    .refine((text) => {
      const url = URL.parse(text)
      return url !== null && unescaped.test(text) && isGood(url)
    }, what)

const loopback = new Set(['localhost', '127.0.0.1', '[::1]'])
const isPrivateScheme = ({ protocol }: URL) => /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:$/.test(protocol)

/** RFC 8252: https, http on the loopback address, or a private scheme with a dot in it; never a fragment. */
export const RedirectUri = Url(
  'is not an https URL, an http URL of the loopback address, or of a private scheme such as com.example.app:/callback',
  (url) =>
    url.protocol === 'https:' || (url.protocol === 'http:' && loopback.has(url.hostname)) || isPrivateScheme(url),
)

/** RFC 8707 §2: an absolute URI without a fragment. Plain http only for servers of this machine. */
export const ResourceUri = Url(
  'is not an https URI without a fragment',
  (url) => url.protocol === 'https:' || (url.protocol === 'http:' && loopback.has(url.hostname)),
)

/** RFC 6749 §3.3: one scope, without spaces. */
export const Scope = z
  .string()
  .max(200)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'is not a scope: visible ASCII without space, quote and backslash')

const GrantType = z.enum(['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'])
const AuthMethod = z.enum(['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'])
const PublicJwk = z.record(z.string(), z.union([z.string(), z.array(z.string())]))

const shape = {
  name: Name,
  redirectUris: z.array(RedirectUri).max(redirectUrisMax),
  postLogoutRedirectUris: z.array(RedirectUri).max(redirectUrisMax),
  grantTypes: z.array(GrantType).min(1).max(3),
  /** `native` is what runs on a person's machine: its loopback redirect may come from any port. */
  applicationType: z.enum(['web', 'native']),
  /** What the client gets that asks for no scope. */
  defaultScopes: z.array(z.union([CapabilityEntry.and(Scope), Scope])).max(capabilitiesMax),
  /** Public keys, for `private_key_jwt`. */
  jwks: z.strictObject({ keys: z.array(PublicJwk).min(1).max(10) }).optional(),
  /** Tokens only for who proves a key (RFC 9449). */
  requireDpop: z.boolean(),
}

export const OauthClient = z.object({
  clientId: idSchema('client'),
  ...shape,
  name: z.string(),
  redirectUris: z.array(z.string()),
  postLogoutRedirectUris: z.array(z.string()),
  grantTypes: z.array(z.string()),
  defaultScopes: z.array(z.string()),
  jwks: z.object({ keys: z.array(PublicJwk) }).optional(),
  authMethod: AuthMethod,
  /** Who vouches for it: an administrator, nobody, or the owner of the URL that names it. */
  source: z.enum(['registered', 'dynamic', 'metadata-document']),
  /** Where its metadata lies; this is then the `client_id` on the wire. */
  metadataUrl: z.string().nullable(),
  createdBy: z.string(),
  createdAt: Instant,
  updatedAt: Instant,
  /** When an unused self-registered client is forgotten. */
  expiresAt: Instant.nullable(),
})
export type OauthClient = z.infer<typeof OauthClient>

const example = { clientId: 'cli_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const
const ClientPath = z.strictObject({ clientId: idSchema('client') })
const secret = {
  /** Only in this answer, and only of a client that has one. */
  clientSecret: z.string().optional(),
}

export const createClient = operation({
  id: 'createClient',
  method: 'POST',
  path: '/api/v1/oauth/clients',
  action: 'clients:create',
  summary: 'Registers an application that people may let act for them; a machine is a service or an agent instead.',
  body: z.strictObject({
    ...shape,
    redirectUris: shape.redirectUris.default([]),
    postLogoutRedirectUris: shape.postLogoutRedirectUris.default([]),
    grantTypes: shape.grantTypes.default(['authorization_code', 'refresh_token']),
    applicationType: shape.applicationType.default('web'),
    defaultScopes: shape.defaultScopes.default([]),
    requireDpop: shape.requireDpop.default(false),
    authMethod: AuthMethod.default('client_secret_basic'),
  }),
  status: 201,
  response: OauthClient.extend(secret),
  secrets: ['clientSecret'],
  problems: ['forbidden'],
  example: { body: { name: 'A dashboard', redirectUris: ['https://dashboard.example/callback'] } },
})

export const listClients = operation({
  id: 'listClients',
  method: 'GET',
  path: '/api/v1/oauth/clients',
  action: 'clients:read',
  summary: 'Lists the OAuth clients that are no identities, newest first, never their secrets.',
  query: z.strictObject(pageQuery),
  status: 200,
  response: z.object({ clients: z.array(OauthClient), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

export const getClient = operation({
  id: 'getClient',
  method: 'GET',
  path: '/api/v1/oauth/clients/:clientId',
  action: 'clients:read',
  summary: 'Shows one OAuth client.',
  params: ClientPath,
  status: 200,
  response: OauthClient,
  problems: ['forbidden', 'not-found'],
  example: { params: example },
})

export const updateClient = operation({
  id: 'updateClient',
  method: 'PATCH',
  path: '/api/v1/oauth/clients/:clientId',
  action: 'clients:update',
  summary: 'Changes what is given of a registered client. Its way to authenticate stays.',
  params: ClientPath,
  body: z.strictObject(shape).partial(),
  status: 200,
  response: OauthClient,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: example, body: { name: 'The dashboard' } },
})

export const deleteClient = operation({
  id: 'deleteClient',
  method: 'DELETE',
  path: '/api/v1/oauth/clients/:clientId',
  action: 'clients:delete',
  summary: 'Removes a client; every session that people gave it ends.',
  params: ClientPath,
  status: 200,
  response: z.object({ clientId: idSchema('client'), endedSessions: z.int() }),
  problems: ['forbidden', 'not-found'],
  example: { params: example },
})

export const rotateClientSecret = operation({
  id: 'rotateClientSecret',
  method: 'POST',
  path: '/api/v1/oauth/clients/:clientId/rotate-secret',
  action: 'clients:rotate-secret',
  summary: 'Gives a confidential client a new secret; the old one is refused at once.',
  params: ClientPath,
  status: 200,
  response: z.object({ clientId: idSchema('client'), clientSecret: z.string() }),
  secrets: ['clientSecret'],
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: example },
})

export const OauthResource = z.object({
  resourceId: idSchema('resource'),
  resource: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  introspectedBy: z.array(z.string()),
  createdBy: z.string(),
  createdAt: Instant,
})
export type OauthResource = z.infer<typeof OauthResource>

const ResourcePath = z.strictObject({ resourceId: idSchema('resource') })
const resourceExample = { resourceId: 'rsc_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const

export const createResource = operation({
  id: 'createResource',
  method: 'POST',
  path: '/api/v1/oauth/resources',
  action: 'resource-servers:create',
  summary: 'Makes a resource server known, so that tokens can be asked for it (RFC 8707).',
  body: z.strictObject({
    resource: ResourceUri,
    name: Name,
    scopes: z.array(Scope).max(resourceScopesMax).default([]),
    /** Services and clients that may introspect tokens for it (RFC 7662). */
    introspectedBy: z
      .array(z.union([idSchema('service'), idSchema('client')]))
      .max(20)
      .default([]),
  }),
  status: 201,
  response: OauthResource,
  problems: ['forbidden', 'already-exists'],
  example: { body: { resource: 'https://mcp.example/files', name: 'Files over MCP', scopes: ['files:read'] } },
})

export const listResources = operation({
  id: 'listResources',
  method: 'GET',
  path: '/api/v1/oauth/resources',
  action: 'resource-servers:read',
  summary: 'Lists the resource servers that tokens can be asked for, newest first.',
  query: z.strictObject(pageQuery),
  status: 200,
  response: z.object({ resources: z.array(OauthResource), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

export const deleteResource = operation({
  id: 'deleteResource',
  method: 'DELETE',
  path: '/api/v1/oauth/resources/:resourceId',
  action: 'resource-servers:delete',
  summary: 'Forgets a resource server: no token is made for it any more.',
  params: ResourcePath,
  status: 200,
  response: OauthResource,
  problems: ['forbidden', 'not-found'],
  example: { params: resourceExample },
})
