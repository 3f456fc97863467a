import { ed25519 } from '@noble/curves/ed25519.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { fromBase64url, MalformedBase64Error, toBase64url } from './base64url.ts'
import { fromHex, toHex } from './hex.ts'
import { canonicalJson } from './jcs.ts'
import { algorithmsOf, requirePublicForSignatures } from './jwk-members.ts'
import { MalformedKeyError } from './malformed-key.ts'

export { MalformedKeyError } from './malformed-key.ts'

/** An Ed25519 public key as a JSON Web Key (RFC 8037 §2). */
export interface Ed25519Jwk {
  readonly kty: 'OKP'
  readonly crv: 'Ed25519'
  readonly x: string
}

/** RFC 8037 §3.1, and the name of its own that RFC 9864 gives it. */
export const ed25519Algorithms = ['EdDSA', 'Ed25519'] as const
/** RFC 8032 §5.1.5: an encoded point. */
const keyBytes = 32
/** RFC 8410 §4: everything of a SubjectPublicKeyInfo with OID 1.3.101.112 that comes before the key itself. */
const spkiHeader = fromHex('302a300506032b6570032100')

/**
 * Reads an Ed25519 public key: 32 bytes in base64url, SPKI in PEM, or a JWK.
 *
 * Refused are keys that are no point of the curve, that are not in its canonical encoding, or that have a small-order
 * part: for some of those anybody can make signatures that verify.
 */
export function parsePublicKey(input: string | Record<string, unknown>): Uint8Array {
  const publicKey = typeof input === 'string' ? bytesOfText(input) : bytesOfJwk(input)
  requirePoint(publicKey)
  return publicKey
}

/** The key as a JWK with only the members that matter. */
export function toPublicJwk(publicKey: Uint8Array): Ed25519Jwk {
  return { kty: 'OKP', crv: 'Ed25519', x: toBase64url(publicKey) }
}

/** The name of a key: SHA-256 of its canonical JWK, base64url (RFC 7638, RFC 8037 appendix A.3). */
export function thumbprint(publicKey: Uint8Array): string {
  return toBase64url(sha256(canonicalJson(toPublicJwk(publicKey))))
}

function bytesOfText(text: string): Uint8Array {
  return text.trimStart().startsWith('-----') ? bytesOfPem(text.trim()) : bytesOfBase64url(text, 'the key')
}

function bytesOfBase64url(text: string, what: string): Uint8Array {
  try {
    return requireLength(fromBase64url(text), what)
  } catch (error) {
    if (!(error instanceof MalformedBase64Error)) throw error
    throw new MalformedKeyError(`${what} is not base64url without padding`, { cause: error })
  }
}

function bytesOfPem(pem: string): Uint8Array {
  const [, label, body] = /^-----BEGIN ([A-Z0-9 ]+)-----\s([A-Za-z0-9+/=\s]*)-----END \1-----$/.exec(pem) ?? []
  if (label === undefined || body === undefined) throw new MalformedKeyError('the PEM is not one complete block')
  if (label.includes('PRIVATE'))
    throw new MalformedKeyError('the PEM holds a private key: keep it, send the public one')
  if (label !== 'PUBLIC KEY') throw new MalformedKeyError('the PEM block is not a PUBLIC KEY')
  return bytesOfSpki(derOf(body))
}

function derOf(pemBody: string): Uint8Array {
  const base64 = pemBody.replaceAll(/\s/g, '').replace(/={1,2}$/, '')
  try {
    return fromBase64url(base64.replaceAll('+', '-').replaceAll('/', '_'))
  } catch (error) {
    if (!(error instanceof MalformedBase64Error)) throw error
    throw new MalformedKeyError('the PEM is not base64', { cause: error })
  }
}

function bytesOfSpki(der: Uint8Array): Uint8Array {
  // The first two bytes hold the total length, which a wrong key length changes too: compare the algorithm alone.
  const isEd25519 = toHex(der.subarray(2, 9)) === toHex(spkiHeader.subarray(2, 9))
  if (!isEd25519) throw new MalformedKeyError('the PEM holds a key of another algorithm: Ed25519 is needed')
  const publicKey = requireLength(der.subarray(spkiHeader.length), 'the key in the PEM')
  const isCanonical = toHex(der.subarray(0, spkiHeader.length)) === toHex(spkiHeader)
  if (!isCanonical) throw new MalformedKeyError('the PEM is not a canonical SubjectPublicKeyInfo')
  return Uint8Array.from(publicKey)
}

function bytesOfJwk(jwk: Record<string, unknown>): Uint8Array {
  const { kty, crv, x } = jwk
  requirePublicForSignatures(jwk)
  if (kty !== 'OKP' || crv !== 'Ed25519')
    throw new MalformedKeyError('the JWK is of another algorithm: kty OKP and crv Ed25519 are needed')
  algorithmsOf(jwk['alg'], ed25519Algorithms)
  if (typeof x !== 'string') throw new MalformedKeyError('the JWK has no x')
  return bytesOfBase64url(x, 'x of the JWK')
}

function requireLength(bytes: Uint8Array, what: string): Uint8Array {
  if (bytes.length !== keyBytes)
    throw new MalformedKeyError(`${what} has ${bytes.length} bytes: an Ed25519 public key has ${keyBytes}`)
  return bytes
}

function requirePoint(publicKey: Uint8Array): void {
  const point = findPoint(publicKey)
  if (!point) throw new MalformedKeyError('the key is not a point of the curve')
  if (point.isSmallOrder()) throw new MalformedKeyError('the key is a small-order point')
  if (!point.isTorsionFree()) throw new MalformedKeyError('the key has a small-order part')
}

function findPoint(publicKey: Uint8Array): InstanceType<typeof ed25519.Point> | undefined {
  try {
    return ed25519.Point.fromBytes(publicKey)
  } catch {
    // The library has one kind of error for everything that is not an encoded point.
    return undefined
  }
}
