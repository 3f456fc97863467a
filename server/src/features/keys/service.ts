/**
 * Token signing keys: each tenant has its own issuer and keys (DESIGN D7), sealed at rest, made with the tenant. A key is
 * published a day before it signs, signs for thirty days, and verifies for seven more; the clock and commands replace
 * it. Tokens are JWTs (RFC 7519, access tokens RFC 9068), public halves a JWK Set (RFC 7517). It guarantees that what a
 * retired or revoked key signed is refused on every instance from the commit that ended it.
 */
import { inTransaction, type Context } from '../../platform/context.ts'
import { readKeySet } from './store.ts'

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

/** Whether the tenant has keys to sign with. */
export async function hasSigningKeys(ctx: Context): Promise<boolean> {
  return (await inTransaction(ctx, readKeySet)).keys.length > 0
}
