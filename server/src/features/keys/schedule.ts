import type { EventType } from '@agent-iam/contract/event-types'
import { addSeconds } from '../../platform/clock.ts'
import { backups, keyLines, wishFor, type KeyLine, type KeyWish, type SigningKey } from './model.ts'

const daySeconds = 86_400
/** How long a key signs. */
export const rotationSeconds = 30 * daySeconds
/** How long a key verifies after another took its place: far longer than any token that it signed. */
export const overlapSeconds = 7 * daySeconds
/** How long a key is published before it signs: longer than any verifier keeps a key set. */
export const publishedSeconds = daySeconds
/** The next key is made so long before it is needed: a job that does not run for a day makes nobody wait. */
const leadSeconds = 2 * daySeconds

/** A key as it is from now on, and what is told of it. */
export interface KeyChange {
  readonly key: SigningKey
  readonly event: EventType & `signing-key.${string}`
}

/** Keys that were made beforehand, outside of any transaction, for the schedule to take as it needs. */
export type Supply = readonly SigningKey[]

/** All that the clock asks for now, as far as the supply goes. */
export function advance(keys: readonly SigningKey[], supply: Supply, now: Date): KeyChange[] {
  const changes: KeyChange[] = []
  for (;;) {
    const next = nextChanges(applyChanges(keys, changes), supply, now)
    if (next.length === 0) return changes
    changes.push(...next)
  }
}

/** The keys that are due and not there yet. */
export function missingKeys(keys: readonly SigningKey[], now: Date): KeyWish[] {
  const needed = keyLines.filter((line) => needsSuccessor(keys, line, now))
  return [...needed.map(wishFor), ...missingBackups(keys)]
}

/** When the clock asks for something next. */
export function dueAt(keys: readonly SigningKey[], now: Date): Date {
  if (missingKeys(keys, now).length > 0) return now
  const instants = keys.flatMap(({ state, signsFrom, retiresAt, activatedAt }) => {
    if (state === 'pending') return signsFrom ?? []
    if (state === 'retiring') return retiresAt ?? []
    return state === 'active' ? addSeconds(activatedAt ?? now, rotationSeconds - leadSeconds) : []
  })
  const coming = instants.filter((instant) => instant > now).map((instant) => instant.getTime())
  return coming.length === 0 ? addSeconds(now, daySeconds) : new Date(Math.min(...coming))
}

/** Has the next key sign at once, or else as soon as it has been published long enough. */
export function rotate(
  keys: readonly SigningKey[],
  { line, immediately }: { line: KeyLine; immediately: boolean },
  supply: Supply,
  now: Date,
): KeyChange[] {
  const active = find(keys, 'active', line)
  const pending = find(keys, 'pending', line)
  const next = pending ?? take(keys, supply, wishFor(line))
  if (!next) return []
  const signsFrom = immediately ? now : later(now, addSeconds(next.createdAt, publishedSeconds))
  const waiting = pend(next, earlier(signsFrom, pending?.signsFrom ?? signsFrom))
  const created = pending ? [] : [{ key: waiting, event: 'signing-key.created' as const }]
  if (signsFrom <= now) return [...created, ...promote(active, waiting, now)]
  return pending ? [{ key: waiting, event: 'signing-key.scheduled' }] : created
}

/** Ends a key at once. Where it signed, another takes its place: one that verifiers know already, if there is one. */
export function revoke(keys: readonly SigningKey[], key: SigningKey, supply: Supply, now: Date): KeyChange[] {
  const revoked = { key: end(key, 'revoked', now), event: 'signing-key.revoked' as const }
  if (key.state !== 'active') return [revoked]
  const known = find(keys, 'pending', key) ?? find(keys, 'backup', key)
  const next = known ?? take(keys, supply, wishFor(key))
  if (!next) return []
  const created = known ? [] : [{ key: pend(next, now), event: 'signing-key.created' as const }]
  return [revoked, ...created, ...promote(undefined, next, now)]
}

