import { z } from 'zod'

/** The registry of id kinds: `<prefix>_<UUIDv7 without dashes>`, self-explaining in a log and sortable by time. */
export const idPrefixes = {
  tenant: 'ten',
  user: 'usr',
  service: 'svc',
  agent: 'agt',
  enrolmentToken: 'ent',
  session: 'ses',
  policy: 'pol',
  decision: 'dec',
  event: 'evt',
  log: 'log',
  request: 'req',
  signingKey: 'key',
  client: 'cli',
  resource: 'rsc',
  secret: 'sec',
  apiKey: 'apk',
  passkey: 'psk',
  message: 'msg',
  registration: 'reg',
  invitation: 'inv',
  sdkToken: 'sdk',
  statusList: 'stl',
  role: 'rol',
  grant: 'gnt',
  rateLimit: 'lim',
} as const

export type IdKind = keyof typeof idPrefixes
export type Id<Kind extends IdKind> = `${(typeof idPrefixes)[Kind]}_${string}`

export type TenantId = Id<'tenant'>
export type UserId = Id<'user'>
export type ServiceId = Id<'service'>
export type AgentId = Id<'agent'>
export type IdentityId = UserId | ServiceId | AgentId
export type EnrolmentTokenId = Id<'enrolmentToken'>
export type SessionId = Id<'session'>
export type PasskeyId = Id<'passkey'>
export type SdkTokenId = Id<'sdkToken'>
export type ClientId = Id<'client'>
export type ResourceId = Id<'resource'>
export type PolicyId = Id<'policy'>
export type RoleId = Id<'role'>
export type GrantId = Id<'grant'>
export type RateLimitId = Id<'rateLimit'>
export type DecisionId = Id<'decision'>
export type EventId = Id<'event'>
export type LogId = Id<'log'>
export type RequestId = Id<'request'>
export type SecretId = Id<'secret'>
export type ApiKeyId = Id<'apiKey'>

/** Thirty-two hex digits: what follows the prefix of every id. */
const hexUuid = z.string().regex(/^[0-9a-f]{32}$/)

/** The schema of one kind of id, a template literal so that JSON Schema can show its pattern. */
export function idSchema<Kind extends IdKind>(kind: Kind): z.ZodTemplateLiteral<Id<Kind>> {
  return z.templateLiteral([idPrefixes[kind], '_', hexUuid], {
    error: `expected an id of the form ${idPrefixes[kind]}_ and 32 hex digits`,
  })
}

/** Any identity: a user, a service or an agent. */
export const IdentityIdSchema = z.union([idSchema('user'), idSchema('service'), idSchema('agent')])

/** The platform's own tenant: its id is the same in every installation, and its first migration made it. */
export const platformTenantId: TenantId = 'ten_00000000000070008000000000000001'
