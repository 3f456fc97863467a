import type { Operation } from '@agent-iam/contract/operation'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Context } from '../platform/context.ts'
import { Problem } from '../platform/problem.ts'

/** AuthZEN (Authorization API 1.0 §10.1.2) knows no status for a body of another type: it is malformed like any other. */
export function asTheStandardHasIt(operation: Operation | undefined, problem: Problem): Problem {
  if (operation?.refusesIn === undefined || problem.code !== 'unsupported-media-type') return problem
  return new Problem('invalid-request', problem.detail, { cause: problem })
}

/** Its refusals are a message (§10.1.2), but for who asks for a problem document by name. */
export function wantsText(operation: Operation | undefined, { headers }: FastifyRequest): boolean {
  return operation?.refusesIn !== undefined && headers.accept?.includes('application/problem+json') !== true
}

/** §10.1.3: the request is called in the answer as its sender called it, else as we do. */
export function nameRequest(
  operation: Operation | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
  ctx: Context,
) {
  if (operation?.refusesIn === undefined) return
  const named = request.headers['x-request-id']
  reply.header('x-request-id', typeof named === 'string' && named !== '' ? named : ctx.requestId)
}