/** The keys with the changes made; the last change of a key counts. */
export function applyChanges(keys: readonly SigningKey[], changes: readonly KeyChange[]): SigningKey[] {
  const byId = new Map([...keys, ...changes.map(({ key }) => key)].map((key) => [key.id, key]))
  return [...byId.values()]
}

function nextChanges(keys: readonly SigningKey[], supply: Supply, now: Date): KeyChange[] {
  const over = keys.find(({ state, retiresAt }) => state === 'retiring' && retiresAt && retiresAt <= now)
  if (over) return [{ key: end(over, 'retired', now), event: 'signing-key.retired' }]
  for (const line of keyLines) {
    const changes = succession(keys, line, supply, now)
    if (changes.length > 0) return changes
  }
  const [backup] = missingBackups(keys).flatMap((wish) => take(keys, supply, wish) ?? [])
  return backup ? [{ key: { ...backup, state: 'backup' }, event: 'signing-key.created' }] : []
}

function missingBackups(keys: readonly SigningKey[]): KeyWish[] {
  return backups.filter(({ purpose }) => !keys.some((key) => key.state === 'backup' && key.purpose === purpose))
}

/** Who signs next with an algorithm: the first key of all signs at once, each later one was published before. */
function succession(keys: readonly SigningKey[], line: KeyLine, supply: Supply, now: Date): KeyChange[] {
  const active = find(keys, 'active', line)
  const pending = find(keys, 'pending', line)
  if (pending && (!active || (pending.signsFrom ?? now) <= now)) return promote(active, pending, now)
  const next = needsSuccessor(keys, line, now) ? take(keys, supply, wishFor(line)) : undefined
  if (!next) return []
  if (!active) return [{ key: activate(next, now), event: 'signing-key.created' }]
  const signsFrom = later(addSeconds(next.createdAt, publishedSeconds), rotatesAt(active, now))
  return [{ key: pend(next, signsFrom), event: 'signing-key.created' }]
}

function needsSuccessor(keys: readonly SigningKey[], line: KeyLine, now: Date): boolean {
  if (find(keys, 'pending', line)) return false
  const active = find(keys, 'active', line)
  return !active || addSeconds(rotatesAt(active, now), -leadSeconds) <= now
}

function rotatesAt({ activatedAt }: SigningKey, now: Date): Date {
  return addSeconds(activatedAt ?? now, rotationSeconds)
}

function promote(active: SigningKey | undefined, next: SigningKey, now: Date): KeyChange[] {
  const retiring = active && {
    key: { ...active, state: 'retiring' as const, sealed: undefined, retiresAt: addSeconds(now, overlapSeconds) },
    event: 'signing-key.replaced' as const,
  }
  return [...(retiring ? [retiring] : []), { key: activate(next, now), event: 'signing-key.promoted' }]
}

function activate(key: SigningKey, now: Date): SigningKey {
  return { ...key, state: 'active', signsFrom: undefined, activatedAt: now }
}

function pend(key: SigningKey, signsFrom: Date): SigningKey {
  return { ...key, state: 'pending', signsFrom }
}

function end(key: SigningKey, state: 'retired' | 'revoked', now: Date): SigningKey {
  return { ...key, state, sealed: undefined, signsFrom: undefined, retiresAt: undefined, endedAt: now }
}

function find(keys: readonly SigningKey[], state: SigningKey['state'], { purpose, algorithm }: KeyLine) {
  return keys.find((key) => key.state === state && key.purpose === purpose && key.algorithm === algorithm)
}

function take(keys: readonly SigningKey[], supply: Supply, wish: KeyWish): SigningKey | undefined {
  return supply.find(
    ({ id, purpose, keyType }) =>
      purpose === wish.purpose && keyType === wish.keyType && !keys.some((key) => key.id === id),
  )
}

function later(a: Date, b: Date): Date {
  return a > b ? a : b
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b
}
