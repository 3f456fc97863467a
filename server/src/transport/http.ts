import { performance } from 'node:perf_hooks'
import type { SecureContextOptions } from 'node:tls'
import type { Operation } from '@agent-iam/contract/operation'
import { platformTenantId } from '@agent-iam/contract/ids'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { RefusalRecorder } from '../features/audit/refusals.ts'
import type { DerivedGuard } from '../features/authorization/service.ts'
import type { Limiter } from '../features/limits/service.ts'
import type { RecentCallers } from '../features/sessions/service.ts'
import type { SessionUses } from '../features/sessions/uses.ts'
import { bodyDepthMax, isNestedDeeper } from '../lib/nesting.ts'
import { asCaller, type Context } from '../platform/context.ts'
import { answerOnce, takesKey } from '../platform/idempotency.ts'
import { Problem } from '../platform/problem.ts'
import { entityTagOf } from '../platform/revision.ts'
import type { Route } from '../platform/route.ts'
import type { Telemetry } from '../platform/telemetry.ts'
import { authenticate } from './authenticate.ts'
import { withBasicCredentials } from './basic-credentials.ts'
import type { NonceUse } from './dpop.ts'
import { dpopNonce } from './dpop-nonce.ts'
import { withProof } from './dpop-request.ts'
import { hostGuard } from './host-guard.ts'
import { publishedSecondsOf, sendPublished } from './published-response.ts'
import { isOnlyLocal, requireMetricsToken } from './metrics-guard.ts'
import { nameRequest } from './text-refusal.ts'
import { identified, strangerLimit } from './rate-limit.ts'
import { isOfStatusLists, sendStatusList } from './status-list-response.ts'
import { tlsServerFactory } from './tls.ts'
import type { CertificateReader } from './peer-certificate.ts'
import { contentSecurityPolicyOf } from './pages/content-security-policy.ts'
import { isNonceDue, pathOf, refuse, type Exchange } from './refuse.ts'

/** Largest body: far above any honest request, far below what would hurt. */
const bodyBytesMax = 262_144
/** A client that sends its headers or body slower than this is not one. */
const requestTimeoutMs = 30_000

export interface Door {
  /** A context for one request, before anybody is known. */
  readonly world: Omit<Context, 'caller' | 'requestId' | 'traceId'>
  readonly routes: readonly Route[]
  readonly refusals: RefusalRecorder
  readonly limiter: Limiter
  readonly recentCallers: RecentCallers
  readonly sessionUses: SessionUses
  readonly derivedGuard: DerivedGuard
  readonly telemetry: Telemetry
  readonly publicUrl: string
  readonly isLoopback: boolean
  readonly metricsToken: string | undefined
  /** Whose `X-Forwarded-For` tells where a request comes from. */
  readonly trustedProxies: readonly string[]
  /** Whether proofs of possession must hold a nonce of ours. */
  readonly dpopNonce: NonceUse
  readonly certificateOf: CertificateReader
  /** With it the server itself speaks TLS. */
  readonly tls: SecureContextOptions | undefined
}

/** A request's whole way: match → authenticate → answer → send; whatever is thrown ends as a problem document. */
export function createHttpServer(door: Door): FastifyInstance {
  const server = fastify({
    bodyLimit: bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    trustProxy: door.trustedProxies.length > 0 && [...door.trustedProxies],
    forceCloseConnections: 'idle',
    // What still arrives while we stop, on connections that are open, is answered as ever; each closes after its answer.
    return503OnClosing: false,
    logger: false,
    ...(door.tls && { serverFactory: tlsServerFactory(door.tls, requestTimeoutMs) }),
  })
  // JSON alone: a page of another site may send text/plain without asking first, and no operation reads it.
  server.removeContentTypeParser('text/plain')
  server.addHook('onRequest', hostGuard(door.publicUrl, door.isLoopback))
  server.addHook('onSend', (_request, reply, _payload, done) => {
    for (const [name, value] of securityHeaders) if (!reply.hasHeader(name)) reply.header(name, value)
    done()
  })
  const operations = operationsByPlace(door.routes)
  const operationOf = ({ method, routeOptions }: FastifyRequest) => operations.get(`${method} ${routeOptions.url}`)
  const contextOfRequest = (request: FastifyRequest) => contextOf(door, request)
  server.addHook('onRequest', strangerLimit({ limiter: door.limiter, contextOf: contextOfRequest, operationOf }))
  for (const route of door.routes) mount(server, door, route)
  mountOtherMethods(server, door)
  server.setNotFoundHandler((request, reply) =>
    refuse(door, unknownPath(request), { request, reply, ctx: contextOf(door, request) }),
  )
  server.setErrorHandler((error, request, reply) => refuseUnread(door, operationOf(request), error, { request, reply }))
  return server
}

