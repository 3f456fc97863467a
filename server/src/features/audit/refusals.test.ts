import { platformTenantId } from '@agent-iam/contract/ids'
import { expect, test } from 'vitest'
import { inNoWorld } from '../../../test/no-world.ts'
import { TestClock } from '../../../test/test-clock.ts'
import { asCaller, type Context, type PendingEvent } from '../../platform/context.ts'
import { inProcessState } from '../../platform/shared-state.ts'
import { addressPrefix, countedMax, RefusalRecorder } from './refusals.ts'

test.each([
  ['192.0.2.17', '192.0.2.0/24'],
  ['::ffff:192.0.2.17', '192.0.2.0/24'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
  ['2001:db8::1', '2001:db8:0::/48'],
  ['::1', '0:0:0::/48'],
  ['fe80::1%eth0', 'fe80:0:0::/48'],
  ['', ''],
])('the network of %s is %s', (address, prefix) => {
  expect(addressPrefix(address)).toBe(prefix)
})

const refusal = { code: 'not-found', operation: 'getAgent' } as const

/** A log in memory; `takes` may refuse an event. */
function aLog(takes: (event: PendingEvent, actor: string) => boolean = () => true) {
  const events: PendingEvent[] = []
  const record = { log: 'log_00000000000000000000000000000000', sequence: 0, leafHash: '' } as const
  const spine: Context['spine'] = {
    append: () => Promise.resolve(),
    committed: () => undefined,
    rejected: () => Promise.resolve(),
    noteFailedLogin: () => undefined,
    commitAlone(ctx, event) {
      if (!takes(event, ctx.caller.address)) return Promise.reject(new Error('the database is away'))
      events.push(event)
      return Promise.resolve(record)
    },
  }
  const ctx: Context = { ...inNoWorld, spine, sharedState: inProcessState(new TestClock()) }
  const from = (address: string) => asCaller(ctx, { kind: 'anonymous', tenantId: platformTenantId, address })
  return { events, from, counts: () => events.map(({ data }) => data?.['count']) }
}

test('what cannot be recorded is kept for the next time, and holds nothing else up', async () => {
  let isAway = false
  const log = aLog((_event, address) => !isAway || address !== '192.0.2.1')
  const recorder = new RefusalRecorder()
  for (const address of ['192.0.2.1', '198.51.100.1', '192.0.2.1', '198.51.100.1', '192.0.2.1'])
    await recorder.record(log.from(address), refusal)
  expect(log.counts()).toEqual([1, 1])
  isAway = true
  await expect(recorder.flush()).rejects.toThrow('not recorded yet')
  expect(log.counts()).toEqual([1, 1, 1])
  await recorder.record(log.from('192.0.2.1'), refusal)
  isAway = false
  await recorder.flush()
  expect(log.counts()).toEqual([1, 1, 1, 3])
})

test('refusals from more networks than are counted apart are counted together, and none is lost', async () => {
  const log = aLog()
  const recorder = new RefusalRecorder()
  const networks = countedMax + 5
  for (let n = 0; n < networks * 2; n++) {
    const address = `10.${(n % networks) >> 8}.${(n % networks) & 255}.1`
    await recorder.record(log.from(address), refusal)
  }
  const toldAtOnce = log.events.length
  expect(toldAtOnce).toBe(networks)
  await recorder.flush()
  const together = log.events.slice(toldAtOnce).filter(({ data }) => data?.['count'] !== 1)
  expect(together).toMatchObject([{ action: 'unknown', data: { count: 5 } }])
})
