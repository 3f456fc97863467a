import { sha256 } from '@noble/hashes/sha2.js'

/** What the first link of a chain is chained to: 32 zero bytes. */
export const chainStart: Uint8Array = new Uint8Array(32)

/** The head of a chain after one more leaf: SHA-256(previous ‖ leafHash). It fixes every leaf so far and their order. */
export function chainNext(previous: Uint8Array, leafHash: Uint8Array): Uint8Array {
  return sha256.create().update(previous).update(leafHash).digest()
}
