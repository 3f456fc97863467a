import { sha256 } from '@noble/hashes/sha2.js'

/** RFC 6962 §2.1: leaves and inner nodes are hashed with different first bytes, so that neither passes as the other. */
const leafPrefix = Uint8Array.of(0x00)

/** The hash of one leaf of a Merkle tree: SHA-256(0x00 ‖ leaf) (RFC 6962 §2.1). */
export function leafHash(leaf: Uint8Array): Uint8Array {
  return sha256.create().update(leafPrefix).update(leaf).digest()
}
