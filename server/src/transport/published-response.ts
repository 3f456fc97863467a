import type { FastifyReply } from 'fastify'
import { sha256 } from '../platform/digest.ts'

/** Verifiers may keep the keys for a while: a new key is served long before it signs. */
const keySetSeconds = 300
/** How late who verifies offline may learn of a revocation, beside what it takes to make the list. */
const revocationsSeconds = 5

/** For how long whoever has it may keep the answer of an operation, for those that say so. */
export const publishedSecondsOf: Readonly<Record<string, number>> = {
  jwks: keySetSeconds,
  tenantJwks: keySetSeconds,
  biscuitKeys: keySetSeconds,
  tenantBiscuitKeys: keySetSeconds,
  biscuitRevocations: revocationsSeconds,
  tenantBiscuitRevocations: revocationsSeconds,
  authzenConfiguration: keySetSeconds,
  tenantAuthzenConfiguration: keySetSeconds,
}

/** An answer with a tag, so that who has it already is told so in a few bytes (RFC 9110 §13.1.2). */
export function sendPublished(reply: FastifyReply, result: unknown, maxAgeSeconds: number): FastifyReply {
  return sendTagged(reply, {
    body: JSON.stringify(result),
    type: 'application/json; charset=utf-8',
    maxAgeSeconds,
  })
}

interface Published {
  readonly body: string
  readonly type: string
  /** For how long whoever has it may keep it. */
  readonly maxAgeSeconds: number
}

/** What everyone may read and keep for a while, such as keys. */
export function sendTagged(reply: FastifyReply, { body, type, maxAgeSeconds }: Published): FastifyReply {
  const tag = `"${sha256(body).toString('base64url')}"`
  reply.headers({ 'cache-control': `public, max-age=${maxAgeSeconds}`, etag: tag })
  const known = reply.request.headers['if-none-match']?.split(',').map((each) => each.trim().replace(/^W\//, ''))
  if (known?.some((each) => each === tag || each === '*')) return reply.status(304).send()
  return reply.type(type).send(body)
}
