// Public keys that nothing of ours may accept, as JWKs: each with why.
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js'

export type Jwk = Record<string, string | string[]>
export type BadKey = readonly [why: string, jwk: Jwk]

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')
const ed25519 = (encoded: Uint8Array): Jwk => ({ kty: 'OKP', crv: 'Ed25519', x: base64url(encoded) })

/** The encodings of y below 2^255 that mean another y, with p added: those of small order among them. */
const prime = 2n ** 255n - 19n
function encodedY(y: bigint, sign: 0 | 1): Uint8Array {
  const bytes = Buffer.from(y.toString(16).padStart(64, '0'), 'hex').toReversed()
  bytes[31] = (bytes[31] ?? 0) | (sign << 7)
  return bytes
}

const noncanonical = [
  ['y = 1, with the sign of x = 0 set', encodedY(1n, 1)],
  ['y = -1, with the sign of x = 0 set', encodedY(prime - 1n, 1)],
  ['y = p', encodedY(prime, 0)],
  ['y = p, with the sign set', encodedY(prime, 1)],
  ['y = p + 1', encodedY(prime + 1n, 0)],
  ['y = p + 1, with the sign set', encodedY(prime + 1n, 1)],
] as const

const smallOrderKeys: readonly BadKey[] = [
  ...ED25519_TORSION_SUBGROUP.map((hex): BadKey => [`the small-order point ${hex}`, ed25519(Buffer.from(hex, 'hex'))]),
  ...noncanonical.map(([why, encoded]): BadKey => [
    `a small-order point in another encoding: ${why}`,
    ed25519(encoded),
  ]),
]

function publicJwk(type: 'ed25519' | 'ec' | 'rsa' | 'x25519'): Jwk {
  const pair = {
    ed25519: () => generateKeyPairSync('ed25519'),
    x25519: () => generateKeyPairSync('x25519'),
    ec: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    rsa: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  }[type]()
  return plain(pair.publicKey)
}

/** The members of a public key as JSON has them. */
export function plain(key: KeyObject): Jwk {
  return Object.fromEntries(Object.entries(key.export({ format: 'jwk' })).map(([name, value]) => [name, String(value)]))
}

export const goodEd25519 = publicJwk('ed25519')
export const goodP256 = publicJwk('ec')
export const goodRsa = publicJwk('rsa')

const zeros = base64url(new Uint8Array(32))
const p256Prime = base64url(Buffer.from('ffffffff00000001000000000000000000000000ffffffffffffffffffffffff', 'hex'))

const curveKeys: readonly BadKey[] = [
  ['P-256: the point at infinity as zeros', { ...goodP256, x: zeros, y: zeros }],
  ['P-256: a point off the curve', { ...goodP256, y: String(goodP256['x']) }],
  ['P-256: a coordinate that is the prime', { ...goodP256, x: p256Prime }],
  [
    'P-256: a coordinate in too few bytes',
    { ...goodP256, x: base64url(Buffer.from(String(goodP256['x']), 'base64url').subarray(1)) },
  ],
  ['P-256: padding after the coordinate', { ...goodP256, x: `${String(goodP256['x'])}=` }],
  ['secp256k1, which is not accepted', { ...goodP256, crv: 'secp256k1' }],
  ['X25519, which signs nothing', publicJwk('x25519')],
  ['Ed25519: bits left over in x', { ...goodEd25519, x: withOtherEnd(String(goodEd25519['x'])) }],
  ['Ed25519: not a point', ed25519(encodedY(2n, 0))],
]

/** Another spelling of the same bytes: the bits that the last character has left over are set. */
export function withOtherEnd(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return text.slice(0, -1) + alphabet.charAt(alphabet.indexOf(text.slice(-1)) + 1)
}

const n = BigInt(`0x${Buffer.from(String(goodRsa['n']), 'base64url').toString('hex')}`)
const rsa = (modulus: bigint, e = 65_537n): Jwk => ({ kty: 'RSA', n: numberOf(modulus), e: numberOf(e) })

function numberOf(value: bigint): string {
  const hex = value.toString(16)
  return base64url(Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex'))
}

/** A modulus as the generator of CVE-2017-15361 makes it: (k·M + 65537^a)·(l·M + 65537^b), M the product of 126 primes. */
export function rocaModulus(): bigint {
  const primes = Array.from({ length: 702 }, (_, each) => BigInt(each)).filter(isPrime)
  const product = primes.reduce((all, each) => all * each, 1n)
  const half = (seed: bigint, power: bigint) =>
    ((2n ** 1023n + 2n ** 1022n) / product + seed) * product + (65_537n ** power % product)
  for (let seed = 1n; ; seed++) {
    const modulus = half(seed, 41n) * half(seed + 7n, 87n)
    if ([709n, 719n, 727n, 733n, 739n, 743n, 751n].every((each) => modulus % each !== 0n)) return modulus
  }
}

function isPrime(value: bigint): boolean {
  if (value < 2n) return false
  for (let divisor = 2n; divisor * divisor <= value; divisor++) if (value % divisor === 0n) return false
  return true
}

const rsaKeys: readonly BadKey[] = [
  ['RSA of 1024 bits', rsa(2n ** 1023n + 1155n)],
  ['RSA of 2047 bits', rsa(2n ** 2046n + 297n)],
  ['RSA of 8193 bits', rsa(2n ** 8192n + 897n)],
  ['RSA with exponent 1', rsa(n, 1n)],
  ['RSA with exponent 3', rsa(n, 3n)],
  ['RSA with an even exponent', rsa(n, 65_538n)],
  ['RSA with an exponent of 65 bits', rsa(n, 2n ** 64n + 1n)],
  ['RSA with an even modulus', rsa(n - 1n)],
  ['RSA with the factor 3', rsa(n - (n % 3n))],
  ['RSA with the factor 751', rsa(751n * (2n ** 2047n + 1155n))],
  ['RSA by the ROCA generator', rsa(rocaModulus())],
  [
    'RSA with a zero before the modulus',
    { ...goodRsa, n: base64url(Buffer.concat([Buffer.alloc(1), Buffer.from(String(goodRsa['n']), 'base64url')])) },
  ],
]

const declaredKeys: readonly BadKey[] = [
  ['Ed25519 for encryption', { ...goodEd25519, use: 'enc' }],
  ['P-256 with key_ops that hold no verify', { ...goodP256, key_ops: ['deriveBits'] }],
  ['P-256 with key_ops of a private key', { ...goodP256, key_ops: ['sign', 'verify'] }],
  ['P-256 with an alg of RSA', { ...goodP256, alg: 'RS256' }],
  ['Ed25519 with its private half', { ...goodEd25519, d: zeros }],
  ['P-256 with its private half', { ...goodP256, d: zeros }],
  ['RSA with its private prime', { ...goodRsa, p: zeros }],
  ['a symmetric key', { kty: 'oct', k: zeros }],
]

/** Every kind of key that is refused wherever a key enters. */
export const badKeys: readonly BadKey[] = [...smallOrderKeys, ...curveKeys, ...rsaKeys, ...declaredKeys]
