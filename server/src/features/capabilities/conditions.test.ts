import { GrantConditions } from '@agent-iam/contract/conditions'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { covers, type Held } from './model.ts'
import { conditionsHold, type Circumstances } from './conditions.ts'

const conditions = (given: unknown) => GrantConditions.parse(given)
const at = (now: string, rest: Partial<Circumstances> = {}): Circumstances => ({
  now: new Date(now),
  address: '192.0.2.7',
  resource: { type: 'file', id: 'docs/a' },
  ...rest,
})

// 2026-03-02 is a Monday.
test.each([
  ['from its first minute', '2026-03-02T09:00:00.000Z', {}, true],
  ['until just before its last', '2026-03-02T16:59:59.999Z', {}, true],
  ['not in the minute that it ends with', '2026-03-02T17:00:00.000Z', {}, false],
  ['not before it begins', '2026-03-02T08:59:59.999Z', {}, false],
  ['on a day that is named', '2026-03-02T12:00:00.000Z', { days: ['mon'] }, true],
  ['not on another', '2026-03-03T12:00:00.000Z', { days: ['mon', 'wed'] }, false],
])('a window from nine to five holds %s', (_name, now, more, expected) => {
  const timeWindow = { from: '09:00', to: '17:00', ...more }
  expect(conditionsHold(conditions({ timeWindow }), at(now))).toBe(expected)
})

test.each([
  ['the evening of its day', '2026-03-02T22:00:00Z', true],
  ['the small hours of the next', '2026-03-03T05:59:59Z', true],
  ['the morning after its end', '2026-03-03T06:00:00Z', false],
  ['the small hours of its own day, which belong to the day before', '2026-03-02T03:00:00Z', false],
  ['the evening of the next day', '2026-03-03T23:00:00Z', false],
])('a window over midnight counts as the day on which it begins: %s', (_name, now, expected) => {
  const timeWindow = { days: ['mon'], from: '22:00', to: '06:00' }
  expect(conditionsHold(conditions({ timeWindow }), at(now))).toBe(expected)
})

test('a window over midnight on Sunday lasts into Monday', () => {
  const timeWindow = { days: ['sun'], from: '22:00', to: '06:00' }
  expect(conditionsHold(conditions({ timeWindow }), at('2026-03-02T02:00:00Z'))).toBe(true)
  expect(conditionsHold(conditions({ timeWindow }), at('2026-03-01T02:00:00Z'))).toBe(false)
})

test('a window that ends when it begins is the whole day', () => {
  const timeWindow = { days: ['mon'], from: '00:00', to: '00:00' }
  const hours = Array.from({ length: 24 }, (_, hour) => `2026-03-02T${String(hour).padStart(2, '0')}:30:00Z`)
  expect(hours.every((now) => conditionsHold(conditions({ timeWindow }), at(now)))).toBe(true)
  expect(conditionsHold(conditions({ timeWindow }), at('2026-03-03T00:00:00Z'))).toBe(false)
  expect(conditionsHold(conditions({ timeWindow }), at('2026-03-01T23:59:59Z'))).toBe(false)
})

// Vienna is an hour ahead of UTC until 29 March 2026, 01:00 UTC, two hours until 25 October, 01:00 UTC.
test.each([
  ['in winter', '2026-03-27T08:00:00Z', true],
  ['an hour too early in winter', '2026-03-27T07:59:59Z', false],
  ['in summer, an hour earlier by UTC', '2026-03-30T07:00:00Z', true],
  ['an hour too early in summer', '2026-03-30T06:59:59Z', false],
  ['again in winter', '2026-10-26T08:00:00Z', true],
  ['by the clock of summer no more', '2026-10-26T07:30:00Z', false],
])('a window follows the clock of its zone: %s', (_name, now, expected) => {
  const timeWindow = { from: '09:00', to: '10:00', timeZone: 'Europe/Vienna' }
  expect(conditionsHold(conditions({ timeWindow }), at(now))).toBe(expected)
})

test('an hour that the clock skips never comes, and one that it repeats comes twice', () => {
  const timeWindow = { from: '02:15', to: '02:45', timeZone: 'Europe/Vienna' }
  const minutesOn = (day: string) =>
    Array.from({ length: 1440 }, (_, minute) => new Date(Date.parse(`${day}T00:00:00Z`) + minute * 60_000)).filter(
      (now) => conditionsHold(conditions({ timeWindow }), { ...at('2026-01-01T00:00:00Z'), now }),
    ).length
  expect([minutesOn('2026-03-28'), minutesOn('2026-03-29'), minutesOn('2026-10-25')]).toEqual([30, 0, 60])
})

