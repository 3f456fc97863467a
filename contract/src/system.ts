import { z } from 'zod'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'

const page = { method: 'GET', action: 'public', status: 200, response: z.string(), problems: [], example: {} } as const

export const homePage = operation({
  ...page,
  id: 'homePage',
  path: '/',
  summary: 'Says what this is and where to go.',
  produces: 'text/html',
})

export const docsPage = operation({
  ...page,
  id: 'docsPage',
  path: '/docs',
  summary: 'The reference of every operation, for a browser.',
  produces: 'text/html',
})

export const metrics = operation({
  ...page,
  id: 'metrics',
  path: '/metrics',
  summary: 'Prometheus metrics; with `AGENT_IAM_METRICS_TOKEN` set, only for its bearer.',
  produces: 'text/plain',
  problems: ['unauthenticated'],
})

export const openapi = operation({
  ...page,
  id: 'openapi',
  path: '/openapi.json',
  summary: 'This API as OpenAPI 3.1.',
  response: z.record(z.string(), z.json()),
})

/** JWK Set (RFC 7517): every key that signs or has signed a token still valid. */
const Jwks = z.object({ keys: z.array(z.record(z.string(), z.json())) })

export const jwks = operation({
  ...page,
  id: 'jwks',
  path: '/.well-known/jwks.json',
  summary: 'The public keys of the default tenant’s issuer.',
  response: Jwks,
})

export const tenantJwks = operation({
  ...page,
  id: 'tenantJwks',
  path: '/t/:tenantId/.well-known/jwks.json',
  summary: 'The public keys of one tenant’s issuer.',
  params: z.strictObject({ tenantId: idSchema('tenant') }),
  response: Jwks,
  problems: ['not-found'],
  example: { params: { tenantId: 'ten_0198c5a1f3e07b2c8d4e6f708192a3b4' } },
})

export const Health = z.object({
  status: z.enum(['ok', 'degraded', 'down']),
  checks: z.record(z.string(), z.object({ status: z.enum(['ok', 'degraded', 'down']), detail: z.string() })),
})
export type Health = z.infer<typeof Health>

export const healthLive = operation({
  ...page,
  id: 'healthLive',
  path: '/health/live',
  summary: 'The process answers.',
  response: Health,
})

export const healthReady = operation({
  ...page,
  id: 'healthReady',
  path: '/health/ready',
  aliases: ['/health'],
  summary: 'Database, shared state, keys and log are there, so requests may come; else 503.',
  response: Health,
  problems: ['unavailable'],
})

export const healthStartup = operation({
  ...page,
  id: 'healthStartup',
  path: '/health/startup',
  summary: 'Migrations and first start are done; else 503.',
  response: Health,
  problems: ['unavailable'],
})
