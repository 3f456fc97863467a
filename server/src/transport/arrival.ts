import { performance } from 'node:perf_hooks'
import { platformTenantId } from '@agent-iam/contract/ids'
import type { FastifyRequest } from 'fastify'
import { isCountedByBody, type Limiter } from '../features/limits/service.ts'
import type { RecentCallers } from '../features/sessions/service.ts'
import type { SessionUses } from '../features/sessions/uses.ts'
import { asCaller, type Context } from '../platform/context.ts'
import type { Route } from '../platform/route.ts'
import { authenticate } from './authenticate.ts'
import { bringsBody, bringsLargeBody } from './body/request-body.ts'
import type { NonceUse } from './dpop.ts'
import { withProof } from './dpop-request.ts'
import { isOnlyLocal, requireMetricsToken } from './metrics-guard.ts'
import type { CertificateReader } from './peer-certificate.ts'
import { counted, identified, looked } from './rate-limit.ts'
import type { Exchange } from './refuse.ts'

/** What knowing the sender of a request needs. */
export interface Reception {
  /** A context for one request, before anybody is known. */
  readonly world: Omit<Context, 'caller' | 'requestId' | 'traceId'>
  readonly certificateOf: CertificateReader
  readonly limiter: Limiter
  readonly recentCallers: RecentCallers
  readonly sessionUses: SessionUses
  readonly publicUrl: string
  readonly isLoopback: boolean
  readonly metricsToken: string | undefined
  /** Whether proofs of possession must hold a nonce of ours. */
  readonly dpopNonce: NonceUse
}

/** A request whose sender is known, before its body is read. */
export interface Arrival {
  readonly ctx: Context
  /** Whether it was counted by the limits. */
  isCounted: boolean
}

const arrivals = new WeakMap<FastifyRequest, Promise<Arrival>>()

/**
 * Authenticates the sender of a request and asks the limits, once for each request and before its body is read: neither
 * needs the body. A request that counts by what is in its body is counted later; with a large body it must have room before.
 */
export function arrive(reception: Reception, route: Route, exchange: Exchange): Promise<Arrival> {
  const arrival = arrivals.get(exchange.request) ?? receive(reception, route, exchange)
  arrivals.set(exchange.request, arrival)
  return arrival
}

/** The arrival of a request that went wrong later; undefined for one whose sender was never asked for. */
export function arrivalOf(request: FastifyRequest): Promise<Arrival> | undefined {
  return arrivals.get(request)
}

async function receive(reception: Reception, route: Route, exchange: Exchange): Promise<Arrival> {
  const { operation } = route
  const anonymous = contextOf(reception, exchange.request)
  if (operation.id === 'metrics')
    requireMetricsToken(reception.metricsToken, exchange.request.headers.authorization, isOnlyLocal(reception))
  const ctx = await identify(reception, anonymous, route, exchange)
  const isCountedLater = isCountedByBody(operation) && bringsBody(exchange.request)
  const counting = { ctx, operation, reply: exchange.reply }
  if (!isCountedLater) await counted(reception.limiter, counting, { query: exchange.request.query })
  else if (bringsLargeBody(exchange.request, operation)) await looked(reception.limiter, counting)
  return { ctx, isCounted: !isCountedLater }
}

/** Counts a request that was not counted before, by its body if that was read. Throws `rate-limited`. */
export async function countLate(
  { limiter }: Reception,
  arrival: Arrival,
  { operation, request, reply }: Pick<Route, 'operation'> & Exchange,
  body?: unknown,
): Promise<void> {
  if (arrival.isCounted) return
  arrival.isCounted = true
  await counted(limiter, { ctx: arrival.ctx, operation, reply }, { query: request.query, body })
}

/** The context of whoever sent the request, once that is known. */
async function identify(
  reception: Reception,
  anonymous: Context,
  { operation, takesRecentCaller = false }: Route,
  { request, reply }: Exchange,
): Promise<Context> {
  let proved = anonymous
  const { headers } = request
  const caller = await identified(reception.limiter, { ctx: anonymous, operation, reply }, async () => {
    proved = await withProof(anonymous, operation, request, reception)
    return authenticate(proved, operation, headers, takesRecentCaller ? reception.recentCallers : undefined)
  })
  reception.sessionUses.note(caller, proved.clock.now())
  const known = asCaller(proved, caller)
  if (caller.kind !== 'identity' || caller.asOf === undefined) return known
  return { ...known, renewCaller: async () => asCaller(proved, await authenticate(proved, operation, headers)) }
}

/** W3C Trace Context §3.2: the trace id is 32 hex digits. */
const traceparent = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/

const contexts = new WeakMap<FastifyRequest, { readonly ctx: Context; readonly beganMs: number }>()

/** The context of a request before anybody is known; one for each request, whoever asks for it. */
export function contextOf(reception: Reception, request: FastifyRequest): Context {
  const found = contexts.get(request) ?? { ctx: makeContext(reception, request), beganMs: performance.now() }
  contexts.set(request, found)
  return found.ctx
}

/** How long a request has taken until now. */
export function secondsOf(request: FastifyRequest): number {
  const now = performance.now()
  return (now - (contexts.get(request)?.beganMs ?? now)) / 1000
}

function makeContext({ world, certificateOf }: Reception, request: FastifyRequest): Context {
  const header = request.headers['traceparent']
  const traceId = typeof header === 'string' ? traceparent.exec(header)?.[1] : undefined
  return {
    ...world,
    recorded: { bytes: 0 },
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
