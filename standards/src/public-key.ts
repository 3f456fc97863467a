import { ed448 } from '@noble/curves/ed448.js'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { fromBase64url, MalformedBase64Error } from './base64url.ts'
import { ed25519Algorithms, parsePublicKey } from './ed25519-key.ts'
import { algorithmsOf, requirePublicForSignatures } from './jwk-members.ts'
import { MalformedKeyError } from './malformed-key.ts'
import { requireStrongRsa } from './rsa-key.ts'

/** Signature algorithms (RFC 7518, RFC 8037, RFC 9864) by the kind of key that they need. */
const algorithmsByKind = {
  Ed25519: ed25519Algorithms,
  Ed448: ['EdDSA', 'Ed448'],
  'P-256': ['ES256'],
  'P-384': ['ES384'],
  'P-521': ['ES512'],
  RSA: ['RS256', 'PS256', 'RS384', 'PS384', 'RS512', 'PS512'],
} as const

export type KeyKind = keyof typeof algorithmsByKind

/** A public key that passed the gate. */
export interface PublicKey {
  readonly kind: KeyKind
  /** The members that make the key (RFC 7638 §3.2), and no other. */
  readonly jwk: Readonly<Record<string, string>>
  /** The algorithms that its owner may sign with: one, where the key itself names it. */
  readonly algorithms: readonly string[]
}

/**
 * The gate that every public key passes before it verifies a signature. Reads a JWK (RFC 7517); throws
 * `MalformedKeyError`, which says what is wrong.
 *
 * It does not rely on the runtime: OpenSSL accepts small-order points, and some versions of Node import them too.
 */
export function parseSigningJwk(jwk: Readonly<Record<string, unknown>>): PublicKey {
  requirePublicForSignatures(jwk)
  const kind = kindOf(jwk)
  const members = membersByKind[kind](jwk)
  return { kind, jwk: members, algorithms: algorithmsOf(jwk['alg'], algorithmsByKind[kind]) }
}

function kindOf({ kty, crv }: Readonly<Record<string, unknown>>): KeyKind {
  if (kty === 'RSA') return 'RSA'
  if (kty === 'OKP' && (crv === 'Ed25519' || crv === 'Ed448')) return crv
  if (kty === 'EC' && (crv === 'P-256' || crv === 'P-384' || crv === 'P-521')) return crv
  throw new MalformedKeyError('the JWK is of another algorithm: send an Ed25519, Ed448, P-256, P-384, P-521 or RSA key')
}

type Members = Record<string, string>

const membersByKind: Readonly<Record<KeyKind, (jwk: Readonly<Record<string, unknown>>) => Members>> = {
  Ed25519: (jwk) => {
    parsePublicKey({ ...jwk })
    return { crv: 'Ed25519', kty: 'OKP', x: textOf(jwk, 'x') }
  },
  Ed448: (jwk) => {
    requireLargeOrder(bytesOf(jwk, 'x', 57))
    return { crv: 'Ed448', kty: 'OKP', x: textOf(jwk, 'x') }
  },
  'P-256': (jwk) => pointOf(jwk, 'P-256', p256, 32),
  'P-384': (jwk) => pointOf(jwk, 'P-384', p384, 48),
  'P-521': (jwk) => pointOf(jwk, 'P-521', p521, 66),
  RSA: (jwk) => {
    const { n, e } = jwk
    requireStrongRsa(n, e)
    return { e: textOf(jwk, 'e'), kty: 'RSA', n: textOf(jwk, 'n') }
  },
}

interface Curve {
  readonly Point: { fromBytes(bytes: Uint8Array): { assertValidity(): void } }
}

/** The coordinates in full length (RFC 7518 §6.2.1.2), below the prime, on the curve, and not the point at infinity. */
function pointOf(jwk: Readonly<Record<string, unknown>>, crv: string, curve: Curve, length: number): Members {
  const [x, y] = [bytesOf(jwk, 'x', length), bytesOf(jwk, 'y', length)]
  requirePoint(() => curve.Point.fromBytes(Uint8Array.from([4, ...x, ...y])).assertValidity())
  return { crv, kty: 'EC', x: textOf(jwk, 'x'), y: textOf(jwk, 'y') }
}

function requireLargeOrder(encoded: Uint8Array): void {
  const point = requirePoint(() => ed448.Point.fromBytes(encoded))
  if (point.isSmallOrder() || !point.isTorsionFree()) throw new MalformedKeyError('the key has a small-order part')
}

function requirePoint<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    // The library has one kind of error for everything that is not an encoded point.
    throw new MalformedKeyError('the key is not a point of the curve', { cause })
  }
}

function textOf(jwk: Readonly<Record<string, unknown>>, member: string): string {
  const text = jwk[member]
  if (typeof text !== 'string') throw new MalformedKeyError(`the JWK has no ${member}`)
  return text
}

function bytesOf(jwk: Readonly<Record<string, unknown>>, member: string, length: number): Uint8Array {
  try {
    const bytes = fromBase64url(textOf(jwk, member))
    if (bytes.length === length) return bytes
  } catch (error) {
    if (!(error instanceof MalformedBase64Error)) throw error
  }
  throw new MalformedKeyError(`${member} of the JWK is not ${length} bytes in base64url without padding`)
}
