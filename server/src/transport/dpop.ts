import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, errors, jwtVerify } from 'jose'
import { z } from 'zod'
import { addSeconds } from '../platform/clock.ts'
import type { Context, DpopProof } from '../platform/context.ts'
import { Problem } from '../platform/problem.ts'
import { nonceEnd } from './dpop-nonce.ts'

/** Signatures that a proof may have: asymmetric ones, each with a hash that is sound. */
export const dpopAlgorithms = ['EdDSA', 'Ed25519', 'ES256', 'ES384', 'PS256', 'RS256']

/** How far a proof's `iat` may lie from our clock, where no nonce of ours tells when it was made. */
const proofSeconds = 120
/** Above what an RSA key and its signature take, far below what would hurt to parse. */
const proofCharactersMax = 4096
const jtiCharactersMax = 200

/** The request that a proof must be for. */
export interface ProvedRequest {
  readonly method: string
  /** The addresses by which the request may have been sent: ours, and on a loopback address its other names. */
  readonly urls: readonly string[]
}

/** Whether proofs must hold a nonce of ours; else it is asked for only where a proof's time does not fit. */
export type NonceUse = 'required' | 'optional'

/**
 * Reads a DPoP proof (RFC 9449 §4.3), all but whether its key is the token's and whether it was used before, which its
 * reader asks. Throws `invalid-proof`, or `use-dpop-nonce` when a nonce would tell what its time does not.
 */
export async function readProof(
  ctx: Context,
  proof: string,
  { method, urls }: ProvedRequest,
  nonceUse: NonceUse,
): Promise<DpopProof> {
  const { jti, htm, htu, iat, ath, nonce } = await verifiedClaims(ctx, proof)
  if (htm !== method) throw invalidProof(`htm must be ${method}`)
  if (!isOneOf(htu, urls)) throw invalidProof(`htu must be ${urls[0] ?? 'the address of the request'}`)
  const expiresAt = nonce === undefined ? endByTime(ctx, iat, nonceUse) : nonceEnd(ctx, nonce)
  if (!expiresAt) throw nonceNeeded()
  return { thumbprint: await thumbprintOf(proof), jti, tokenDigest: ath, expiresAt }
}

const Claims = z.object({
  jti: z.string().min(1).max(jtiCharactersMax),
  htm: z.string(),
  htu: z.string(),
  iat: z.number(),
  ath: z.string().optional(),
  nonce: z.string().optional(),
})

async function verifiedClaims(ctx: Context, proof: string): Promise<z.output<typeof Claims>> {
  if (proof.length > proofCharactersMax) throw invalidProof('it is too long')
  const options = { typ: 'dpop+jwt', algorithms: dpopAlgorithms, currentDate: ctx.clock.now() }
  const { payload } = await jwtVerify(proof, EmbeddedJWK, options).catch((cause: unknown) => {
    throw isOfProof(cause) ? invalidProof('its signature, type or key is not one that counts', cause) : cause
  })
  const claims = Claims.safeParse(payload)
  if (!claims.success) throw invalidProof('it needs jti, htm, htu and iat', claims.error)
  return claims.data
}

/** What jose and WebCrypto throw at a token or key that is malformed: nothing of ours. */
function isOfProof(error: unknown): boolean {
  return error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException
}

/** RFC 9449 §4.3: compared after normalisation, without query and fragment. */
function isOneOf(htu: string, urls: readonly string[]): boolean {
  return URL.canParse(htu) && urls.some((url) => placeOf(url) === placeOf(htu))
}

function placeOf(text: string): string {
  const { origin, pathname } = new URL(text)
  return origin + pathname
}

function endByTime(ctx: Context, iat: number, nonceUse: NonceUse): Date | undefined {
  const ageSeconds = ctx.clock.now().getTime() / 1000 - iat
  if (nonceUse === 'required' || Math.abs(ageSeconds) > proofSeconds) return undefined
  return addSeconds(new Date(iat * 1000), proofSeconds)
}

async function thumbprintOf(proof: string): Promise<string> {
  const { jwk } = decodeProtectedHeader(proof)
  if (!jwk) throw new Error('a verified proof has a key')
  return calculateJwkThumbprint(jwk)
}

function invalidProof(what: string, cause?: unknown): Problem {
  return new Problem('invalid-proof', `the DPoP proof does not count here: ${what}; make one for this request`, {
    cause,
  })
}

function nonceNeeded(): Problem {
  return new Problem('use-dpop-nonce', 'make the DPoP proof again with the nonce of the header DPoP-Nonce')
}
