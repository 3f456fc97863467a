import type { Operation } from '@agent-iam/contract/operation'
import type { FastifyRequest } from 'fastify'
import { asCaller, type Context } from '../platform/context.ts'
import type { Problem } from '../platform/problem.ts'
import { dpopAlgorithms, readProof, type NonceUse } from './dpop.ts'
import { isLoopbackName } from './host-guard.ts'
import { resourceMetadataUrl } from './oauth/resource-metadata.ts'

interface Address {
  readonly publicUrl: string
  readonly isLoopback: boolean
  readonly dpopNonce: NonceUse
}

/**
 * The context of a request whose proof of possession was read, where it has one that matters: beside a token sent as
 * DPoP, or where tokens are handed out that can be bound. Elsewhere the header says nothing.
 */
export async function withProof(
  ctx: Context,
  operation: Operation,
  request: FastifyRequest,
  address: Address,
): Promise<Context> {
  const { dpop: proof, authorization } = request.headers
  const matters = operation.action === 'public' ? operation.bindsTokens : /^DPoP /i.test(authorization ?? '')
  if (!matters || typeof proof !== 'string') return ctx
  const proved = { method: request.method, urls: urlsOf(request, address) }
  return asCaller(ctx, { ...ctx.caller, dpop: await readProof(ctx, proof, proved, address.dpopNonce) })
}

/** A server on a loopback address is reached by each of its names; a foreign `Host` was refused before. */
function urlsOf({ url, headers, protocol }: FastifyRequest, { publicUrl, isLoopback }: Address): string[] {
  const { host = '' } = headers
  const ours = publicUrl + url
  return isLoopback && isLoopbackName(host) ? [ours, `${protocol}://${host}${url}`] : [ours]
}

/**
 * The challenges of a 401, or of a 403 for want of scope: by which schemes to authenticate, what was wrong, and where to
 * get a token that is good (RFC 6750 §3, RFC 9449 §7.1, RFC 9728 §5.1).
 */
export function challengesOf(ctx: Context, { code, scope }: Problem): string[] {
  const wanted = scope === undefined ? '' : `, scope="${scope.replaceAll(/[^\x21\x23-\x5b\x5d-\x7e]/g, '')}"`
  const where = `resource_metadata="${resourceMetadataUrl(ctx.keys, ctx.caller.tenantId)}"`
  // RFC 6750 §3.1: who sent no credentials is told of no error.
  const fault = code === 'unauthenticated' ? '' : `, error="${bearerErrors.get(code) ?? 'invalid_token'}"`
  const bearer = `Bearer realm="${ctx.keys.publicUrl}"${fault}${wanted}, ${where}`
  if (code === 'insufficient-scope') return [bearer]
  const error = dpopErrors.get(code)
  return [bearer, `DPoP ${error ? `error="${error}", ` : ''}algs="${dpopAlgorithms.join(' ')}"`]
}

const bearerErrors = new Map([['insufficient-scope', 'insufficient_scope']])
const dpopErrors = new Map([
  ['invalid-token', 'invalid_token'],
  ['token-revoked', 'invalid_token'],
  ['invalid-proof', 'invalid_dpop_proof'],
  ['replayed', 'invalid_dpop_proof'],
  ['use-dpop-nonce', 'use_dpop_nonce'],
])
