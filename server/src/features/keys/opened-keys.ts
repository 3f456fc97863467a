import { createPrivateKey, type KeyObject } from 'node:crypto'
import type { SigningAlgorithm } from '@agent-iam/contract/signing-keys'
import { importJWK, type CryptoKey } from 'jose'
import type { Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { isVerifying, type KeySet, type SigningKey } from './model.ts'
import { signingKeyPlace } from './store.ts'

export interface Signer {
  readonly key: SigningKey
  readonly privateKey: KeyObject
}

export interface Verifier {
  readonly key: SigningKey
  readonly publicKey: CryptoKey | Uint8Array
  /** Of the keys that it belongs to. */
  readonly version: number
  /** When it verifies no more, as far as is known by now. */
  readonly until: Date | undefined
}

/** A tenant's keys, ready for use. */
export interface OpenedKeys extends Pick<KeySet, 'version' | 'algorithm'> {
  /** The active key of each algorithm. */
  readonly signers: ReadonlyMap<SigningAlgorithm, Signer>
  /** By `kid`. Pending keys too: another instance may have promoted them already. */
  readonly verifiers: ReadonlyMap<string, Verifier>
}

/** Opens a set with the master key; only keys that sign are unsealed. */
export async function openKeySet(ctx: Context, set: KeySet | undefined): Promise<OpenedKeys> {
  const { tenantId } = ctx.caller
  if (!set || set.keys.length === 0) throw new Problem('not-found', `tenant ${tenantId} has no signing keys`)
  const { version, algorithm, keys } = set
  const verifiers = new Map<string, Verifier>()
  for (const key of keys) {
    const publicKey = await importJWK({ ...key.publicJwk }, key.algorithm)
    verifiers.set(key.id, { key, publicKey, version, until: key.retiresAt })
  }
  const signers = new Map<SigningAlgorithm, Signer>()
  for (const key of keys) {
    if (key.state !== 'active' || !key.sealed) continue
    const der = ctx.sealer.open(key.sealed, signingKeyPlace(tenantId, key.id))
    signers.set(key.algorithm, { key, privateKey: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }) })
  }
  return { version, algorithm, signers, verifiers }
}

/** The key of that `kid`, unless its time is over. */
export function verifierOf({ verifiers }: OpenedKeys, kid: string, now: Date): Verifier | undefined {
  const found = verifiers.get(kid)
  return found && isVerifying(found.key, now) ? found : undefined
}

/** The private half, for a library that signs by itself. */
export function toPrivateJwk({ key, privateKey }: Signer): Record<string, unknown> {
  return { ...privateKey.export({ format: 'jwk' }), kid: key.id, alg: key.algorithm, use: 'sig' }
}