/** For every answer that does not bring its own, as a page does its policy and the key set its lifetime. */
const securityHeaders = [
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
  ['x-content-type-options', 'nosniff'],
  ['x-frame-options', 'DENY'],
  ['referrer-policy', 'no-referrer'],
  ['cache-control', 'no-store'],
] as const

function mount(server: FastifyInstance, door: Door, route: Route): void {
  const { method, bodyBytesMax: bodyLimit = bodyBytesMax } = route.operation
  for (const url of pathsOf(route.operation))
    server.route({ method, url, bodyLimit, handler: (request, reply) => answer(door, route, { request, reply }) })
}

function pathsOf({ path, aliases = [] }: Operation): string[] {
  return [path, ...aliases].flatMap((each) =>
    each.startsWith('/api/v1/') ? [each, each.slice('/api'.length)] : [each],
  )
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** A path of ours asked with a method that it does not have says which it has. */
function mountOtherMethods(server: FastifyInstance, door: Door): void {
  const taken = Map.groupBy(operationsByPlace(door.routes).keys(), (place) => place.slice(place.indexOf(' ') + 1))
  for (const [url, places] of taken) {
    const allowed = places.map((place) => place.slice(0, place.indexOf(' ')))
    const detail = `only ${allowed.join(', ')} here; /docs lists what there is`
    server.route({
      method: methods.filter((method) => !allowed.includes(method)),
      url,
      handler: (request, reply) =>
        refuse(door, new Problem('method-not-allowed', detail), {
          request,
          reply: reply.header('allow', allowed.join(', ')),
          ctx: contextOf(door, request),
        }),
    })
  }
}

function operationsByPlace(routes: readonly Route[]): Map<string, Operation> {
  const places = routes.flatMap(({ operation }) =>
    pathsOf(operation).map((path) => [`${operation.method} ${path}`, operation] as const),
  )
  return new Map(places)
}

async function answer(door: Door, route: Route, { request, reply }: Exchange): Promise<FastifyReply> {
  const { operation } = route
  const began = performance.now()
  let ctx = contextOf(door, request)
  try {
    if (operation.id === 'metrics')
      requireMetricsToken(door.metricsToken, request.headers.authorization, isOnlyLocal(door))
    ctx = await identify(door, ctx, route, { request, reply })
    await door.derivedGuard(ctx, operation)
    const result = await resultOf(ctx, route, request)
    nameRequest(operation, request, reply, ctx)
    if (isNonceDue(door, request)) reply.header('dpop-nonce', dpopNonce(ctx))
    return send(operation, reply, result)
  } catch (error) {
    return await refuse(door, error, { request, reply, ctx, operation })
  } finally {
    door.telemetry.requestAnswered(operation.id, reply.statusCode, (performance.now() - began) / 1000)
  }
}

/** The context of whoever sent the request, once that is known and within what they may send. */
async function identify(
  door: Door,
  anonymous: Context,
  { operation, takesRecentCaller = false }: Pick<Route, 'operation' | 'takesRecentCaller'>,
  exchange: Exchange,
): Promise<Context> {
  let proved = anonymous
  const { headers } = exchange.request
  const caller = await identified(door.limiter, { ctx: anonymous, operation, ...exchange }, async () => {
    proved = await withProof(anonymous, operation, exchange.request, door)
    return authenticate(proved, operation, headers, takesRecentCaller ? door.recentCallers : undefined)
  })
  door.sessionUses.note(caller, proved.clock.now())
  const known = asCaller(proved, caller)
  if (caller.kind !== 'identity' || caller.asOf === undefined) return known
  return { ...known, renewCaller: async () => asCaller(proved, await authenticate(proved, operation, headers)) }
}

async function resultOf(ctx: Context, route: Route, request: FastifyRequest): Promise<unknown> {
  const body = withBasicCredentials(route.operation, request.body ?? undefined, request.headers.authorization)
  const raw = { params: request.params, query: request.query, body, ifMatch: request.headers['if-match'] }
  if (isNestedDeeper(raw.body, bodyDepthMax))
    throw new Problem('invalid-request', `the body is nested deeper than ${bodyDepthMax}; send it flatter`)
  const work = await route.prepare(ctx, raw)
  const key = request.headers['idempotency-key']
  if (typeof key !== 'string' || !takesKey(route.operation)) return work(ctx)
  const asked = { operation: route.operation, key, request: { url: request.url, body: raw.body ?? null } }
  return answerOnce(ctx, asked, work)
}

/** A body that cannot be read is refused like any other fault: after its sender is known, and in the sender's log. */
async function refuseUnread(
  door: Door,
  operation: Operation | undefined,
  thrown: unknown,
  exchange: Exchange,
): Promise<FastifyReply> {
  const ctx = contextOf(door, exchange.request)
  // A Problem is the host guard's or a limit's: such a request is none of ours, and nobody is asked who sent it.
  if (!operation || thrown instanceof Problem) return refuse(door, thrown, { ...exchange, ctx })
  let known
  try {
    known = await identify(door, ctx, { operation }, exchange)
  } catch (error) {
    return refuse(door, error, { ...exchange, ctx, operation })
  }
  return refuse(door, thrown, { ...exchange, ctx: known, operation })
}

function send(operation: Operation, reply: FastifyReply, result: unknown): FastifyReply {
  reply.status(operation.status)
  const publishedSeconds = publishedSecondsOf[operation.id]
  if (publishedSeconds !== undefined) return sendPublished(reply, result, publishedSeconds)
  if (isOfStatusLists(operation)) return sendStatusList(reply, operation, result)
  if (operation.produces === 'text/html') {
    reply.header('content-security-policy', contentSecurityPolicyOf(operation.id))
  }
  if (operation.hasRevision) reply.header('etag', entityTagOf(Number(Reflect.get(Object(result), 'revision'))))
  if (operation.produces) return reply.type(`${operation.produces}; charset=utf-8`).send(result)
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(result))
}

function unknownPath(request: FastifyRequest): Problem {
  return new Problem('not-found', `there is no ${request.method} ${pathOf(request)}; /docs lists what there is`)
}

/** W3C Trace Context §3.2: the trace id is 32 hex digits. */
const traceparent = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/

const contexts = new WeakMap<FastifyRequest, Context>()

/** One for each request, whoever asks for it. */
function contextOf(door: Door, request: FastifyRequest): Context {
  const context = contexts.get(request) ?? makeContext(door, request)
  contexts.set(request, context)
  return context
}

function makeContext({ world, certificateOf }: Door, request: FastifyRequest): Context {
  const header = request.headers['traceparent']
  const traceId = typeof header === 'string' ? traceparent.exec(header)?.[1] : undefined
  return {
    ...world,
    requestId: world.newId('request'),
    traceId,
    caller: {
      kind: 'anonymous',
      tenantId: platformTenantId,
      address: request.ip,
      certificateThumbprint: certificateOf(request, world.clock.now()),
    },
  }
}
