import { platformTenantId } from '@agent-iam/contract/ids'
import { expect, test } from 'vitest'
import type { Pulse } from './pulse.ts'
import { RecentReads } from './recent-reads.ts'

const tenant = platformTenantId

function setUp(entriesMax = 10) {
  let now = 1_000_000
  const beat = { epoch: 1, changes: 1 }
  const pulse: Pick<Pulse, 'of'> = { of: () => Promise.resolve(beat) }
  const reads = new RecentReads<string>({ pulse, clock: { now: () => new Date(now) }, entriesMax })
  return {
    beat,
    keep: (key: string, { edgeIn = Infinity, ...at } = {}) =>
      reads.keep(tenant, key, {
        value: key,
        ...beat,
        ...at,
        ...(edgeIn < Infinity && { edge: new Date(now + edgeIn) }),
      }),
    find: async (key: string) => (await reads.find(key))?.value,
    pass: (ms: number) => (now += ms),
  }
}

test('what was read is believed as long as nothing changes', async () => {
  const { beat, keep, find } = setUp()
  keep('a')
  expect(await find('a')).toBe('a')
  beat.changes++
  expect(await find('a')).toBeUndefined()
})

test('once anything is narrowed, nothing older is believed', async () => {
  const { beat, keep, find } = setUp()
  keep('a')
  beat.epoch++
  keep('b')
  expect([await find('a'), await find('b')]).toEqual([undefined, 'b'])
})

test('what time alone makes another is not believed from that instant on', async () => {
  const { keep, find, pass } = setUp()
  keep('a', { edgeIn: 10 })
  pass(9)
  expect(await find('a')).toBe('a')
  pass(1)
  expect(await find('a')).toBeUndefined()
})

test('when there are too many, the one kept first goes', async () => {
  const { keep, find } = setUp(2)
  for (const key of ['a', 'b', 'c']) keep(key)
  expect(await Promise.all(['a', 'b', 'c'].map(find))).toEqual([undefined, 'b', 'c'])
})
