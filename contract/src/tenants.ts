import { z } from 'zod'
import { Email } from './accounts.ts'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { FreeText, Instant, Name } from './text.ts'

/** Most that a limit can be set to: beyond it nothing was tried. */
const limitMax = 10_000_000
/** No chain of delegation is longer in any tenant. */
const delegationDepthMax = 10
/** No bulk operation takes more in any tenant. */
const bulkItemsMax = 1000

/** How much a tenant may have; what has ended does not count. */
export const TenantLimits = z.strictObject({
  agents: z.int().min(0).max(limitMax),
  users: z.int().min(1).max(limitMax),
  services: z.int().min(0).max(limitMax),
  /** Agents that one identity has made by delegation. */
  children: z.int().min(0).max(limitMax),
  /** Agents below the root of a chain. */
  delegationDepth: z.int().min(0).max(delegationDepthMax),
  /** Items of one bulk operation. */
  bulkItems: z.int().min(1).max(bulkItemsMax),
})
export type TenantLimits = Readonly<z.infer<typeof TenantLimits>>

/** Slugs that would be taken for the installation itself, or for a part of its addresses. */
const reservedSlugs: ReadonlySet<string> = new Set([
  'admin',
  'agent-iam',
  'api',
  'assets',
  'auth',
  'console',
  'default',
  'docs',
  'health',
  'jwks',
  'login',
  'mail',
  'metrics',
  'oauth',
  'operator',
  'platform',
  'public',
  'root',
  'setup',
  'status',
  'support',
  'system',
  't',
  'tenant',
  'tenants',
  'v1',
  'well-known',
  'www',
])

/** What the people of a new tenant will log in with: a label of a host name (RFC 1123), and no punycode. */
const NewSlug = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9]|-(?!-)){0,38}[a-z0-9]$/, 'is 2 to 40 lower-case letters, digits and single dashes')
  .refine((slug) => !reservedSlugs.has(slug), 'is reserved')

export const TenantStatus = z.enum(['active', 'suspended'])
export type TenantStatus = z.infer<typeof TenantStatus>

/** Live identities: what has ended does not count. */
const Usage = z.object({ agents: z.int(), users: z.int(), services: z.int() })

/** A tenant as the platform's operators see it: of what it holds, how much. */
export const Tenant = z.object({
  tenantId: idSchema('tenant'),
  slug: z.string(),
  name: z.string(),
  status: TenantStatus,
  limits: TenantLimits,
  usage: Usage,
  createdAt: Instant,
  suspendedAt: Instant.nullable(),
})
export type Tenant = z.infer<typeof Tenant>

/** How the first administrator of a tenant comes in. */
const AdministratorInvitation = z.object({
  email: z.string(),
  expiresAt: Instant,
  /** Whether the link was mailed; where no mail server delivers, it is in `invitationLink`. */
  mailed: z.boolean(),
})

/** The link that makes the first administrator, once; null where it was mailed. */
const invitationLink = z.string().nullable()

