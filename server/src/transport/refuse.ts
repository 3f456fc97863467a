import type { Operation } from '@agent-iam/contract/operation'
import { problems } from '@agent-iam/contract/problems'
import { type FastifyReply, type FastifyRequest } from 'fastify'
import type { RefusalRecorder } from '../features/audit/refusals.ts'
import { type Context } from '../platform/context.ts'
import { Problem, problemDocument } from '../platform/problem.ts'
import type { Telemetry } from '../platform/telemetry.ts'
import type { NonceUse } from './dpop.ts'
import { dpopNonce } from './dpop-nonce.ts'
import { challengesOf } from './dpop-request.ts'
import { toProblem } from './problem-response.ts'
import { asTheStandardHasIt, nameRequest, wantsText } from './text-refusal.ts'

/** What refusing needs of the door. */
export interface Refusing {
  readonly refusals: RefusalRecorder
  readonly telemetry: Telemetry
  readonly dpopNonce: NonceUse
}

export interface Exchange {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/** RFC 9449 §8.2: who must send a nonce gets the next one with each answer, before the last has ended. */
export function isNonceDue({ dpopNonce: use }: Pick<Refusing, 'dpopNonce'>, { headers }: FastifyRequest): boolean {
  return use === 'required' && headers['dpop'] !== undefined
}

interface Refused extends Exchange {
  readonly ctx: Context
  readonly operation?: Operation
}

/** Every refusal is on record before it is told; where that fails, the refusal stands all the same. */
export async function refuse(
  door: Refusing,
  thrown: unknown,
  { request, reply, ctx, operation }: Refused,
): Promise<FastifyReply> {
  const problem = asTheStandardHasIt(operation, toProblem(thrown))
  const document = problemDocument(problem, ctx.requestId)
  logRefusal(ctx, problem, { operation: operation?.id ?? pathOf(request), callerRequestId: callersIdOf(request) })
  try {
    const { code, policyIds } = problem
    // Of what a limit refuses, each burst is on record once already.
    if (code !== 'rate-limited')
      await door.refusals.record(ctx, { code, policyIds, operation: operation?.id ?? 'unknown' })
  } catch (error) {
    door.telemetry.refusalLost()
    ctx.log.error({ error, requestId: ctx.requestId }, 'a refusal could not be recorded')
  }
  if (problem.code === 'use-dpop-nonce' || isNonceDue(door, request)) reply.header('dpop-nonce', dpopNonce(ctx))
  tellWhatToDo(ctx, problem, reply)
  nameRequest(operation, request, reply, ctx)
  if (wantsText(operation, request))
    return reply.status(document.status).type('text/plain; charset=utf-8').send(problem.detail)
  return reply.status(document.status).type('application/problem+json').send(JSON.stringify(document))
}

/** How to authenticate instead, and how long to wait, in the headers that programs read. */
function tellWhatToDo(ctx: Context, problem: Problem, reply: FastifyReply): void {
  const { status } = problems[problem.code]
  if (status === 401 || problem.code === 'insufficient-scope')
    reply.header('www-authenticate', challengesOf(ctx, problem))
  const retryAfterSeconds = problem.retryAfterSeconds ?? (status === 503 ? 1 : undefined)
  if (retryAfterSeconds !== undefined) reply.header('retry-after', `${retryAfterSeconds}`)
}

/** A name of the caller's own for the request, as far as it fits a log line. */
const callersId = /^[\x21-\x7e]{1,100}$/

function callersIdOf({ headers }: FastifyRequest): string | undefined {
  const id = headers['x-request-id']
  return typeof id === 'string' && callersId.test(id) ? id : undefined
}

/** Without the query, which may hold what no log should. */
export function pathOf({ url }: FastifyRequest): string {
  return url.split('?')[0] ?? url
}

function logRefusal({ log, requestId }: Context, problem: Problem, about: object): void {
  const fields = {
    requestId,
    code: problem.code,
    ...about,
    ...(problem.cause !== undefined && { error: problem.cause }),
  }
  if (problem.code === 'internal-error') log.error(fields, 'a request failed')
  else if (problem.code === 'unavailable') log.warn(fields, 'a request could not be served')
  else if (problem.code === 'rate-limited') log.debug(fields, 'a request was one too many')
  else log.info(fields, 'a request was refused')
}
