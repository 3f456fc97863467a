import { expect, test } from 'vitest'
import { inNoWorld } from '../../../test/no-world.ts'
import { TestClock } from '../../../test/test-clock.ts'
import { SlowHolders } from './slow-holders.ts'

/** A state that counts, and a clock that stands still. */
function world() {
  const counts = new Map<string, number>()
  const count = async (name: string) => {
    counts.set(name, (counts.get(name) ?? 0) + 1)
    return counts.get(name) ?? 0
  }
  return { ...inNoWorld, clock: new TestClock(), sharedState: { ...inNoWorld.sharedState, count } }
}

async function makeWait(holders: SlowHolders, ctx: ReturnType<typeof world>, root: string): Promise<void> {
  for (let time = 0; time < 3; time++) await holders.note(ctx, root)
}

test('after three evaluations that took too long a root waits for a minute, and no other does', async () => {
  const ctx = world()
  const holders = new SlowHolders()
  await makeWait(holders, ctx, 'root')
  expect(() => holders.requirePatience(ctx, 'root')).toThrow('took too long too often')
  expect(() => holders.requirePatience(ctx, 'another root')).not.toThrow()
  ctx.clock.advance(61)
  expect(() => holders.requirePatience(ctx, 'root')).not.toThrow()
})

test('an agent waits with its root where the root is known, by whatever token it comes', async () => {
  const ctx = world()
  const holders = new SlowHolders()
  await makeWait(holders, ctx, 'root')
  expect(() => holders.requirePatienceOf(ctx, 'child')).not.toThrow()
  holders.learnRoot('child', 'root')
  holders.learnRoot('stranger', 'another root')
  expect(() => holders.requirePatienceOf(ctx, 'child')).toThrow('took too long too often')
  expect(() => holders.requirePatienceOf(ctx, 'stranger')).not.toThrow()
})
