import { describe, expect, test } from 'vitest'
import {
  administrator,
  ask,
  deep,
  later,
  makeEngine,
  noPolicies,
  permitAll,
  policy,
  reasonIds,
  setOf,
  TestClock,
} from '../../../test/policy-engine.ts'
import { loadCedar } from './cedar-instance.ts'
import type { CedarJson } from './cedar-json.ts'
import { PolicyEngine, type EngineFault } from './engine.ts'
import { bracketDepthMax, expressionDepthMax, restAfterTrapSeconds } from './policy-limits.ts'
import type { PolicySet } from './selection.ts'

describe('when the library fails', () => {
  const other: PolicySet = { tenantId: 'ten_2', version: '1', policies: [permitAll] }

  test('a set that traps is denied until it changes, and the other tenants’ answers stay the same', async () => {
    const { engine, clock, faults, loads } = makeEngine()
    const before = await engine.evaluate(other, ask({ holds: false }))
    const verdict = await engine.evaluate(setOf(deep), ask())

    expect(verdict).toMatchObject({
      decision: 'deny',
      reasons: [{ policyId: 'system:policy-engine-fault' }],
      fault: true,
    })
    expect(faults).toMatchObject([{ tenantId: 'ten_1', version: '1', blame: 'set' }])
    expect(await engine.evaluate(other, ask({ holds: false }))).toEqual(before)
    expect((await engine.evaluate(noPolicies, ask())).decision).toBe('allow')

    const loaded = loads()
    clock.instant = later(1_000_000)
    expect((await engine.evaluate(setOf(deep), ask())).fault).toBe(true)
    expect(loads()).toBe(loaded)
    expect(faults).toHaveLength(1)
    expect((await engine.evaluate({ ...setOf(permitAll), version: '2' }, ask())).decision).toBe('allow')
  })

  test('an administrator can still read and delete the policies of a set that traps', async () => {
    const { engine } = makeEngine()
    expect((await engine.evaluate(setOf(deep), ask())).fault).toBe(true)
    expect((await engine.evaluate(setOf(deep), ask({ ...administrator, action: 'policies:delete' }))).decision).toBe(
      'allow',
    )
  })

  test('a set that cannot be read is denied until it changes, and never another tenant’s set in its place', async () => {
    const { engine, faults, loads } = makeEngine({ slots: 1 })
    expect((await engine.evaluate(other, ask({ holds: false }))).decision).toBe('allow')
    expect((await engine.evaluate(setOf(policy('pol_bad', 'permit(principal')), ask())).fault).toBe(true)
    expect((await engine.evaluate(setOf(policy('pol_bad', 'permit(principal')), ask())).fault).toBe(true)
    expect(faults).toMatchObject([{ blame: 'set' }])
    expect(loads()).toBe(1)
    expect((await engine.evaluate({ ...setOf(permitAll), version: '2' }, ask())).decision).toBe('allow')
  })

  test('a request too deep for the library is denied alone, without a trap', async () => {
    const { engine, faults, loads } = makeEngine()
    let request: Record<string, CedarJson> = {}
    for (let depth = 0; depth < 20_000; depth++) request = { deeper: request }

    expect((await engine.evaluate(setOf(permitAll), ask({ request }))).fault).toBe(true)
    expect(faults).toMatchObject([{ blame: 'request' }])
    expect((await engine.evaluate(setOf(permitAll), ask())).decision).toBe('allow')
    expect(loads()).toBe(1)
  })

  test('a request that the library cannot read is denied alone', async () => {
    const { engine, faults } = makeEngine()
    expect((await engine.evaluate(setOf(permitAll), ask({ request: { half: 0.5 } }))).fault).toBe(true)
    expect(faults).toMatchObject([{ blame: 'request' }])
    expect((await engine.evaluate(setOf(permitAll), ask({ request: { half: 1 } }))).decision).toBe('allow')
  })

  test('the deepest policies that are stored are prepared and decided without a trap', async () => {
    const { engine, faults } = makeEngine()
    const nested = (open: string, core: string, close: string, times: number) =>
      `permit(principal, action, resource) when { ${open.repeat(times)}${core}${close.repeat(times)} };`
    const deepest = [
      nested('(', 'true', ')', bracketDepthMax),
      nested('{a: ', 'true', '}', bracketDepthMax),
      nested('[', 'true', ']', bracketDepthMax),
      nested('[', 'true', '].contains(true)', expressionDepthMax),
      nested('if (', 'true', ') then true else false', bracketDepthMax),
      nested('true && ', 'true', '', expressionDepthMax),
      nested('context.request == {a: ', '1', '} && true', bracketDepthMax),
    ]
    const set = setOf(...deepest.map((cedar, place) => policy(`pol_${place}`, cedar)))
    expect((await engine.evaluate(set, ask())).decision).toBe('allow')
    expect(faults).toEqual([])
  })
})

describe('a library that traps while it decides', () => {
  /** The real library, but deciding throws as a trap does, while `traps` says so. */
  function makeTrapping(traps: (call: { slot: string; load: number }) => boolean) {
    const clock = new TestClock()
    const faults: EngineFault[] = []
    let loads = 0
    const load = () => {
      const cedar = loadCedar()
      const own = (loads += 1)
      return {
        ...cedar,
        statefulIsAuthorized: (call: Parameters<typeof cedar.statefulIsAuthorized>[0]) => {
          if (traps({ slot: call.preparsedPolicySetId, load: own })) throw new Error('memory access out of bounds')
          return cedar.statefulIsAuthorized(call)
        },
      }
    }
    const engine = new PolicyEngine({ clock, load, onFault: (fault) => faults.push(fault) })
    return { engine, clock, faults }
  }

  test('only because it was worn still answers, from a fresh instance', async () => {
    const { engine, faults } = makeTrapping(({ load }) => load === 1)
    expect((await engine.evaluate(setOf(permitAll), ask())).decision).toBe('allow')
    expect(faults).toMatchObject([{ blame: 'instance' }])
  })

  test('at a request by itself denies that request, and the set stays in force', async () => {
    let trapping = true
    const { engine, faults } = makeTrapping(() => trapping)
    expect((await engine.evaluate(setOf(permitAll), ask())).fault).toBe(true)
    expect(faults).toMatchObject([{ blame: 'request' }])
    trapping = false
    expect((await engine.evaluate(setOf(permitAll), ask())).decision).toBe('allow')
  })

  test('at a request only with this set lets the set rest for a minute, not for good', async () => {
    const { engine, clock, faults } = makeTrapping(({ load }) => load < 3)
    expect((await engine.evaluate(setOf(permitAll), ask())).fault).toBe(true)
    expect(faults).toMatchObject([{ blame: 'set' }])
    expect((await engine.evaluate(setOf(permitAll), ask())).fault).toBe(true)
    clock.instant = later(restAfterTrapSeconds)
    expect((await engine.evaluate(setOf(permitAll), ask())).decision).toBe('allow')
  })
})

test('more tenants than slots all get their own answers, again and again', async () => {
  const { engine, loads } = makeEngine({ slots: 3 })
  const tenants = Array.from({ length: 10 }, (_, index) => ({
    tenantId: `ten_${index}` as const,
    version: '1',
    policies: [policy(`pol_${index}`, 'permit(principal, action, resource);')],
  }))
  for (const set of [...tenants, ...tenants, ...tenants.toReversed()])
    expect(reasonIds(await engine.evaluate(set, ask({ holds: false })))).toEqual([set.policies[0]?.id])
  expect(loads()).toBe(1)
})
