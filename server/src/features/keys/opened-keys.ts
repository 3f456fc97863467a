import { createPrivateKey, type KeyObject } from 'node:crypto'
import type { SigningAlgorithm } from '@agent-iam/contract/signing-keys'
import { importJWK, type CryptoKey } from 'jose'
import type { Context } from '../../platform/context.ts'
import type { RootKey } from '../../platform/keys.ts'
import { Problem } from '../../platform/problem.ts'
import { isVerifying, type KeySet, type SigningKey } from './model.ts'
import { keyPlace } from './store.ts'

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
  /** The public halves of the keys for Biscuits, by the number in the token. */
  readonly roots: ReadonlyMap<number, StoredRoot>
  /** The one that signs Biscuits; a tenant of the release before has none until the job came by. */
  readonly root: Signer | undefined
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
    if (key.purpose !== 'jwt') continue
    const publicKey = await importJWK({ ...key.publicJwk }, key.algorithm)
    verifiers.set(key.id, { key, publicKey, version, until: key.retiresAt })
  }
  const signers = new Map<SigningAlgorithm, Signer>()
  let root: Signer | undefined
  for (const key of keys) {
    const signer = openSigner(ctx, key)
    if (signer && key.purpose === 'jwt') signers.set(key.algorithm, signer)
    if (signer && key.purpose === 'biscuit') root = signer
  }
  const roots = new Map(keys.filter(isStoredRoot).map((key) => [key.rootKeyId, key] as const))
  return { version, algorithm, signers, verifiers, roots, root }
}

function openSigner(ctx: Context, key: SigningKey): Signer | undefined {
  if (key.state !== 'active' || !key.sealed) return undefined
  const der = ctx.sealer.open(key.sealed, keyPlace(key.purpose, ctx.caller.tenantId, key.id))
  return { key, privateKey: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }) }
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

/** A root key whose number is known. */
interface StoredRoot extends SigningKey {
  readonly rootKeyId: number
}

function isStoredRoot(key: SigningKey): key is StoredRoot {
  return key.rootKeyId !== undefined
}

export function verifyingRoots({ roots }: OpenedKeys, now: Date): StoredRoot[] {
  return [...roots.values()].filter((key) => isVerifying(key, now))
}

/** The public half, as Biscuit libraries take it. */
export function publicRoot({ rootKeyId, publicJwk }: Pick<StoredRoot, 'rootKeyId' | 'publicJwk'>): RootKey {
  return { rootKeyId, publicKey: hexOf(publicJwk['x']) }
}

/** The private half, for a library that signs by itself. */
export function privateRoot({ key, privateKey }: Signer): RootKey & { privateKey: string } {
  if (!isStoredRoot(key)) throw new Error('a root key that is not stored yet signs nothing')
  return { ...publicRoot(key), privateKey: hexOf(privateKey.export({ format: 'jwk' }).d) }
}

function hexOf(member: unknown): string {
  return Buffer.from(String(member), 'base64url').toString('hex')
}
