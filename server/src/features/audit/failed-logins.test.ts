import type { UserId } from '@agent-iam/contract/ids'
import { expect, test } from 'vitest'
import { inNoWorld } from '../../../test/no-world.ts'
import { TestClock } from '../../../test/test-clock.ts'
import { asCaller, type Context, type PendingEvent } from '../../platform/context.ts'
import { aggregatesOfTenantMax, FailedLogins } from './failed-logins.ts'

const tenantId = inNoWorld.newId('tenant')

/** A log in memory, which is away at times. */
function aLog() {
  const events: PendingEvent[] = []
  const log = { isAway: false, clock: new TestClock() }
  const commitAlone = (_ctx: Context, event: PendingEvent) => {
    if (log.isAway) return Promise.reject(new Error('the database is away'))
    events.push(event)
    return Promise.resolve({ log: inNoWorld.newId('log'), sequence: 0, leafHash: '' })
  }
  const ctx: Context = { ...inNoWorld, clock: log.clock, spine: { ...inNoWorld.spine, commitAlone } }
  const from = (address: string) => asCaller(ctx, { kind: 'anonymous', tenantId, address })
  return { log, ctx, from, counts: () => events.map(({ data }) => data?.['count']), events }
}

const account: UserId = inNoWorld.newId('user')

test('an attacker with many networks fills no more than so many events, and none is lost', async () => {
  const { ctx, from, counts } = aLog()
  const failed = new FailedLogins()
  const beyond = 5
  for (let n = 0; n < aggregatesOfTenantMax + beyond; n++)
    failed.note(from(`10.${n >> 8}.${n & 255}.1`), { method: 'password', account: undefined })
  await failed.flush(ctx, 'all')
  expect(counts().filter((count) => count === 1)).toHaveLength(aggregatesOfTenantMax)
  expect(counts().filter((count) => count !== 1)).toEqual([beyond])
})

test('a minute is appended once, when it is over', async () => {
  const { log, ctx, from, counts } = aLog()
  const failed = new FailedLogins()
  failed.note(from('192.0.2.1'), { method: 'password', account })
  await failed.flush(ctx)
  expect(counts()).toEqual([])
  failed.note(from('192.0.2.200'), { method: 'second-factor', account })
  log.clock.advance(60)
  await failed.flush(ctx)
  await failed.flush(ctx)
  expect(counts()).toEqual([2])
})

test('what could not be appended is kept for the next time', async () => {
  const { log, ctx, from, counts, events } = aLog()
  const failed = new FailedLogins()
  failed.note(from('192.0.2.1'), { method: 'password', account })
  log.isAway = true
  await expect(failed.flush(ctx, 'all')).rejects.toThrow('the database is away')
  log.isAway = false
  await failed.flush(ctx, 'all')
  expect(counts()).toEqual([1])
  expect(events[0]?.personal).toEqual({ subject: account, fields: { account, addressPrefix: '192.0.2.0/24' } })
})
