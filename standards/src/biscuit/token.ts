import { fromHex } from '../hex.ts'
import type { Biscuit, Bindings, Freeable } from './bindings.ts'
import { BiscuitError } from './errors.ts'

/** Longest token text: it travels in a header, and servers take 8 KB of those. */
export const tokenCharactersMax = 8192
/** Most blocks, the authority's among them: each costs a signature to check, and no honest chain comes near it. */
export const blocksMax = 16

/** The public root key (Ed25519, 32 bytes in hex) of that id, or undefined when the issuer has none. */
export type PublicKeyOf = (rootKeyId: number) => string | undefined

/** How memory of the library is marked to be freed. */
export type Keep = <F extends Freeable>(made: F) => F

/** A token whose signatures all verify, and the id of the root key that signed its authority block. */
export interface OpenToken {
  readonly biscuit: Biscuit
  readonly rootKeyId: number
}

/** Reads a token, and verifies the signature of every block up to the root key. */
export function open(bindings: Bindings, keep: Keep, token: string, publicKeyOf: PublicKeyOf): OpenToken {
  requireText(token)
  const provider = new RootKeyProvider(bindings, publicKeyOf)
  const biscuit = keep(parse(bindings, token, provider))
  requireShape(biscuit)
  return { biscuit, rootKeyId: provider.requireKnown() }
}

/** Refuses a token too long to travel. */
export function requireRoom(token: string): string {
  if (token.length <= tokenCharactersMax) return token
  throw new BiscuitError('too-large', `the token has more than ${tokenCharactersMax} characters`)
}

/** Panics of the library begin with an exception inside its callback, so nothing is thrown there but here, after. */
class RootKeyProvider {
  readonly #bindings: Bindings
  readonly #publicKeyOf: PublicKeyOf
  #known: number | undefined
  #fault: Error | undefined

  constructor(bindings: Bindings, publicKeyOf: PublicKeyOf) {
    this.#bindings = bindings
    this.#publicKeyOf = publicKeyOf
  }

  /** A fresh key for each call: the library takes it for itself. */
  provide(rootKeyId: number | undefined): Freeable {
    try {
      const publicKey = rootKeyId === undefined ? undefined : this.#publicKeyOf(rootKeyId)
      if (publicKey === undefined) return this.#keyOf(anyKey)
      const key = this.#keyOf(publicKey)
      this.#known = rootKeyId
      return key
    } catch (error) {
      this.#fault = error instanceof Error ? error : new TypeError('a root key is no Ed25519 public key in hex')
      return this.#keyOf(anyKey)
    }
  }

  requireKnown(): number {
    if (this.#fault !== undefined) throw this.#fault
    if (this.#known === undefined) throw new BiscuitError('unknown-root-key', 'no root key of that id is known')
    return this.#known
  }

  #keyOf(publicKey: string): Freeable {
    return this.#bindings.PublicKey.fromBytes(fromHex(publicKey), this.#bindings.SignatureAlgorithm.Ed25519)
  }
}

/** Stands for what is unknown, as some key must be given; whatever comes of it is refused. RFC 8032 §7.1, test 1. */
const anyKey = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'

function requireText(token: string): void {
  requireRoom(token)
  if (!/^[A-Za-z0-9_-]+={0,2}$/.test(token)) throw new BiscuitError('malformed', 'the token is not base64url')
}

function parse(bindings: Bindings, token: string, provider: RootKeyProvider): Biscuit {
  try {
    return bindings.Biscuit.fromBase64WithProvider(token, (id) => provider.provide(id))
  } catch (error) {
    if (error instanceof Error) throw error
    if (isSignatureFault(error)) throw signatureFault(provider)
    throw new BiscuitError('malformed', 'the token is no Biscuit')
  }
}

function signatureFault(provider: RootKeyProvider): BiscuitError {
  provider.requireKnown()
  return new BiscuitError('bad-signature', 'the signatures of the token do not verify')
}

/** The library throws plain objects: `{ Format: { Signature: … } }`. */
function isSignatureFault(error: unknown): boolean {
  const format = memberOf(error, 'Format')
  return ['Signature', 'UnknownPublicKey', 'SealedSignature'].some((name) => memberOf(format, name) !== undefined)
}

/** A member of what the library threw. */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function requireShape(biscuit: Biscuit): void {
  if (biscuit.countBlocks() > blocksMax)
    throw new BiscuitError('too-many-blocks', `the token has more than ${blocksMax} blocks`)
  // The library tells of a foreign signature only here. A text that imitates the line can do no more than be refused.
  if (/external key: \S/.test(biscuit.toString()))
    throw new BiscuitError('third-party-block', 'the token has a block that somebody else signed')
}
