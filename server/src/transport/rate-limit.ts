import type { Operation } from '@agent-iam/contract/operation'
import { problems } from '@agent-iam/contract/problems'
import type { FastifyReply, FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { tightestOf, type Admission, type LimitWindow } from '../features/limits/model.ts'
import { logUnitBytes, type Limiter } from '../features/limits/service.ts'
import type { Caller, Context } from '../platform/context.ts'
import { Problem } from '../platform/problem.ts'
import { spanMs } from '../platform/sliding-window.ts'

/** Probes of health come from machines that must get an answer, whoever else is where they are. */
const unlimited: ReadonlySet<string> = new Set(['healthLive', 'healthReady', 'healthStartup'])

interface Gate {
  readonly limiter: Limiter
  readonly contextOf: (request: FastifyRequest) => Context
  /** The operation that a request is for; undefined for what the OAuth endpoints answer, or nobody. */
  readonly operationOf: (request: FastifyRequest) => Operation | undefined
}

/**
 * Counts what strangers may ask by the address it comes from, before anything of it is read; whatever else comes from
 * where too much came from waits as well.
 */
export function strangerLimit({ limiter, contextOf, operationOf }: Gate): onRequestAsyncHookHandler {
  return async (request, reply) => {
    const operation = operationOf(request)
    if (operation && unlimited.has(operation.id)) return
    const ctx = contextOf(request)
    const isForStrangers = operation === undefined || operation.action === 'public'
    const admission = isForStrangers
      ? await limiter.admitStranger(ctx, operation?.id ?? 'unknown')
      : await limiter.refuseWaiting(ctx, operation.id)
    requireAdmitted(admission, reply)
  }
}

interface Arrival {
  readonly ctx: Context
  readonly operation: Operation
  readonly reply: FastifyReply
}

/**
 * Who sends a request. One that proves nobody counts as a stranger's, so that nobody learns more often whether what they
 * present is good. Throws `rate-limited` for one too many.
 */
export async function identified(
  limiter: Limiter,
  { ctx, operation, reply }: Arrival,
  authenticate: () => Promise<Caller>,
): Promise<Caller> {
  if (operation.action === 'public') return authenticate()
  try {
    return await authenticate()
  } catch (error) {
    const isStranger = error instanceof Problem && problems[error.code].status === 401
    if (isStranger) requireAdmitted(await limiter.admitStranger(ctx, operation.id), reply)
    throw error
  }
}

/** Counts a request of somebody known, by who it is. Throws `rate-limited` for one too many. */
export async function counted(
  limiter: Limiter,
  { ctx, operation, reply }: Arrival,
  sent: { readonly query: unknown; readonly body?: unknown },
): Promise<void> {
  if (operation.action === 'public') return
  requireAdmitted(await limiter.admit(ctx, { operation, ...sent }), reply)
}

/** Throws `rate-limited` for a request that would be one too many, and counts nothing. */
export async function looked(limiter: Limiter, { ctx, operation, reply }: Arrival): Promise<void> {
  if (operation.action === 'public') return
  requireAdmitted(await limiter.look(ctx, operation), reply)
}

/** Tells how it stands, whether the request may come in or not; throws `rate-limited` when it may not. */
function requireAdmitted(admission: Admission | undefined, { raw }: FastifyReply): void {
  if (!admission) return
  const { windows, room } = admission
  const tightest = tightestOf(admission)
  const waitSeconds = Math.ceil(room.waitMs / 1000)
  const remaining = room.remaining[room.tightest] ?? 0
  // On the raw answer, which is also that of whoever answers in our stead.
  raw.setHeader('ratelimit-policy', windows.map(policyOf).join(', '))
  raw.setHeader('ratelimit', `"${nameOf(tightest)}";r=${remaining};t=${waitSeconds}`)
  if (room.isAllowed) return
  const detail = `the limit of ${amountOf(tightest)} a ${tightest.span} by ${tightest.dimension} is reached; wait ${waitSeconds} seconds`
  throw new Problem('rate-limited', detail, { retryAfterSeconds: waitSeconds })
}

function amountOf({ measure, limit }: LimitWindow): string {
  return measure === 'requests' ? `${limit}` : `${limit * logUnitBytes} bytes of the log`
}

/** A quota policy of draft-ietf-httpapi-ratelimit-headers §3. */
function policyOf(window: LimitWindow): string {
  return `"${nameOf(window)}";q=${window.limit};w=${spanMs[window.span] / 1000}`
}

/** One name a window: of some dimensions a request may count in several. */
function nameOf({ measure, dimension, subject, span }: LimitWindow): string {
  if (measure === 'log-bytes') return `${dimension}-log-${span}`
  const isOneOfSeveral = dimension === 'role' || dimension === 'resource-type'
  return isOneOfSeveral ? `${dimension}-${subject}-${span}` : `${dimension}-${span}`
}