test('a day is one of the zone, not of UTC', () => {
  const timeWindow = { days: ['tue'], from: '00:00', to: '00:00', timeZone: 'Pacific/Auckland' }
  expect(conditionsHold(conditions({ timeWindow }), at('2026-03-02T12:00:00Z'))).toBe(true)
  expect(conditionsHold(conditions({ timeWindow }), at('2026-03-03T12:00:00Z'))).toBe(false)
})

test.each([
  ['10.0.0.0/8', '10.255.0.1', true],
  ['10.0.0.0/8', '11.0.0.0', false],
  ['192.0.2.7', '192.0.2.7', true],
  ['192.0.2.7', '192.0.2.8', false],
  ['10.0.0.0/8', '::ffff:10.1.2.3', true],
  ['10.0.0.0/8', '::ffff:0a01:0203', true],
  ['2001:db8::/32', '2001:db8:ffff::1', true],
  ['2001:db8::/32', '2001:db9::1', false],
  ['2001:db8::1', '2001:0DB8:0:0::1', true],
  ['0.0.0.0/0', '2001:db8::1', false],
  ['::/0', '192.0.2.7', false],
  ['::/0', '', false],
  ['0.0.0.0/0', '', false],
  ['0.0.0.0/0', 'nonsense', false],
])('the range %s holds the address %j: %s', (range, address, expected) => {
  expect(conditionsHold(conditions({ addresses: [range] }), at('2026-03-02T12:00:00Z', { address }))).toBe(expected)
})

test.each([
  ['docs/', 'docs/a', true],
  ['docs/', 'docs', false],
  ['docs/', '', false],
  ['docs/', 'Docs/a', false],
  ['docs/', 'a/docs/', false],
])('the prefix %j holds the id %j: %s', (resourcePrefix, id, expected) => {
  const resource = { type: 'file', id }
  expect(conditionsHold(conditions({ resourcePrefix }), at('2026-03-02T12:00:00Z', { resource }))).toBe(expected)
})

test('all that is named must hold', () => {
  const both = conditions({ addresses: ['192.0.2.0/24'], resourcePrefix: 'docs/' })
  expect(conditionsHold(both, at('2026-03-02T12:00:00Z'))).toBe(true)
  expect(conditionsHold(both, at('2026-03-02T12:00:00Z', { address: '198.51.100.1' }))).toBe(false)
  expect(conditionsHold(both, at('2026-03-02T12:00:00Z', { resource: { type: 'file', id: 'x' } }))).toBe(false)
})

test('conditions only ever take away, and more of them take more away', () => {
  const time = fc
    .tuple(fc.integer({ min: 0, max: 23 }), fc.constantFrom('00', '15', '59'))
    .map(([hour, minute]) => `${String(hour).padStart(2, '0')}:${minute}`)
  const given = fc.record(
    {
      timeWindow: fc.record(
        {
          days: fc.uniqueArray(fc.constantFrom('mon', 'tue', 'sat', 'sun'), { minLength: 1 }),
          from: time,
          to: time,
          timeZone: fc.constantFrom('UTC', 'Europe/Vienna', 'Asia/Kathmandu', 'America/St_Johns'),
        },
        { requiredKeys: ['from', 'to'] },
      ),
      addresses: fc.array(fc.constantFrom('10.0.0.0/8', '192.0.2.7', '2001:db8::/32'), { minLength: 1, maxLength: 3 }),
      resourcePrefix: fc.constantFrom('docs/', 'd', 'x'),
    },
    { requiredKeys: [] },
  )
  const asked = fc.record({
    now: fc.date({ min: new Date('2026-01-01'), max: new Date('2027-01-01'), noInvalidDate: true }),
    address: fc.constantFrom('10.1.2.3', '192.0.2.7', '2001:db8::9', ''),
    resource: fc.record({ type: fc.constantFrom('file', 'db'), id: fc.constantFrom('docs/a', 'd', 'x/y', '') }),
  })
  const entries = fc.constantFrom('file:read', 'file/docs/*:read', '*:*')
  let allowed = 0
  fc.assert(
    fc.property(entries, given, asked, (entry, some, circumstances) => {
      const allows = ({ conditions: named }: Held) =>
        covers(entry, 'read', circumstances.resource) && (!named || conditionsHold(named, circumstances))
      const { timeWindow: _, ...fewer } = some
      const [bound, loose, free] = [conditions(some), conditions(fewer), undefined].map((each) =>
        allows(each ? { entry, conditions: each } : { entry }),
      )
      if (bound) allowed++
      return (!bound || loose === true) && (!loose || free === true)
    }),
    { numRuns: 5000 },
  )
  expect(allowed).toBeGreaterThan(100)
})
