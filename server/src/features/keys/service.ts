/**
 * Token signing keys: each tenant has its own issuer and keys (DESIGN D7), sealed at rest, made with the tenant. A key is
 * published a day before it signs, signs for thirty days, and verifies for seven more; the clock and commands replace
 * it. Tokens are JWTs (RFC 7519, access tokens RFC 9068), public halves a JWK Set (RFC 7517). It guarantees that what a
 * retired or revoked key signed is refused on every instance from the commit that ended it.
 */
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { publicRoot } from './opened-keys.ts'
import { findRootKey, readKeySet } from './store.ts'

export { sealedSigningKeys } from './store.ts'
export { KeyRing } from './ring.ts'
export {
  attendToKeys,
  chooseAlgorithm,
  createSigningKeys,
  readSigningKeys,
  revokeKey,
  rotateKeys,
  type SigningKeys,
} from './rotation.ts'

/**
 * The public half of a root key of the tenant, in hex, whatever has become of the key: for Biscuits that were accepted
 * while it was good. It may run inside a transaction, unlike what the ring does.
 */
export async function findRootPublicKey(tx: Transaction, rootKeyId: number): Promise<string | undefined> {
  const key = await findRootKey(tx, rootKeyId)
  return key && publicRoot(key).publicKey
}

/** Whether the tenant has keys to sign with. */
export async function hasSigningKeys(ctx: Context): Promise<boolean> {
  return (await inTransaction(ctx, readKeySet)).keys.length > 0
}
