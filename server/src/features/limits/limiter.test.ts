import { expect, test } from 'vitest'
import { inNoWorld } from '../../../test/no-world.ts'
import { TestClock } from '../../../test/test-clock.ts'
import { generousSettings } from '../../../test/test-server.ts'
import { Limiter } from './service.ts'

test('what comes from where it must wait is let in again when the clock was put back', async () => {
  const clock = new TestClock()
  const room = { isAllowed: false, remaining: [0], tightest: 0, waitMs: 30_000 }
  const ctx = {
    ...inNoWorld,
    clock,
    settings: { ...generousSettings, requestsPerAddress: 1 },
    // Counted by another clock than ours.
    sharedState: { ...inNoWorld.sharedState, take: () => Promise.resolve(room), isFirst: () => Promise.resolve(false) },
  }
  const limiter = new Limiter({ of: () => Promise.reject(new Error('nobody is known')) }, told)
  await limiter.admitStranger(ctx, 'login')
  expect(await limiter.refuseWaiting(ctx, 'check')).toMatchObject({ room: { isAllowed: false } })
  clock.advance(-3600)
  expect(await limiter.refuseWaiting(ctx, 'check')).toBeUndefined()
})

const told = { onRefused: () => undefined, onLost: () => undefined }
