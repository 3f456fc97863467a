import { createSecretKey, type KeyObject } from 'node:crypto'
import type { Json } from '@agent-iam/contract/json'
import { z } from 'zod'
import type { PendingEvent, Transaction } from '../../platform/context.ts'
import { equalDigests, sha256 } from '../../platform/digest.ts'
import type { SealedColumn } from '../../platform/resealing.ts'
import { decrypt, encrypt, type Sealer } from '../../platform/sealing.ts'
import { keySubject, type Sealed } from './model.ts'
import { findDataKey, insertDataKey } from './store.ts'

type Tx = Pick<Transaction, 'db' | 'caller' | 'clock' | 'random' | 'sealer'>
type Cached = Omit<Tx, 'db' | 'clock'>

const keyBytes = 32
/** Month keys, which no erasure destroys early, by tenant and month: two months of a few tenants at a time. */
const monthKeysMax = 1000
const monthKeys = new WeakMap<Sealer, Map<string, DataKey>>()

/** The key of a data subject, with what the log tells of it. */
interface DataKey {
  readonly key: KeyObject
  readonly commitment: string
}

/** What the master key sealed here. */
export const sealedDataKeys: SealedColumn = {
  table: 'data_keys',
  column: 'sealed',
  key: ['subject'],
  place: (tenantId, { subject }) => keyPlace({ caller: { tenantId } }, String(subject)),
}

/** Seals what an event tells about a person; null when it tells nothing. */
export async function sealPersonal(tx: Tx, event: PendingEvent): Promise<Sealed | null> {
  if (!event.personal) return null
  const subject = keySubject(event.personal.subject, event.at)
  return sealWith(tx, await dataKey(tx, subject), event)
}

/** The same without the database; undefined when the key is not at hand. */
export function sealWithKnownKey(ctx: Cached, event: PendingEvent): Sealed | null | undefined {
  if (!event.personal) return null
  const key = cache(ctx).get(cacheKey(ctx, keySubject(event.personal.subject, event.at)))
  return key && sealWith(ctx, key, event)
}

function sealWith(ctx: Cached, { key, commitment }: DataKey, event: PendingEvent): Sealed | null {
  if (!event.personal) return null
  const plain = Buffer.from(JSON.stringify(event.personal.fields))
  return {
    subject: keySubject(event.personal.subject, event.at),
    commitment,
    box: encrypt(key, { plain, place: boxPlace(event.id), random: ctx.random }).toString('base64'),
  }
}

/** The personal fields of an event; null when their key is gone. */
export async function openPersonal(
  tx: Tx,
  eventId: string,
  sealed: Sealed | null,
): Promise<Record<string, Json> | null> {
  const found = sealed && (await findKey(tx, sealed.subject))
  if (!sealed || !found) return null
  const { key, commitment } = found
  if (!equalDigests(Buffer.from(commitment), Buffer.from(sealed.commitment)))
    throw new Error(`event ${eventId} was sealed with another key than its subject's`)
  const plain = decrypt(key, Buffer.from(sealed.box, 'base64'), boxPlace(eventId))
  return z.record(z.string(), z.json()).parse(JSON.parse(plain.toString()))
}

async function dataKey(tx: Tx, subject: string): Promise<DataKey> {
  const known = cache(tx).get(cacheKey(tx, subject))
  if (known) return known
  const found = await findKey(tx, subject)
  if (found) return remember(tx, subject, found)
  const sealed = tx.sealer.seal(tx.random(keyBytes), keyPlace(tx, subject))
  await insertDataKey(tx, subject, sealed, tx.clock.now())
  const made = await findKey(tx, subject)
  if (!made) throw new Error(`no data key for ${subject}`)
  return made
}

async function findKey(tx: Tx, subject: string): Promise<DataKey | undefined> {
  const sealed = await findDataKey(tx, subject)
  return sealed && toDataKey(tx.sealer.open(sealed, keyPlace(tx, subject)))
}

/** NOTE: only keys read back from a committed row are kept; one made in a transaction that fails never existed. */
function remember(tx: Tx, subject: string, key: DataKey): DataKey {
  const keys = cache(tx)
  if (!subject.startsWith('month:')) return key
  if (keys.size >= monthKeysMax) keys.clear()
  keys.set(cacheKey(tx, subject), key)
  return key
}

function cache(tx: Cached): Map<string, DataKey> {
  const found = monthKeys.get(tx.sealer) ?? new Map<string, DataKey>()
  monthKeys.set(tx.sealer, found)
  return found
}

function cacheKey(tx: Cached, subject: string): string {
  return `${tx.caller.tenantId} ${subject}`
}

function keyPlace({ caller }: { caller: Pick<Tx['caller'], 'tenantId'> }, subject: string): string {
  return `${caller.tenantId}/data_keys/sealed/${subject}`
}

function boxPlace(eventId: string): string {
  return `audit event ${eventId}`
}

function toDataKey(bytes: Buffer): DataKey {
  const commitment = sha256(Buffer.concat([Buffer.from('agent-iam data key '), bytes])).toString('hex')
  return { key: createSecretKey(bytes), commitment }
}
