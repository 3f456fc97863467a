import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { sha256 } from './digest.ts'
import type { Random } from './random.ts'

const keyBytes = 32
const ivBytes = 12
const tagBytes = 16
/** Enough of the key's digest to tell keys apart. */
const keyIdBytes = 8
const version = 1

/** Envelope encryption of secrets at rest: AES-256-GCM, bound to where the secret stands. */
export interface Sealer {
  /** Names the master key, without telling anything about it. */
  readonly keyId: string
  /** Other master keys, which open what they sealed and seal nothing more. */
  readonly others: readonly MasterKeyMark[]
  /** `place` is authenticated, not stored: tenant, table, column and owner, so that a row cannot be moved. */
  seal(plain: Uint8Array, place: string): Buffer
  /** Throws when the bytes were changed, moved, or sealed with a key that is neither this one nor one of the others. */
  open(sealed: Uint8Array, place: string): Buffer
  /** A key for one purpose, derived from the master key: the same on every instance. */
  derive(purpose: string): Buffer
}

/** What is stored of a master key: enough to tell whether one is the same. */
export interface MasterKeyMark {
  readonly keyId: string
  readonly checkValue: Buffer
}

/** Seals with this master key; opens what it or one of the others sealed. */
export function createSealer(masterKey: Uint8Array, random: Random, others: readonly Uint8Array[] = []): Sealer {
  const { derive, keyId, dataKey } = keysOf(masterKey)
  const byId = new Map([...others, masterKey].map(keysOf).map((keys) => [keys.keyId.toString('hex'), keys]))
  return {
    keyId: keyId.toString('hex'),
    others: [...byId.values()].filter((keys) => !keys.keyId.equals(keyId)).map(markOf),
    derive,
    seal: (plain, place) => Buffer.concat([Buffer.from([version]), keyId, encrypt(dataKey, { plain, place, random })]),
    open(sealed, place) {
      const bytes = Buffer.from(sealed)
      if (bytes[0] !== version) throw new Error('sealed bytes of an unknown version')
      const sealing = byId.get(bytes.subarray(1, 1 + keyIdBytes).toString('hex'))
      if (!sealing) throw new Error('sealed with another master key')
      return decrypt(sealing.dataKey, bytes.subarray(1 + keyIdBytes), place)
    },
  }
}

interface DerivedKeys {
  readonly derive: (purpose: string) => Buffer
  readonly keyId: Buffer
  readonly dataKey: KeyObject
}

function keysOf(masterKey: Uint8Array): DerivedKeys {
  if (masterKey.length !== keyBytes) throw new Error(`the master key must have ${keyBytes} bytes`)
  const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', masterKey, '', `agent-iam ${purpose}`, keyBytes))
  return { derive, keyId: sha256(derive('key id')).subarray(0, keyIdBytes), dataKey: createSecretKey(derive('seal')) }
}

function markOf({ keyId, derive }: DerivedKeys): MasterKeyMark {
  return { keyId: keyId.toString('hex'), checkValue: derive('check value') }
}

interface Encryption {
  readonly plain: Uint8Array
  readonly place: string
  readonly random: Random
}

/**
 * AES-256-GCM: nonce, ciphertext and tag in one. `place` is authenticated with it.
 *
 * @param key one that is made of its bytes anew each time makes it take five times as long
 */
export function encrypt(key: KeyObject, { plain, place, random }: Encryption): Buffer {
  const iv = random(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(place))
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** Throws when anything was changed. */
export function decrypt(key: KeyObject, bytes: Uint8Array, place: string): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes))
  decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(-tagBytes))
  return Buffer.concat([decipher.update(bytes.subarray(ivBytes, -tagBytes)), decipher.final()])
}
