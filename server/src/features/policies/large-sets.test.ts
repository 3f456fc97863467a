import { setImmediate } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { ask, permitAll, policy, reasonIds, TestClock, later } from '../../../test/policy-engine.ts'
import { NeededOutsideError, TransactionScope } from '../../platform/outside-transaction.ts'
import { datetime } from './cedar-json.ts'
import { PolicyEngine, type EngineFault } from './engine.ts'
import { largeDecideMs, restAfterTrapSeconds } from './policy-limits.ts'
import type { PolicySet } from './selection.ts'

const faults: EngineFault[] = []
const clock = new TestClock()
const engine = new PolicyEngine({ clock, onFault: (fault) => faults.push(fault) })
afterAll(() => engine.close())

/** Each pattern makes the library look for its end at every character of a long text. */
function burning(patterns: number, tenantId: PolicySet['tenantId']): PolicySet {
  const like = (place: number) => `context.request.text like "*${'x'.repeat(100)}${place}*"`
  const policies = Array.from({ length: patterns }, (_, place) =>
    policy(`pol_${place}`, `permit(principal, action, resource) when { ${like(place)} };`),
  )
  return { tenantId, version: '1', policies }
}

const long = { text: 'x'.repeat(200_000) }
/** Each of another agent, so that none is remembered. */
const burn = (turn: number) => ask({ principalId: `agt_burning_${turn}`, request: long })

describe('a set that takes long', () => {
  const calm: PolicySet = { tenantId: 'ten_calm', version: '1', policies: [permitAll] }

  test('burns in a thread of its own: meanwhile others are answered as ever', async () => {
    // The thread is started before, so that the test measures evaluations.
    const some = burning(1, 'ten_burning')
    await engine.evaluate(some, burn(0))
    await engine.evaluate(calm, ask())

    const end = new AbortController()
    const fire = async () => {
      for (let turn = 1; !end.signal.aborted; turn++) {
        await engine.evaluate(some, burn(turn))
        await setImmediate()
      }
    }
    const fires = [fire(), fire()]
    const waits: number[] = []
    for (let turn = 0; turn < 50; turn++) {
      const began = performance.now()
      // Another each time, so that it is evaluated and not remembered.
      expect((await engine.evaluate(calm, ask({ principalId: `agt_${turn}` }))).decision).toBe('allow')
      waits.push(performance.now() - began)
      await setImmediate()
    }
    end.abort()
    await Promise.all(fires)
    expect(faults).toEqual([])
    // A burning evaluation takes 40 ms at the least, and here there is always one.
    expect(waits.toSorted((one, other) => one - other)[25]).toBeLessThan(20)
  })

  test('and takes too long, is denied and rests; then it is asked again', async () => {
    const set = burning(400, 'ten_endless')
    const began = performance.now()
    expect(await engine.evaluate(set, burn(0))).toMatchObject({ decision: 'deny', fault: true })
    expect(performance.now() - began).toBeLessThan(10 * largeDecideMs)
    expect(faults.splice(0)).toMatchObject([
      { tenantId: 'ten_endless', blame: 'set', cause: expect.stringMatching(/long/) },
    ])

    expect((await engine.evaluate(set, ask())).fault).toBe(true)
    clock.instant = later(restAfterTrapSeconds)
    expect((await engine.evaluate(set, ask())).decision).toBe('allow')
    expect(faults).toEqual([])
  })

  test('its own root may have some of that waiting, and the rest is refused', async () => {
    const set = burning(1, 'ten_crowd')
    await engine.evaluate(set, burn(0))
    const crowd = await Promise.allSettled(
      Array.from({ length: 300 }, (_, turn) => engine.evaluate(set, burn(turn + 1))),
    )
    const refused = crowd.filter(({ status }) => status === 'rejected')
    expect(refused.length).toBeGreaterThan(0)
    expect(refused).toContainEqual(
      expect.objectContaining({ reason: expect.objectContaining({ code: 'rate-limited' }) }),
    )
    expect(crowd.length - refused.length).toBeGreaterThan(0)
    expect(crowd.some((each) => each.status === 'fulfilled' && each.value.fault)).toBe(false)
  })
})

describe('a large set', () => {
  const count = 1_200
  const many = Array.from({ length: count }, (_, place) =>
    policy(`pol_${place}`, `permit(principal, action, resource) when { context.request.count == ${place} };`),
  )
  const set: PolicySet = { tenantId: 'ten_large', version: '1', policies: many }

  test('is decided by all its policies, wherever they are prepared', { timeout: 60_000 }, async () => {
    for (const place of [0, 499, 500, count - 1])
      expect(reasonIds(await engine.evaluate(set, ask({ holds: false, request: { count: place } })))).toEqual([
        `pol_${place}`,
      ])
    expect((await engine.evaluate(set, ask({ holds: false, request: { count } }))).decision).toBe('deny')
  })

  test('that changed is in force at once', { timeout: 60_000 }, async () => {
    const changed = { ...set, version: '2', policies: many.toSpliced(600, 1) }
    expect((await engine.evaluate(changed, ask({ holds: false, request: { count: 600 } }))).decision).toBe('deny')
    expect((await engine.evaluate(changed, ask({ holds: false, request: { count: 601 } }))).decision).toBe('allow')
  })

  test('that traps is denied until it changes, and the next is decided', { timeout: 60_000 }, async () => {
    const deep = policy(
      'pol_deep',
      `permit(principal, action, resource) when { ${'('.repeat(400)}true${')'.repeat(400)} };`,
    )
    const trapping = { ...set, version: '3', policies: [...many, deep] }
    expect((await engine.evaluate(trapping, ask())).fault).toBe(true)
    expect(faults.splice(0)).toMatchObject([{ version: '3', blame: 'set' }])
    expect((await engine.evaluate(trapping, ask())).fault).toBe(true)
    expect(reasonIds(await engine.evaluate(set, ask({ holds: false, request: { count: 7 } })))).toEqual(['pol_7'])
    expect(faults).toEqual([])
  })
})

test('inside a transaction nothing waits for the thread: its next attempt finds the verdict, though the clock went on', async () => {
  const far = new PolicyEngine({ clock, hereMicrosecondsMax: 0 })
  const set: PolicySet = { tenantId: 'ten_outside', version: '1', policies: [permitAll] }
  const scope = new TransactionScope()
  const attempt = (now: Date) =>
    scope.run(() => {
      const request = ask({ holds: false })
      return far.evaluate(set, { ...request, context: { ...request.context, now: datetime(now) } }, 'usr_1')
    })
  const needed: unknown = await attempt(later(1)).catch((error: unknown) => error)
  if (!(needed instanceof NeededOutsideError)) throw new Error('it was evaluated inside')
  await needed.perform()
  expect(await attempt(later(2))).toMatchObject({ decision: 'allow' })
  await far.close()
})
