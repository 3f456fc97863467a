import { expect, test } from 'vitest'
import { ask, deep, makeEngine, policy, reasonIds, setOf } from '../../../test/policy-engine.ts'
import { systemPolicies } from './system-policies.ts'

const own = [
  policy('pol_reads', 'permit(principal, action == AgentIam::Action::"read", resource);'),
  policy('pol_writes', 'permit(principal, action == AgentIam::Action::"write", resource);'),
  policy('pol_late', 'forbid(principal, action, resource) when { context.request.hour > 20 };'),
  policy('pol_errs', 'permit(principal, action, resource) when { context.request.n + 1 > 0 };'),
]

test('each says by itself what it said among the others', async () => {
  const { engine } = makeEngine()
  for (const hour of [12, 22]) {
    const request = ask({ request: { hour } })
    const { spoken, untold, others } = await engine.explain(setOf(...own), request, { most: 200, root: 'usr_1' })
    const results = new Map(spoken.map((each) => [each.policy.id, each.result]))
    expect(results.get('pol_reads')).toBe('matched')
    expect(results.get('pol_late')).toBe(hour > 20 ? 'matched' : 'not-matched')
    expect(results.get('pol_errs')).toBe('error')
    expect([untold, others.map(({ id }) => id)]).toEqual([0, ['pol_writes']])
    const verdict = await engine.evaluate(setOf(...own), request)
    const effect = verdict.decision === 'deny' ? 'forbid' : 'permit'
    const matched = spoken.filter((each) => each.result === 'matched' && each.policy.effect === effect)
    expect(matched.map((each) => each.policy.id).toSorted()).toEqual(reasonIds(verdict).toSorted())
  }
  await engine.close()
})

test('so many are asked, the tenant’s first, and the rest is counted', async () => {
  const { engine } = makeEngine()
  const { spoken, untold } = await engine.explain(setOf(...own), ask(), { most: 2, root: 'usr_1' })
  expect(spoken.map((each) => each.policy.id)).toEqual(['pol_reads', 'pol_late'])
  expect(untold).toBe(1 + systemPolicies.length)
  await engine.close()
})

test('what a policy reads is told with it', async () => {
  const { engine } = makeEngine()
  const { spoken } = await engine.explain(setOf(...own), ask(), { most: 3, root: 'usr_1' })
  expect(spoken.map(({ paths }) => paths)).toEqual([
    [],
    [['context', 'request', 'hour']],
    [['context', 'request', 'n']],
  ])
  await engine.close()
})

test('of a set that rests nothing is asked, and other tenants’ answers stay the same', async () => {
  const { engine } = makeEngine()
  const other = { ...setOf(...own), tenantId: 'ten_2' as const }
  const before = await engine.evaluate(other, ask())
  expect((await engine.evaluate(setOf(deep), ask())).fault).toBe(true)
  const { spoken, others } = await engine.explain(setOf(deep), ask(), { most: 200, root: 'usr_1' })
  expect(spoken.map((each) => each.policy.id)).toEqual(systemPolicies.map(({ id }) => id))
  expect(others).toHaveLength(1)
  expect(await engine.evaluate(other, ask())).toEqual(before)
  await engine.close()
})

test('a set that was never asked may trap at its explanation: it rests, and nobody else notices', async () => {
  const { engine, faults } = makeEngine()
  const { spoken } = await engine.explain(setOf(deep), ask(), { most: 200, root: 'usr_1' })
  expect(spoken.map((each) => each.policy.id)).toEqual(systemPolicies.map(({ id }) => id))
  expect(faults).toMatchObject([{ tenantId: 'ten_1', blame: 'set' }])
  const well = ask({ request: { hour: 1 } })
  expect((await engine.evaluate({ ...setOf(...own), tenantId: 'ten_2' }, well)).decision).toBe('allow')
  await engine.close()
})
