import { isCanonicalJws } from '@agent-iam/standards/jws'
import { MalformedKeyError } from '@agent-iam/standards/malformed-key'
import { calculateJwkThumbprint, decodeProtectedHeader, errors, jwtVerify, type JWTHeaderParameters } from 'jose'
import { z } from 'zod'
import { addSeconds } from '../platform/clock.ts'
import type { Context, DpopProof } from '../platform/context.ts'
import { Problem } from '../platform/problem.ts'
import { openPublicKey, type OpenedPublicKey } from '../platform/public-keys.ts'
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
  const { claims, thumbprint } = await verify(ctx, proof)
  const { jti, htm, htu, iat, ath, nonce } = claims
  if (htm !== method) throw invalidProof(`htm must be ${method}`)
  if (!isOneOf(htu, urls)) throw invalidProof(`htu must be ${urls[0] ?? 'the address of the request'}`)
  const expiresAt = nonce === undefined ? endByTime(ctx, iat, nonceUse) : nonceEnd(ctx, nonce)
  if (!expiresAt) throw nonceNeeded()
  return { thumbprint, jti, tokenDigest: ath, expiresAt }
}

const Claims = z.object({
  jti: z.string().min(1).max(jtiCharactersMax),
  htm: z.string(),
  htu: z.string(),
  iat: z.number(),
  ath: z.string().optional(),
  nonce: z.string().optional(),
})

async function verify(
  ctx: Context,
  proof: string,
): Promise<{ readonly claims: z.output<typeof Claims>; readonly thumbprint: string }> {
  if (proof.length > proofCharactersMax) throw invalidProof('it is too long')
  if (!isCanonicalJws(proof)) throw invalidProof('it is not a JWS in base64url without padding')
  const options = { typ: 'dpop+jwt', algorithms: dpopAlgorithms, currentDate: ctx.clock.now() }
  const { payload, protectedHeader } = await jwtVerify(proof, keyOfProof, options).catch((cause: unknown) => {
    throw isOfProof(cause) ? invalidProof('its signature, type or key is not one that counts', cause) : cause
  })
  const claims = Claims.safeParse(payload)
  if (!claims.success) throw invalidProof('it needs jti, htm, htu and iat', claims.error)
  return { claims: claims.data, thumbprint: await calculateJwkThumbprint(openProofKey(protectedHeader).jwk) }
}

/** RFC 9449 §4.3: the public key that the proof itself brings, through the gate, for the algorithm of its header. */
function openProofKey({ jwk, alg }: Partial<Pick<JWTHeaderParameters, 'jwk' | 'alg'>>): OpenedPublicKey {
  if (jwk === undefined) throw new MalformedKeyError('the header has no jwk')
  const key = openPublicKey({ ...jwk })
  if (!key.algorithms.includes(alg ?? '')) throw new MalformedKeyError('alg is not one of the key')
  return key
}

/** Why the key or the spelling of a proof is refused, whatever it proves; undefined when it is not. */
export function refusalOfProof(proof: string): string | undefined {
  if (proof.length > proofCharactersMax || !isCanonicalJws(proof)) return 'it is not a JWS in base64url without padding'
  try {
    openProofKey(decodeProtectedHeader(proof))
    return undefined
  } catch (error) {
    if (isOfProof(error)) return 'its key is not accepted'
    throw error
  }
}

function keyOfProof(header: JWTHeaderParameters): OpenedPublicKey['keyObject'] {
  return openProofKey(header).keyObject
}

/** What jose and WebCrypto throw at a token or key that is malformed: nothing of ours. */
function isOfProof(error: unknown): boolean {
  const isOfLibrary = error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException
  return isOfLibrary || error instanceof MalformedKeyError
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

function invalidProof(what: string, cause?: unknown): Problem {
  return new Problem('invalid-proof', `the DPoP proof does not count here: ${what}; make one for this request`, {
    cause,
  })
}

function nonceNeeded(): Problem {
  return new Problem('use-dpop-nonce', 'make the DPoP proof again with the nonce of the header DPoP-Nonce')
}
