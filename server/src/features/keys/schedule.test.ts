import type { SigningKeyState, SigningKeyType } from '@agent-iam/contract/signing-keys'
import { describe, expect, test } from 'vitest'
import { addSeconds } from '../../platform/clock.ts'
import { algorithmOf, isVerifying, type KeyWish, type SigningKey } from './model.ts'
import { advance, applyChanges, dueAt, missingKeys, revoke, rotate } from './schedule.ts'

const day = 86_400
const start = new Date('2030-01-01T00:00:00Z')
const at = (days: number) => addSeconds(start, days * day)
let made = 0

function make(keyType: SigningKeyType, createdAt: Date, purpose: KeyWish['purpose'] = 'jwt'): SigningKey {
  return {
    id: `key_${String(++made).padStart(32, '0')}`,
    purpose,
    rootKeyId: undefined,
    algorithm: algorithmOf[keyType],
    keyType,
    state: 'pending',
    publicJwk: {},
    sealed: Buffer.from('sealed'),
    createdAt,
    signsFrom: undefined,
    activatedAt: undefined,
    retiresAt: undefined,
    endedAt: undefined,
  }
}

/** What the job does at an instant. */
function attend(keys: readonly SigningKey[], now: Date): SigningKey[] {
  const supply = missingKeys(keys, now).map(({ keyType, purpose }) => make(keyType, now, purpose))
  return applyChanges(keys, advance(keys, supply, now))
}

/** The job, every hour of so many days from the first start. */
function run(days: number, look: (keys: SigningKey[], now: Date) => void = () => undefined): SigningKey[] {
  let keys: SigningKey[] = []
  for (let hour = 0; hour <= days * 24; hour++) {
    const now = addSeconds(start, hour * 3600)
    keys = attend(keys, now)
    look(keys, now)
  }
  return keys
}

function inState(
  keys: readonly SigningKey[],
  state: SigningKeyState,
  algorithm = 'RS256',
  purpose: KeyWish['purpose'] = 'jwt',
) {
  return keys.filter((key) => key.purpose === purpose && key.state === state && key.algorithm === algorithm)
}

test('the first keys sign at once, and a backup stands by for each purpose', () => {
  const keys = run(0)
  const told = keys.map(({ purpose, keyType, state }) => `${purpose} ${keyType} ${state}`)
  expect(told.toSorted()).toEqual([
    'biscuit Ed25519 active',
    'biscuit Ed25519 backup',
    'jwt Ed25519 active',
    'jwt RSA-2048 active',
    'jwt RSA-4096 backup',
  ])
})

const lines = [
  ['RS256', 'jwt'],
  ['EdDSA', 'jwt'],
  ['EdDSA', 'biscuit'],
] as const

test('at every hour of 100 days one key of each algorithm signs, for at most 30 days', () => {
  run(100, (keys, now) => {
    for (const [algorithm, purpose] of lines) {
      const [active, ...others] = inState(keys, 'active', algorithm, purpose)
      expect(others).toEqual([])
      expect(addSeconds(active?.activatedAt ?? at(-999), 30 * day) > now).toBe(true)
    }
  })
})

test('but for the first, each key is published for a day before it signs', () => {
  const late = run(100).filter(
    ({ activatedAt, createdAt }) => activatedAt && createdAt > start && activatedAt < addSeconds(createdAt, day),
  )
  expect(late).toEqual([])
  expect(run(100).filter(({ activatedAt }) => activatedAt).length).toBe(12)
})

test('a token is accepted for the seven days after its key was replaced, and not a moment longer', () => {
  const [first] = run(0)
  const replaced = run(30).find(({ state }) => state === 'retiring')
  expect(first && replaced).toBeTruthy()
  const key = replaced ?? make('RSA-2048', start)
  expect(key.retiresAt).toEqual(at(37))
  expect(isVerifying(key, addSeconds(at(37), -1))).toBe(true)
  // Whether the job came by or not.
  expect(isVerifying(key, at(37))).toBe(false)
})

test('a key that signs no more has no private half', () => {
  run(100, (keys) => {
    for (const { state, sealed } of keys)
      expect([state, sealed !== undefined]).toEqual([state, ['active', 'pending', 'backup'].includes(state)])
  })
})

