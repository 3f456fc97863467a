import fc from 'fast-check'
import { expect, test } from 'vitest'
import { covers } from '../capabilities/model.ts'
import { effective, type Holder, type Sourced } from './permission.ts'

const source = (entry: string, more: Partial<Sourced> = {}): Sourced => ({
  entry,
  grantId: `gnt_${entry}`,
  role: undefined,
  via: undefined,
  conditions: undefined,
  until: undefined,
  grantedBy: 'usr_a',
  grantedAt: new Date(0),
  ...more,
})
const holder = (id: Holder['id'], held: readonly Sourced[], more: Partial<Holder> = {}): Holder => ({
  id,
  isActive: true,
  expiresAt: undefined,
  lentScope: undefined,
  isAttenuated: false,
  held,
  ...more,
})
const minute = (n: number) => new Date(n * 60_000)

test('a piece ends with the first of all that it rests on, and says under which conditions others hold it', () => {
  const bound = source('file/docs/*:*', { until: minute(3), conditions: { quota: { perHour: 7 } } })
  const own = holder('agt_child', [source('file:read', { until: minute(5) })], { expiresAt: minute(9) })
  const pieces = effective(own, [holder('agt_parent', [bound, source('db:read')])], [['file:read', 'db:read']])
  expect(pieces).toMatchObject([
    { entry: 'file/docs/*:read', until: minute(3), limits: [{ holder: 'agt_parent', source: bound }] },
  ])
  expect(effective({ ...own, expiresAt: minute(2) }, [], [])).toMatchObject([{ entry: 'file:read', until: minute(2) }])
})

test('of two ways up the chain the one that says more is told, and both where neither does', () => {
  const own = holder('agt_child', [source('file:read')])
  const long = source('file/docs/*:read')
  const short = source('file/docs/*:*', { until: minute(1) })
  const wide = source('file:*', { until: minute(1) })
  const told = (held: readonly Sourced[]) =>
    effective(own, [holder('agt_parent', held)], []).map(({ entry, until }) => [entry, until])
  expect(told([short, long])).toEqual([['file/docs/*:read', undefined]])
  expect(told([wide, long])).toEqual([
    ['file:read', minute(1)],
    ['file/docs/*:read', undefined],
  ])
})

test('what is effective is what each of the chain covers, and each scope', () => {
  const entry = fc
    .tuple(
      fc.constantFrom('a', 'b', '*', 'agent-iam'),
      fc.constantFrom('', '/x', '/x*', '/x/*'),
      fc.constantFrom('r', '*'),
    )
    .map(([type, prefix, action]) => `${type}${prefix}:${action}`)
  const entries = fc.uniqueArray(entry, { maxLength: 4 })
  const asked = fc.record({
    type: fc.constantFrom('a', 'b', 'agent-iam'),
    id: fc.constantFrom('', 'x', 'x/y', 'xy', 'z'),
    action: fc.constantFrom('r', 'w'),
  })
  let covered = 0
  fc.assert(
    fc.property(
      entries,
      fc.array(entries, { maxLength: 3 }),
      fc.array(entries, { maxLength: 2 }),
      asked,
      (...[own, others, scopes, question]) => {
        const does = (held: readonly string[]) => held.some((each) => covers(each, question.action, question))
        const holders = others.map((held, n) =>
          holder(
            `agt_${n}`,
            held.map((each) => source(each)),
          ),
        )
        const pieces = effective(
          holder(
            'agt_own',
            own.map((each) => source(each)),
          ),
          holders,
          scopes,
        )
        const isCovered = [own, ...others, ...scopes].every(does)
        if (isCovered) covered++
        expect(does(pieces.map((piece) => piece.entry))).toBe(isCovered)
      },
    ),
    { numRuns: 5000 },
  )
  expect(covered).toBeGreaterThan(100)
})
