import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TenantId } from '@agent-iam/contract/ids'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { asCaller, type Context } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { answerInteraction, showInteraction, type Exchange } from './interaction.ts'
import { Issuers } from './issuers.ts'
import { bindContext } from './requests.ts'

interface Door {
  readonly system: Context
  readonly isNonceRequired: boolean
}

/**
 * The OAuth endpoints of every issuer, spelt as their RFCs spell them: ‹issuer›/oauth/…, and the metadata at its three
 * places (OpenID Connect Discovery §4, RFC 8414 §3.1). The provider reads the requests raw, so nothing is parsed before.
 */
export async function mountOauth(server: FastifyInstance, { system, isNonceRequired }: Door): Promise<void> {
  const issuers = new Issuers(system, { isNonceRequired })
  await server.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null))
    for (const place of places())
      scope.route({
        method: ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'],
        url: place.url,
        handler: async (request, reply) => {
          const { provider, tenantId } = await arrive(issuers, system, request, reply)
          readdress(request.raw, place, tenantId)
          reply.hijack()
          await provider.callback()(request.raw, reply.raw)
        },
      })
    done()
  })
  await server.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(formType, { parseAs: 'string', bodyLimit: formBytesMax }, (_request, body, parsed) =>
      parsed(null, body),
    )
    for (const mount of ['', '/t/:tenantId']) {
      const url = `${mount}/oauth/interaction/:uid`
      const handle = async (request: FastifyRequest, reply: FastifyReply) => {
        const exchange = await openExchange(issuers, system, request, reply)
        reply.hijack()
        await (request.method === 'POST' ? answerInteraction(exchange) : showInteraction(exchange))
      }
      scope.route({ method: ['GET', 'POST'], url, handler: handle })
    }
    done()
  })
}

const formType = 'application/x-www-form-urlencoded'
/** A login form with its ticket is a few kilobytes. */
const formBytesMax = 16_384

async function openExchange(
  issuers: Issuers,
  system: Context,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Exchange> {
  const { provider, ctx } = await arrive(issuers, system, request, reply)
  const uid: unknown = Reflect.get(Object(request.params), 'uid')
  const form = new URLSearchParams(typeof request.body === 'string' ? request.body : '')
  return { ctx, provider, request: request.raw, response: reply.raw, uid: String(uid), form }
}

/** Finds whose the request is, and makes it ready for the provider. */
async function arrive(issuers: Issuers, system: Context, request: FastifyRequest, reply: FastifyReply) {
  const tenantId = tenantOf(system, request)
  const provider = await issuers.providerOf(tenantId)
  setHeaders(reply)
  return { provider, tenantId, ctx: prepare(system, request, tenantId) }
}

interface Place {
  readonly url: string
  /** Before what the provider knows as its own paths. */
  readonly isOfTenant: boolean
  /** Where the provider has it, if that is not where it was asked for. */
  readonly path?: string
}

function places(): Place[] {
  const metadata = ['openid-configuration', 'oauth-authorization-server'].map((name) => `/.well-known/${name}`)
  return [
    { url: '/oauth/*', isOfTenant: false },
    { url: '/t/:tenantId/oauth/*', isOfTenant: true },
    ...metadata.flatMap((path) => [
      { url: path, isOfTenant: false },
      { url: `/t/:tenantId${path}`, isOfTenant: true },
      { url: `${path}/t/:tenantId`, isOfTenant: true, path },
    ]),
  ]
}

function tenantOf({ keys }: Context, { params }: FastifyRequest): TenantId {
  const named: unknown = Reflect.get(Object(params), 'tenantId')
  const tenantId = named === undefined ? keys.tenantOf(keys.publicUrl) : named
  if (typeof tenantId === 'string' && isId('tenant', tenantId)) return tenantId
  throw new Problem('not-found', 'there is no such issuer; look at the iss of a token')
}

/** Whoever asks, the provider acts as the system in the tenant; and it sees our address and theirs, not what was sent. */
function prepare(system: Context, { raw, ip }: FastifyRequest, tenantId: TenantId): Context {
  const requestId = system.newId('request')
  const ctx = asCaller({ ...system, requestId }, { kind: 'system', tenantId, address: ip })
  bindContext(raw, ctx)
  const { host, protocol } = new URL(system.keys.publicUrl)
  raw.headers['x-forwarded-host'] = host
  raw.headers['x-forwarded-proto'] = protocol.slice(0, -1)
  raw.headers['x-forwarded-for'] = ip
  return ctx
}

/** The provider finds its own path in `url`, and by the difference to `originalUrl` where it is mounted. */
function readdress(raw: IncomingMessage & { originalUrl?: string }, place: Place, tenantId: TenantId): void {
  const mount = place.isOfTenant ? `/t/${tenantId}` : ''
  const path = place.path ?? (raw.url ?? '/').slice(mount.length)
  raw.url = path
  raw.originalUrl = mount + path
}

/** As every other answer of ours; the pages bring a policy of their own. */
function setHeaders({ raw }: { raw: ServerResponse }): void {
  raw.setHeader('x-content-type-options', 'nosniff')
  raw.setHeader('x-frame-options', 'DENY')
  raw.setHeader('referrer-policy', 'no-referrer')
  raw.setHeader('content-security-policy', "default-src 'none'; script-src 'none'; frame-ancestors 'none'")
}
