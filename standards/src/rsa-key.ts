import { fromBase64url, MalformedBase64Error } from './base64url.ts'
import { MalformedKeyError } from './malformed-key.ts'
import { toHex } from './hex.ts'

/** NIST SP 800-131A: shorter RSA keys can be factored. */
export const rsaBitsMin = 2048
/** A longer modulus makes each verification slower and adds no protection that the curves do not give. */
export const rsaBitsMax = 8192
/** FIPS 186-5 §5.1 requires 2^16 < e. */
const exponentMin = 65_537n
/** FIPS 186-5 allows 256 bits. OpenSSL refuses more than 64 for a long modulus, because verification becomes slow. */
const exponentBitsMax = 64
/** NIST SP 800-89 §5.3.3 asks for no factor below 752. */
const factorMax = 751

/**
 * Refuses an RSA public key (`n` and `e` of RFC 7518 §6.3.1) that is malformed or weak: its length, an exponent that is
 * small or even, a modulus that is even or has a small factor, and keys of the ROCA generator (CVE-2017-15361).
 *
 * It does not factor: a key whose primes its owner chose badly in another way passes.
 */
export function requireStrongRsa(n: unknown, e: unknown): void {
  const modulus = readNumber(n, 'n')
  requireModulus(modulus)
  requireExponent(readNumber(e, 'e'))
}

/** RFC 7518 §2: an unsigned big-endian number in the fewest octets. */
function readNumber(member: unknown, name: string): bigint {
  if (typeof member !== 'string' || member === '') throw new MalformedKeyError(`the RSA key has no ${name}`)
  // Six bits each: what is longer cannot be accepted, and is not parsed.
  if (member.length * 6 > rsaBitsMax + 48) throw new MalformedKeyError(lengthRule)
  const bytes = bytesOf(member, name)
  if (bytes[0] === 0) throw new MalformedKeyError(`${name} of the RSA key is not in its shortest form (RFC 7518)`)
  return BigInt(`0x${toHex(bytes)}`)
}

function bytesOf(member: string, name: string): Uint8Array {
  try {
    return fromBase64url(member)
  } catch (error) {
    if (!(error instanceof MalformedBase64Error)) throw error
    throw new MalformedKeyError(`${name} of the RSA key is not base64url without padding`, { cause: error })
  }
}

const lengthRule = `an RSA key has ${rsaBitsMin} to ${rsaBitsMax} bits`

function requireModulus(modulus: bigint): void {
  const bits = bitsOf(modulus)
  if (bits < rsaBitsMin || bits > rsaBitsMax)
    throw new MalformedKeyError(`the RSA key has ${bits} bits: ${lengthRule}; make another pair`)
  const remainder = modulus % smallProduct
  if (smallPrimes.some((prime) => remainder % BigInt(prime) === 0n))
    throw new MalformedKeyError('the RSA modulus has a small factor; make another pair')
  if (rocaSubgroups.every(([prime, powers]) => powers.has(Number(remainder % BigInt(prime)))))
    throw new MalformedKeyError('the RSA key was made by a generator that is broken (ROCA, CVE-2017-15361)')
}

function requireExponent(exponent: bigint): void {
  if (exponent < exponentMin || exponent % 2n === 0n || bitsOf(exponent) > exponentBitsMax)
    throw new MalformedKeyError(
      `the RSA exponent must be odd, at least ${exponentMin}, and have at most ${exponentBitsMax} bits; use 65537`,
    )
}

function bitsOf(value: bigint): number {
  return value.toString(2).length
}

const smallPrimes = Array.from({ length: factorMax + 1 }, (_, number) => number).filter(isPrime)
const smallProduct = smallPrimes.reduce((product, prime) => product * BigInt(prime), 1n)

function isPrime(number: number): boolean {
  if (number < 2) return false
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false
  return true
}

/** Nemec et al. 2017: both primes of such a key, and so the modulus, are powers of 65537 modulo each of these primes. */
const rocaPrimeMax = 167
const rocaSubgroups = smallPrimes
  .filter((prime) => prime > 2 && prime <= rocaPrimeMax)
  .map((prime): readonly [number, ReadonlySet<number>] => [prime, powersOf(65_537 % prime, prime)])

function powersOf(generator: number, prime: number): Set<number> {
  const powers = new Set<number>()
  for (let power = 1; !powers.has(power); power = (power * generator) % prime) powers.add(power)
  return powers
}
