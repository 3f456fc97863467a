import type { SecureContextOptions } from 'node:tls'
import { largeBodyBytes, type Operation } from '@agent-iam/contract/operation'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { RefusalRecorder } from '../features/audit/refusals.ts'
import type { DerivedGuard } from '../features/authorization/service.ts'
import { answerOnce, takesKey } from '../platform/idempotency.ts'
import { Problem } from '../platform/problem.ts'
import { entityTagOf } from '../platform/revision.ts'
import type { Route } from '../platform/route.ts'
import type { Telemetry } from '../platform/telemetry.ts'
import { arrivalOf, arrive, contextOf, countLate, secondsOf, type Arrival, type Reception } from './arrival.ts'
import { withBasicCredentials } from './basic-credentials.ts'
import type { LargeBodies } from './body/large-bodies.ts'
import { bringsLargeBody, readBody, requireReadable, type ReadLarge } from './body/request-body.ts'
import { boundForeignBodies, leaveBodiesUnread } from './body/unread-body.ts'
import { dpopNonce } from './dpop-nonce.ts'
import { hostGuard } from './host-guard.ts'
import { publishedSecondsOf, sendPublished } from './published-response.ts'
import { nameRequest } from './text-refusal.ts'
import { strangerLimit } from './rate-limit.ts'
import { isOfStatusLists, sendStatusList } from './status-list-response.ts'
import { tlsServerFactory } from './tls.ts'
import { contentSecurityPolicyOf } from './pages/content-security-policy.ts'
import { isNonceDue, pathOf, refuse, type Exchange } from './refuse.ts'

/** A client that sends its headers or body slower than this is not one. */
const requestTimeoutMs = 30_000
/** How often the server looks for requests that arrive too slowly. */
const connectionsCheckingInterval = 5_000

export interface Door extends Reception {
  readonly routes: readonly Route[]
  readonly refusals: RefusalRecorder
  readonly derivedGuard: DerivedGuard
  readonly telemetry: Telemetry
  readonly largeBodies: LargeBodies
  /** Whose `X-Forwarded-For` tells where a request comes from. */
  readonly trustedProxies: readonly string[]
  /** With it the server itself speaks TLS. */
  readonly tls: SecureContextOptions | undefined
}

