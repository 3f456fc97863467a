import { createPublicKey, type KeyObject } from 'node:crypto'
import { MalformedKeyError } from '@agent-iam/standards/malformed-key'
import { parseSigningJwk, type PublicKey } from '@agent-iam/standards/public-key'
import { memoized } from '../lib/memoized.ts'

/** A public key of a caller that passed the gate, ready to verify signatures. */
export interface OpenedPublicKey extends PublicKey {
  readonly keyObject: KeyObject
}

/** Keys that are cached: to check an Ed25519 key takes longer than to verify a signature by it. */
const keysMax = 2000
/** A longer JWK is checked each time: a cached one has a size that its sender does not choose. An RSA key has about 1,400. */
const cachedCharactersMax = 2000

const openText = memoized((text) => {
  const jwk: unknown = JSON.parse(text)
  return open({ ...Object(jwk) })
}, keysMax)

function open(jwk: Readonly<Record<string, unknown>>): OpenedPublicKey {
  const publicKey = parseSigningJwk(jwk)
  return { ...publicKey, keyObject: importKey(publicKey) }
}

/**
 * Opens a public key that a caller brought: the one place where such a key becomes one that verifies signatures. Throws
 * `MalformedKeyError` for every key that the gate refuses, also for one that an earlier release stored.
 */
export function openPublicKey(jwk: Readonly<Record<string, unknown>>): OpenedPublicKey {
  const text = JSON.stringify(jwk)
  return text.length > cachedCharactersMax ? open(jwk) : openText(text)
}

/** The reason why the gate refuses a key; undefined when it accepts it. */
export function refusalOf(jwk: Readonly<Record<string, unknown>>): string | undefined {
  try {
    openPublicKey(jwk)
    return undefined
  } catch (error) {
    if (error instanceof MalformedKeyError) return error.message
    throw error
  }
}

/** The JWK of a key that the runtime read itself, such as a certificate's. Throws `MalformedKeyError` where it has none. */
export function jwkOf(key: KeyObject): Readonly<Record<string, unknown>> {
  try {
    return { ...key.export({ format: 'jwk' }) }
  } catch (cause) {
    throw new MalformedKeyError('the key is of an algorithm that is not accepted', { cause })
  }
}

function importKey({ jwk }: PublicKey): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' })
  } catch (cause) {
    throw new MalformedKeyError('the key cannot be used', { cause })
  }
}
