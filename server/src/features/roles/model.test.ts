import { roleClosureMax, roleDepthMax } from '@agent-iam/contract/roles'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Problem } from '../../platform/problem.ts'
import type { RoleDefinition } from '../capabilities/model.ts'
import { isInForce, isReserved, readTimes, reachOf, requireSound, toHeld } from './model.ts'

const role = (key: string, inherits: string[] = [], permissions = 0): RoleDefinition => ({
  key,
  name: key,
  permissions: Array.from({ length: permissions }, (_, n) => ({ entry: `${key}/${n}:read` })),
  inherits,
})

test('of all graphs of roles, just those without a circle through the changed one are taken', () => {
  const keys = ['a', 'b', 'c', 'd', 'e']
  const graphs = fc.record(Object.fromEntries(keys.map((key) => [key, fc.subarray(keys)])))
  fc.assert(
    fc.property(graphs, (graph) => {
      // The others are in order, as they were before: each inherits only what comes after it.
      const others = keys.slice(1).map((key, n) =>
        role(
          key,
          graph[key]?.filter((above) => above === 'a' || above > (keys[n + 1] ?? '')),
        ),
      )
      const changed = role('a', graph['a'])
      const all = [changed, ...others]
      // By hand: whoever walks on from `a` for more steps than there are roles comes by it again.
      let reached = new Set(changed.inherits)
      for (const _ of keys)
        reached = new Set([
          ...reached,
          ...[...reached].flatMap((key) => all.find((each) => each.key === key)?.inherits ?? []),
        ])
      expect(isRefused(changed, all)).toBe(reached.has('a'))
    }),
    { numRuns: 2000 },
  )
})

function isRefused(changed: RoleDefinition, all: readonly RoleDefinition[]): boolean {
  try {
    requireSound(changed, all)
    return false
  } catch (error) {
    if (error instanceof Problem && error.code === 'wrong-state') return true
    throw error
  }
}

test('a chain may have so many steps, counted from whoever is highest', () => {
  const chain = Array.from({ length: roleDepthMax + 2 }, (_, n) => role(`r${n}`, n === 0 ? [] : [`r${n - 1}`]))
  expect(() => requireSound(role('r0'), chain.slice(0, -1))).not.toThrow()
  expect(() => requireSound(role('r0'), chain)).toThrow(`more than ${roleDepthMax} steps`)
})

test('a role has so many permissions with what it inherits, and so has who inherits it', () => {
  const wide = Array.from({ length: roleClosureMax / 100 }, (_, n) => role(`w${n}`, [], 100))
  const top = role(
    'top',
    wide.map(({ key }) => key),
  )
  expect(reachOf('top', [top, ...wide])).toHaveLength(roleClosureMax)
  expect(() => requireSound(top, [top, ...wide])).not.toThrow()
  const grown = role('w0', [], 101)
  expect(() => requireSound(grown, [top, grown, ...wide.slice(1)])).toThrow('"top" would have more than')
})

test.each(['agent-iam:*', 'agent-iam/*:*'])('%s is for the built-in administrator alone', (entry) => {
  const root = { ...role('root'), permissions: [{ entry }] }
  expect(() => requireSound(root, [root])).toThrow('role admin alone')
  const heir = role('heir', ['root'])
  expect(() => requireSound(heir, [heir, root])).toThrow('role admin alone')
})

test.each([
  ['admin', true],
  ['ADMIN', true],
  ['аdmin', true],
  ['0perator', true],
  ['administrator', false],
])('the name %s is reserved: %s', (name, expected) => {
  expect(isReserved(name)).toBe(expected)
})

test('conditions that name nothing are none', () => {
  expect(toHeld({ permission: 'a:b', conditions: {} })).toEqual({ entry: 'a:b' })
  const conditions = { resourcePrefix: 'x' }
  expect(toHeld({ permission: 'a:b', conditions })).toEqual({ entry: 'a:b', conditions })
})

const noon = new Date('2030-01-01T12:00:00.000Z')
const at = (milliseconds: number) => new Date(noon.getTime() + milliseconds)

test('a role counts from its beginning on, and no more at its end', () => {
  const times = readTimes({ validFrom: at(1).toISOString(), validUntil: at(3).toISOString() }, noon)
  expect([0, 1, 2, 3, 4].map((milliseconds) => isInForce(times, at(milliseconds)))).toEqual([
    false,
    true,
    true,
    false,
    false,
  ])
  expect(isInForce(readTimes({ validFrom: at(-5).toISOString() }, noon), at(-10))).toBe(true)
})

test.each([
  [{ validUntil: noon.toISOString() }, 'is past'],
  [{ validFrom: at(5).toISOString(), validUntil: at(5).toISOString() }, 'is not after validFrom'],
])('the time %o is refused', (asked, why) => {
  expect(() => readTimes(asked, noon)).toThrow(why)
})
