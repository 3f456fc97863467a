import { idPrefixes, type IdKind } from '@agent-iam/contract/ids'
import { expect, test } from 'vitest'
import { TestClock } from '../../test/test-clock.ts'
import { fromUuid, idGenerator, isId, toUuid } from './ids.ts'
import { systemRandom } from './random.ts'

const clock = new TestClock()
const newId = idGenerator(clock, systemRandom)

const isKind = (text: string): text is IdKind => Object.hasOwn(idPrefixes, text)
const kinds = Object.keys(idPrefixes).filter(isKind)

test.each(kinds)('an id of kind %s is one, of no other kind, and is the same after the database', (kind) => {
  const id = newId(kind)
  expect(kinds.filter((each) => isId(each, id))).toEqual([kind])
  expect(toUuid(id)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(fromUuid(kind, toUuid(id))).toBe(id)
})

test('ids sort by the time they were made', () => {
  const made = Array.from({ length: 20 }, () => {
    clock.advance(1)
    return newId('event')
  })
  expect(made.toSorted()).toEqual(made)
  expect(new Set(made).size).toBe(20)
})

test('a thousand ids of one moment are all different', () => {
  const still = idGenerator({ now: () => new Date(0) }, systemRandom)
  expect(new Set(Array.from({ length: 1000 }, () => still('agent'))).size).toBe(1000)
})

test.each([
  'agt_',
  'agt_0',
  `agt_${'A'.repeat(32)}`,
  `agt_${'0'.repeat(33)}`,
  ` agt_${'0'.repeat(32)}`,
  `agt_${'0'.repeat(32)}\n`,
])('%j is no id', (text) => {
  expect(isId('agent', text)).toBe(false)
})