const NewAdministrator = z.strictObject({ email: Email, name: Name.default('Administrator') })
const SomeLimits = TenantLimits.partial()
const TenantPath = z.strictObject({ tenantId: idSchema('tenant') })
const Reason = z.strictObject({ reason: FreeText.optional() }).default({})
const exampleTenant = { tenantId: 'ten_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const

export const createTenant = operation({
  id: 'createTenant',
  method: 'POST',
  path: '/api/v1/tenants',
  action: 'tenants:create',
  summary: 'Makes a tenant with its own log, issuer and keys, and invites its first administrator. For operators only.',
  body: z.strictObject({
    slug: NewSlug,
    name: Name,
    administrator: NewAdministrator,
    limits: SomeLimits.default({}),
  }),
  status: 201,
  response: z.object({ ...Tenant.shape, administrator: AdministratorInvitation, invitationLink }),
  secrets: ['invitationLink'],
  problems: ['forbidden', 'already-exists'],
  example: {
    body: {
      slug: 'acme',
      name: 'Acme',
      administrator: { email: 'ada@acme.example', name: 'Ada' },
      limits: { agents: 500 },
    },
  },
})

export const listTenants = operation({
  id: 'listTenants',
  method: 'GET',
  path: '/api/v1/tenants',
  action: 'tenants:read',
  summary: 'Lists the tenants, the first made first, with how much they hold and may hold. For operators only.',
  query: z.strictObject({ ...pageQuery, status: TenantStatus.optional() }),
  status: 200,
  response: z.object({ tenants: z.array(Tenant), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

export const getTenant = operation({
  id: 'getTenant',
  method: 'GET',
  path: '/api/v1/tenants/:tenantId',
  action: 'tenants:read',
  summary: 'Returns a tenant, but nothing of what is in it. For operators only.',
  params: TenantPath,
  status: 200,
  response: Tenant,
  problems: ['forbidden', 'not-found'],
  example: { params: exampleTenant },
})

export const updateTenant = operation({
  id: 'updateTenant',
  method: 'PATCH',
  path: '/api/v1/tenants/:tenantId',
  action: 'tenants:update',
  summary: 'Renames a tenant; its slug and issuer stay. For operators only.',
  params: TenantPath,
  body: z.strictObject({ name: Name }),
  status: 200,
  response: Tenant,
  problems: ['forbidden', 'not-found'],
  example: { params: exampleTenant, body: { name: 'Acme Limited' } },
})

export const setTenantLimits = operation({
  id: 'setTenantLimits',
  method: 'PUT',
  path: '/api/v1/tenants/:tenantId/limits',
  action: 'tenants:set-limits',
  summary:
    'Sets how much a tenant may have; what is not said is as by default. What is there already stays. For operators only.',
  params: TenantPath,
  body: SomeLimits,
  status: 200,
  response: Tenant,
  problems: ['forbidden', 'not-found'],
  example: { params: exampleTenant, body: { agents: 1000, users: 50 } },
})

export const suspendTenant = operation({
  id: 'suspendTenant',
  method: 'POST',
  path: '/api/v1/tenants/:tenantId/suspend',
  action: 'tenants:suspend',
  summary:
    'Stops a tenant at once, on every instance: no login, no token, no decision. Neither the platform nor "default".',
  params: TenantPath,
  body: Reason,
  status: 200,
  response: Tenant,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: exampleTenant, body: { reason: 'not paid' } },
})

export const reactivateTenant = operation({
  id: 'reactivateTenant',
  method: 'POST',
  path: '/api/v1/tenants/:tenantId/reactivate',
  action: 'tenants:reactivate',
  summary: 'Lets a suspended tenant go on as it was. For operators only.',
  params: TenantPath,
  body: Reason,
  status: 200,
  response: Tenant,
  problems: ['forbidden', 'not-found', 'wrong-state'],
  example: { params: exampleTenant, body: { reason: 'paid' } },
})

export const inviteTenantAdministrator = operation({
  id: 'inviteTenantAdministrator',
  method: 'POST',
  path: '/api/v1/tenants/:tenantId/administrators',
  action: 'tenants:invite-administrator',
  summary:
    'Invites an administrator to a tenant that has no active one, and ends the invitation before. For operators only.',
  params: TenantPath,
  body: NewAdministrator,
  status: 201,
  response: z.object({ administrator: AdministratorInvitation, invitationLink }),
  secrets: ['invitationLink'],
  problems: ['forbidden', 'not-found', 'wrong-state', 'already-exists'],
  example: { params: exampleTenant, body: { email: 'grace@acme.example', name: 'Grace' } },
})

/** What the tenant itself decides. */
const TenantSettings = z.object({
  /** How long an agent lives that is registered from now on; null: until somebody ends it. */
  defaultAgentTtlSeconds: z.int().min(60).max(31_536_000).nullable(),
})

export const OwnTenant = z.object({
  tenantId: idSchema('tenant'),
  slug: z.string(),
  name: z.string(),
  status: TenantStatus,
  issuer: z.string(),
  settings: TenantSettings,
  createdAt: Instant,
})
export type OwnTenant = z.infer<typeof OwnTenant>

export const getOwnTenant = operation({
  id: 'getOwnTenant',
  method: 'GET',
  path: '/api/v1/tenant',
  action: 'tenant:read',
  summary: 'Returns the caller’s own tenant with its settings.',
  status: 200,
  response: OwnTenant,
  problems: ['forbidden'],
  example: {},
})

export const updateOwnTenant = operation({
  id: 'updateOwnTenant',
  method: 'PATCH',
  path: '/api/v1/tenant',
  action: 'tenant:update',
  summary: 'Changes the name or the settings of the caller’s own tenant.',
  body: z.strictObject({ name: Name.optional(), settings: z.strictObject(TenantSettings.shape).partial().optional() }),
  status: 200,
  response: OwnTenant,
  problems: ['forbidden'],
  example: { body: { name: 'Acme Limited', settings: { defaultAgentTtlSeconds: 2_592_000 } } },
})

export const getTenantUsage = operation({
  id: 'getTenantUsage',
  method: 'GET',
  path: '/api/v1/tenant/usage',
  action: 'tenant:read',
  summary: 'Tells how much the caller’s tenant holds, and how much it may.',
  status: 200,
  response: z.object({ usage: Usage, limits: TenantLimits }),
  problems: ['forbidden'],
  example: {},
})
