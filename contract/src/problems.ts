import { z } from 'zod'

/**
 * Every way the API can refuse, by its stable code (RFC 9457). Add a row; never change one.
 * `advice` is for the documentation: what the person who sees it does next.
 */
export const problems = {
  'invalid-request': { status: 400, title: 'The request is malformed', advice: 'Mend the fields listed in `errors`.' },
  unauthenticated: {
    status: 401,
    title: 'Credentials are missing',
    advice: 'Log in and send the access token as `Authorization: Bearer …`.',
  },
  'invalid-token': {
    status: 401,
    title: 'The token is not valid here',
    advice: 'Refresh the token, or log in again.',
  },
  'token-revoked': {
    status: 401,
    title: 'The session has ended',
    advice: 'Log in again.',
  },
  'invalid-credentials': {
    status: 401,
    title: 'The credentials are not valid',
    advice: 'Check the identity, the key or password, and the issuer. The reason is not told on purpose.',
  },
  replayed: {
    status: 401,
    title: 'The proof was used before',
    advice: 'Ask for a new challenge, or sign a new assertion with a new `jti`.',
  },
  'second-factor-required': {
    status: 401,
    title: 'A second factor is needed',
    advice: 'Log in again with `secondFactor` beside the password.',
  },
  'invalid-proof': {
    status: 401,
    title: 'The proof of possession is not valid',
    advice: 'Make a new DPoP proof for this very request, with the key that the token is bound to.',
  },
  'use-dpop-nonce': {
    status: 401,
    title: 'The proof of possession needs a nonce',
    advice: 'Make the proof again with the nonce of the header `DPoP-Nonce`.',
  },
  'password-change-required': {
    status: 403,
    title: 'The password must be changed first',
    advice: 'Log in again with `newPassword` beside the password.',
  },
  'insufficient-scope': {
    status: 403,
    title: 'The session is narrower than this',
    advice: 'Ask for a token whose scope covers what `detail` names.',
  },
  'too-many-attempts': {
    status: 429,
    title: 'Too many attempts',
    advice: 'Wait as long as the header `Retry-After` says.',
  },
  'rate-limited': {
    status: 429,
    title: 'Too many requests',
    advice: 'Wait as long as the header `Retry-After` says; `RateLimit` tells beforehand how many are left.',
  },
  forbidden: { status: 403, title: 'The caller may not do this', advice: 'Ask an administrator for the permission.' },
  'capability-exceeded': {
    status: 403,
    title: 'More is asked than may be granted',
    advice: 'Ask for less, or use a grantor that holds what is named in `detail`.',
  },
  'identity-inactive': {
    status: 403,
    title: 'The identity is not active',
    advice: 'Ask its owner or an administrator to reactivate it.',
  },
  'quota-spent': { status: 403, title: 'The quota is spent', advice: 'Ask for a larger quota or wait for its window.' },
  'not-found': { status: 404, title: 'No such resource', advice: 'Check the id, and the tenant you are logged in to.' },
  'method-not-allowed': { status: 405, title: 'No such method here', advice: 'See `/docs` for the operations.' },
  'request-timeout': {
    status: 408,
    title: 'The request arrived too slowly',
    advice: 'Send it again; over a slow connection, in parts.',
  },
  'already-exists': {
    status: 409,
    title: 'It exists already',
    advice: 'Use the existing one, or another name or key.',
  },
  'wrong-state': {
    status: 409,
    title: 'Not possible in the present state',
    advice: 'Look at the state that `detail` names.',
  },
  'idempotency-mismatch': {
    status: 409,
    title: 'The key was used for another request',
    advice: 'Use a new `Idempotency-Key` for a new request.',
  },
  'precondition-failed': {
    status: 412,
    title: 'It has changed since it was read',
    advice: 'Read it again, look at what changed, and send the new `ETag` as `If-Match`.',
  },
  'too-large': { status: 413, title: 'The request is too large', advice: 'Send less at once.' },
  'unsupported-media-type': {
    status: 415,
    title: 'The body is not JSON',
    advice: 'Send `Content-Type: application/json`.',
  },
  'foreign-host': {
    status: 421,
    title: 'The request is for another host',
    advice: 'Use the address in `AGENT_IAM_PUBLIC_URL`.',
  },
  'policy-invalid': { status: 422, title: 'The policy cannot be accepted', advice: 'Mend what `errors` names.' },
  'internal-error': {
    status: 500,
    title: 'Something went wrong on our side',
    advice: 'Tell the operator the `requestId`.',
  },
  unavailable: { status: 503, title: 'Not available right now', advice: 'Try again shortly.' },
} as const satisfies Record<string, { status: number; title: string; advice: string }>

export type ProblemCode = keyof typeof problems

/** The wire form of a refusal, `application/problem+json` (RFC 9457). */
export const ProblemDocument = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  code: z.string(),
  requestId: z.string(),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
})
export type ProblemDocument = z.infer<typeof ProblemDocument>