test('nothing is due before dueAt, and something is then', () => {
  let keys = run(0)
  let now = start
  for (let turn = 0; turn < 12; turn++) {
    const due = dueAt(keys, now)
    const before = addSeconds(due, -1)
    expect([missingKeys(keys, before), advance(keys, [], before)]).toEqual([[], []])
    const next = attend(keys, due)
    expect(next).not.toEqual(keys)
    keys = next
    now = due
  }
  expect(now > at(60)).toBe(true)
})

test('an installation that slept for 60 days publishes the next key for a day before it signs', () => {
  const keys = attend(run(0), at(60))
  expect(inState(keys, 'active')[0]?.createdAt).toEqual(start)
  expect(inState(keys, 'pending')[0]?.signsFrom).toEqual(at(61))
  expect(inState(attend(keys, at(61)), 'active')[0]?.createdAt).toEqual(at(60))
})

describe('a command to rotate', () => {
  const wish = { line: { purpose: 'jwt', algorithm: 'RS256' }, immediately: false } as const

  test('publishes a key that signs a day later', () => {
    const keys = run(3)
    const changed = applyChanges(keys, rotate(keys, wish, [make('RSA-2048', at(3))], at(3)))
    expect(inState(changed, 'pending')[0]?.signsFrom).toEqual(at(4))
    expect(inState(attend(changed, at(4)), 'active')[0]?.activatedAt).toEqual(at(4))
  })

  test('brings one that waits already forward, never back', () => {
    const keys = run(28)
    const [waiting] = inState(keys, 'pending')
    expect(waiting?.signsFrom).toEqual(at(30))
    expect(inState(applyChanges(keys, rotate(keys, wish, [], at(28))), 'pending')[0]?.signsFrom).toEqual(at(29))
    const later = run(29)
    expect(inState(applyChanges(later, rotate(later, wish, [], at(29.5))), 'active')[0]?.id).toBe(
      inState(later, 'pending')[0]?.id,
    )
  })

  test('at once has a new key sign, and the old one verifies on', () => {
    const keys = run(3)
    const changed = applyChanges(keys, rotate(keys, { ...wish, immediately: true }, [make('RSA-2048', at(3))], at(3)))
    expect(inState(changed, 'active')[0]?.createdAt).toEqual(at(3))
    expect(inState(changed, 'retiring')[0]?.createdAt).toEqual(start)
  })
})

describe('a revoked key', () => {
  test('that signed is followed by the backup, and that by another backup', () => {
    const keys = run(3)
    const [active] = inState(keys, 'active')
    if (!active) throw new Error('no key signs')
    const changed = applyChanges(keys, revoke(keys, active, [], at(3)))
    expect(inState(changed, 'active')[0]?.keyType).toBe('RSA-4096')
    expect(inState(changed, 'revoked')[0]).toMatchObject({ id: active.id, sealed: undefined, endedAt: at(3) })
    expect(inState(attend(changed, at(3)), 'backup').length).toBe(1)
  })

  test('is rather followed by a key that waits, if there is one', () => {
    const keys = run(29)
    const [active] = inState(keys, 'active')
    const [waiting] = inState(keys, 'pending')
    if (!active) throw new Error('no key signs')
    expect(inState(applyChanges(keys, revoke(keys, active, [], at(29))), 'active')[0]?.id).toBe(waiting?.id)
  })

  test('without either asks for a new one, and is not revoked before it is there', () => {
    const keys = run(3)
    const [active] = inState(keys, 'active', 'EdDSA')
    if (!active) throw new Error('no key signs')
    expect(revoke(keys, active, [], at(3))).toEqual([])
    const changed = applyChanges(keys, revoke(keys, active, [make('Ed25519', at(3))], at(3)))
    expect(inState(changed, 'active', 'EdDSA').length).toBe(1)
  })

  test('that did not sign changes nothing else', () => {
    const keys = run(31)
    const [retiring] = inState(keys, 'retiring')
    if (!retiring) throw new Error('no key retires')
    expect(revoke(keys, retiring, [], at(31)).map(({ key, event }) => [key.id, event])).toEqual([
      [retiring.id, 'signing-key.revoked'],
    ])
  })
})