/** A request's whole way: match → authenticate → read → answer → send; whatever is thrown ends as a problem document. */
export function createHttpServer(door: Door): FastifyInstance {
  const server = fastify({
    bodyLimit: largeBodyBytes,
    requestTimeout: requestTimeoutMs,
    http: { connectionsCheckingInterval },
    trustProxy: door.trustedProxies.length > 0 && [...door.trustedProxies],
    forceCloseConnections: 'idle',
    // What still arrives while we stop, on connections that are open, is answered as ever; each closes after its answer.
    return503OnClosing: false,
    logger: false,
    ...(door.tls && { serverFactory: tlsServerFactory(door.tls, { requestTimeoutMs, connectionsCheckingInterval }) }),
  })
  // Operations read their bodies themselves, once their sender is known; what is no operation's is never read.
  server.removeAllContentTypeParsers()
  // JSON has a parser of its own, since Fastify finds that without parsing the header.
  for (const type of ['application/json', '*'])
    server.addContentTypeParser(type, (_request, _payload, done) => done(null))
  leaveBodiesUnread(server)
  server.addHook('onRequest', hostGuard(door.publicUrl, door.isLoopback))
  server.addHook('onSend', (_request, reply, _payload, done) => {
    for (const [name, value] of securityHeaders) if (!reply.hasHeader(name)) reply.header(name, value)
    done()
  })
  const operations = operationsByPlace(door.routes)
  const operationOf = ({ method, routeOptions }: FastifyRequest) => operations.get(`${method} ${routeOptions.url}`)
  const contextOfRequest = (request: FastifyRequest) => contextOf(door, request)
  server.addHook('onRequest', strangerLimit({ limiter: door.limiter, contextOf: contextOfRequest, operationOf }))
  server.addHook('onRequest', boundForeignBodies(operationOf))
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
  const { method } = route.operation
  for (const url of pathsOf(route.operation))
    server.route({
      method,
      url,
      onRequest: (request, reply) => admit(door, route, { request, reply }),
      handler: (request, reply) => answer(door, route, { request, reply }),
    })
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

/** Whoever may not send a request is refused before its body is read. */
async function admit(door: Door, route: Route, { request, reply }: Exchange): Promise<void> {
  const { operation } = route
  try {
    await arrive(door, route, { request, reply })
  } catch (error) {
    const ctx = contextOf(door, request)
    await refuse(door, error, { request, reply, ctx, operation })
    door.limiter.over(ctx)
    door.telemetry.requestAnswered(operation.id, reply.statusCode, secondsOf(request))
  }
}

async function answer(door: Door, route: Route, { request, reply }: Exchange): Promise<FastifyReply> {
  const { operation } = route
  let ctx = contextOf(door, request)
  try {
    const arrival = await arrive(door, route, { request, reply })
    ctx = arrival.ctx
    const result = await countedResultOf(door, route, { request, reply, arrival })
    nameRequest(operation, request, reply, ctx)
    if (isNonceDue(door, request)) reply.header('dpop-nonce', dpopNonce(ctx))
    return send(operation, reply, result)
  } catch (error) {
    return await refuse(door, error, { request, reply, ctx, operation })
  } finally {
    door.limiter.over(ctx)
    door.telemetry.requestAnswered(operation.id, reply.statusCode, secondsOf(request))
  }
}

interface Arrived extends Exchange {
  readonly arrival: Arrival
}

/** A request whose body cannot be read counts all the same. */
async function countedResultOf(door: Door, route: Route, arrived: Arrived): Promise<unknown> {
  try {
    return await resultOf(door, route, arrived)
  } catch (error) {
    await countLate(door, arrived.arrival, { ...route, ...arrived })
    throw error
  }
}

async function resultOf(door: Door, route: Route, arrived: Arrived): Promise<unknown> {
  const { request, arrival } = arrived
  await door.derivedGuard(arrival.ctx, route.operation)
  if (!bringsLargeBody(request, route.operation)) return workOf(door, route, arrived)
  requireReadable(request, route.operation)
  await route.beforeBody?.(arrival.ctx)
  return door.largeBodies.run(arrival.ctx, (readLarge) => workOf(door, route, arrived, readLarge))
}

async function workOf(door: Door, route: Route, arrived: Arrived, readLarge?: ReadLarge): Promise<unknown> {
  const { request, arrival } = arrived
  const { operation } = route
  const read = await readBody(arrived, operation, readLarge)
  await countLate(door, arrival, { ...route, ...arrived }, read.value)
  const body = withBasicCredentials(operation, read.value ?? undefined, request.headers.authorization)
  const raw = { params: request.params, query: request.query, body, ifMatch: request.headers['if-match'] }
  const work = await route.prepare(arrival.ctx, { ...raw, isBodyRead: read.isRead })
  const key = request.headers['idempotency-key']
  if (typeof key !== 'string' || !takesKey(operation)) return work(arrival.ctx)
  const asked = { operation, key, request: { url: request.url, body: raw.body ?? null } }
  return answerOnce(arrival.ctx, asked, work)
}

/** What the framework refuses, or a hook. Once the sender of the request was asked for, it is in the sender's log. */
async function refuseUnread(
  door: Door,
  operation: Operation | undefined,
  thrown: unknown,
  exchange: Exchange,
): Promise<FastifyReply> {
  const arrival = await arrivalOf(exchange.request)?.catch(() => undefined)
  if (arrival) return refuse(door, thrown, { ...exchange, ctx: arrival.ctx, ...(operation && { operation }) })
  return refuse(door, thrown, { ...exchange, ctx: contextOf(door, exchange.request) })
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
