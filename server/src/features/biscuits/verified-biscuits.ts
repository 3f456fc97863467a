import type { VerifiedBiscuit } from '@agent-iam/standards/biscuit/verify'
import { sha256 } from '../../platform/digest.ts'

/** Tokens kept at once, a few kilobytes each; the one used longest ago goes first. */
const biscuitsMax = 5000

/** What a token says, and the root key that it goes back to. */
export interface KnownBiscuit extends VerifiedBiscuit {
  /** 32 bytes in hex. */
  readonly publicKey: string
  /** What an authorizer reads in its place, where only the blocks of a token were kept. */
  readonly evaluable?: string
}

/**
 * Remembers which Biscuits had good signatures, by the digest of the token: what a signature is worth never changes.
 * Whether its root key and its session are still good is asked each time.
 */
export class VerifiedBiscuits {
  readonly #verified = new Map<string, KnownBiscuit>()

  find(token: string): KnownBiscuit | undefined {
    const name = nameOf(token)
    const found = this.#verified.get(name)
    if (!found) return undefined
    this.#verified.delete(name)
    this.#verified.set(name, found)
    return found
  }

  keep(token: string, verified: KnownBiscuit): void {
    const [oldest] = this.#verified.keys()
    if (oldest !== undefined && this.#verified.size >= biscuitsMax) this.#verified.delete(oldest)
    this.#verified.set(nameOf(token), verified)
  }
}

function nameOf(token: string): string {
  return sha256(token).toString('base64')
}
