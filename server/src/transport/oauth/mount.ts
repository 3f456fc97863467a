import type { ServerResponse } from 'node:http'
import type { TenantId } from '@agent-iam/contract/ids'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Context } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import type { Arrival, Front } from './front.ts'
import type { Terms } from './issuers.ts'
import { resourceMetadata, resourceMetadataPaths } from './resource-metadata.ts'

/**
 * The OAuth endpoints of every issuer, spelt as their RFCs spell them: ‹issuer›/oauth/…, and the metadata at its three
 * places (OpenID Connect Discovery §4, RFC 8414 §3.1). The provider reads the requests raw, so nothing is parsed before.
 */
export async function mountOauth(server: FastifyInstance, system: Context, terms: Terms): Promise<void> {
  let loading: Promise<Front> | undefined
  const front = () => (loading ??= import('./front.ts').then((module) => new module.Front(system, terms)))
  serveResourceMetadata(server, system)
  await serveRegistration(server, system, front)
  await server.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null))
    for (const place of places)
      scope.route({
        method: ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'],
        url: place.url,
        handler: async (request, reply) => {
          const arrival = arrivalOf(system, request, reply, place)
          const arrived = await (await front()).arrive(arrival)
          leaveTo(reply)
          await (await front()).handOver(arrival, arrived)
        },
      })
    done()
  })
  await server.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(formType, { parseAs: 'string', bodyLimit: formBytesMax }, (_request, body, parsed) =>
      parsed(null, body),
    )
    for (const place of interactionPlaces)
      scope.route({
        method: ['GET', 'POST'],
        url: place.url,
        handler: async (request, reply) => {
          const arrival = arrivalOf(system, request, reply, place)
          const arrived = await (await front()).arrive(arrival)
          leaveTo(reply)
          const form = typedIn(request)
          if (place.isLoginFirst) await (await front()).logInFirst(arrival, arrived, form)
          else await (await front()).interact(arrival, arrived, { uid: uidOf(request), form })
        },
      })
    done()
  })
}

/** Where that is switched on, clients register themselves; elsewhere the provider says that there is no such place. */
async function serveRegistration(server: FastifyInstance, system: Context, front: () => Promise<Front>): Promise<void> {
  if (!system.settings.dynamicRegistration) return
  await server.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers()
    const options = { parseAs: 'string', bodyLimit: formBytesMax } as const
    scope.addContentTypeParser('application/json', options, (_request, body, parsed) => parsed(null, body))
    for (const place of registrationPlaces)
      scope.post(place.url, async (request, reply) => {
        const arrival = arrivalOf(system, request, reply, place)
        const arrived = await (await front()).arrive(arrival)
        leaveTo(reply)
        await (await front()).register(arrival, arrived, String(request.body))
      })
    done()
  })
}

/** What is ours to tell and not the provider's: our own API as a resource (RFC 9728), for pages of any site. */
function serveResourceMetadata(server: FastifyInstance, system: Context): void {
  for (const { url } of resourceMetadataPaths)
    server.get(url, (request, reply) =>
      reply
        .header('access-control-allow-origin', '*')
        .header('cache-control', 'public, max-age=300')
        .send(resourceMetadata(system.keys, tenantOf(system, request))),
    )
}

interface Place {
  readonly url: string
  /** Before what the provider knows as its own paths. */
  readonly isOfTenant: boolean
  /** Where the provider has it, if that is not where it was asked for. */
  readonly path?: string
}

const metadataPaths = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']

const places: readonly Place[] = [
  { url: '/oauth/*', isOfTenant: false },
  { url: '/t/:tenantId/oauth/*', isOfTenant: true },
  ...metadataPaths.flatMap((path) => [
    { url: path, isOfTenant: false },
    { url: `/t/:tenantId${path}`, isOfTenant: true },
    { url: `${path}/t/:tenantId`, isOfTenant: true, path },
  ]),
]

const interactionPlaces: ReadonlyArray<Place & { readonly isLoginFirst: boolean }> = [
  { url: '/oauth/interaction/:uid', isOfTenant: false, isLoginFirst: false },
  { url: '/t/:tenantId/oauth/interaction/:uid', isOfTenant: true, isLoginFirst: false },
  { url: '/oauth/login', isOfTenant: false, isLoginFirst: true },
  { url: '/t/:tenantId/oauth/login', isOfTenant: true, isLoginFirst: true },
]

const registrationPlaces: readonly Place[] = [
  { url: '/oauth/register', isOfTenant: false },
  { url: '/t/:tenantId/oauth/register', isOfTenant: true },
]

const formType = 'application/x-www-form-urlencoded'
/** A login form with its ticket is a few kilobytes. */
const formBytesMax = 16_384

function typedIn({ body }: FastifyRequest): URLSearchParams {
  return new URLSearchParams(typeof body === 'string' ? body : '')
}

function uidOf({ params }: FastifyRequest): string {
  return String(Reflect.get(Object(params), 'uid'))
}

function arrivalOf(system: Context, request: FastifyRequest, reply: FastifyReply, place: Place): Arrival {
  const tenantId = tenantOf(system, request)
  const mount = place.isOfTenant ? `/t/${tenantId}` : ''
  const path = place.path ?? (request.raw.url ?? '/').slice(mount.length)
  return { request: request.raw, response: reply.raw, tenantId, address: request.ip, path, mount }
}

function tenantOf({ keys }: Context, { params }: FastifyRequest): TenantId {
  const named: unknown = Reflect.get(Object(params), 'tenantId')
  const tenantId = named === undefined ? keys.tenantOf(keys.publicUrl) : named
  if (typeof tenantId === 'string' && isId('tenant', tenantId)) return tenantId
  throw new Problem('not-found', 'there is no such issuer; look at the iss of a token')
}

/** From here on the provider answers. The headers are as every other answer's; its pages bring a policy of their own. */
function leaveTo(reply: FastifyReply): void {
  setHeaders(reply.raw)
  reply.hijack()
}

function setHeaders(response: ServerResponse): void {
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('x-frame-options', 'DENY')
  response.setHeader('referrer-policy', 'no-referrer')
  response.setHeader('content-security-policy', "default-src 'none'; script-src 'none'; frame-ancestors 'none'")
}
