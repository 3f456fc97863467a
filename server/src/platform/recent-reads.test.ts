import type { TenantId } from '@agent-iam/contract/ids'
import { expect, test } from 'vitest'
import { RecentReads } from './recent-reads.ts'

const tenant: TenantId = 'ten_00000000000000000000000000000001'
const other: TenantId = 'ten_00000000000000000000000000000002'

function setUp(entriesMax = 10) {
  let now = 1_000_000
  const reads = new RecentReads<string>({ now: () => new Date(now) }, entriesMax)
  const keep = (key: string, value: string, { of = tenant, epoch = 1, edgeIn = 0 } = {}) => {
    const edge = edgeIn > 0 ? new Date(now + edgeIn) : undefined
    reads.keep(of, key, { value, epoch, edge }, reads.momentOf(of))
  }
  return { reads, keep, pass: (ms: number) => (now += ms), find: (key: string) => reads.find(key)?.value }
}

test('what was read is believed for less than a second', () => {
  const { keep, find, pass } = setUp()
  keep('a', 'one')
  expect(find('a')).toBe('one')
  pass(999)
  expect(find('a')).toBe('one')
  pass(1)
  expect(find('a')).toBeUndefined()
})

test('a clock that is put back makes nothing young', () => {
  const { keep, find, pass } = setUp()
  keep('a', 'one')
  pass(-1)
  expect(find('a')).toBeUndefined()
})

test('what time alone makes another is not believed from that instant on', () => {
  const { keep, find, pass } = setUp()
  keep('a', 'one', { edgeIn: 10 })
  pass(9)
  expect(find('a')).toBe('one')
  pass(1)
  expect(find('a')).toBeUndefined()
})

test('once anything is known to have been narrowed, nothing older is believed', () => {
  const { keep, find } = setUp()
  keep('a', 'one', { epoch: 4 })
  keep('b', 'two', { epoch: 5 })
  expect([find('a'), find('b')]).toEqual([undefined, 'two'])
})

test('what is read while something changes here is not believed', () => {
  const { reads, find } = setUp()
  const moment = reads.momentOf(tenant)
  reads.forget(tenant)
  reads.keep(tenant, 'a', { value: 'one', epoch: 1 }, moment)
  expect(find('a')).toBeUndefined()
})

test('a tenant’s changes and epochs concern no other', () => {
  const { reads, keep, find } = setUp()
  keep('a', 'one')
  keep('b', 'theirs', { of: other, epoch: 9 })
  reads.forget(other)
  expect([find('a'), find('b')]).toEqual(['one', undefined])
})

test('when there are too many, the one kept first goes', () => {
  const { keep, find } = setUp(2)
  for (const key of ['a', 'b', 'c']) keep(key, key)
  expect(['a', 'b', 'c'].map(find)).toEqual([undefined, 'b', 'c'])
})
