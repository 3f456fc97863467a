import { expect, test } from 'vitest'
import { Slots } from './slots.ts'

/** Slots over a library that only keeps what it was given. */
function makeSlots(slotsMax: number, charactersMax = 1_000) {
  const library = new Map<string, readonly string[]>()
  const slots = new Slots({ slotsMax, charactersMax }, (name, texts) => {
    if (texts.includes('bad')) throw new Error('no')
    library.set(name, texts)
  })
  return { slots, library }
}

test('no more names are used than there are slots', () => {
  const { slots, library } = makeSlots(2)
  for (const key of ['a', 'b', 'c', 'd', 'a', 'c']) slots.fill(key, [key])
  expect(library.size).toBe(2)
})

test('the one not asked for longest gives way', () => {
  const { slots, library } = makeSlots(2)
  slots.fill('a', ['a'])
  slots.fill('b', ['b'])
  slots.find('a')
  slots.fill('c', ['c'])
  expect(slots.find('b')).toBeUndefined()
  expect(['a', 'c'].map((key) => library.get(slots.find(key) ?? ''))).toEqual([['a'], ['c']])
})

test('what is prepared never exceeds the characters, and what gave way is emptied', () => {
  const { slots, library } = makeSlots(10, 10)
  slots.fill('a', ['aaaa'])
  slots.fill('b', ['bbbb'])
  slots.fill('c', ['cc', 'cc'])
  expect(slots.find('a')).toBeUndefined()
  expect([...library.values()].flat().join('')).toHaveLength(8)
  slots.fill('d', ['d'.repeat(20)])
  expect([...library.values()].flat().join('')).toBe('d'.repeat(20))
})

test('a name whose preparing fails is held by nobody, and used again', () => {
  const { slots, library } = makeSlots(1)
  slots.fill('a', ['a'])
  expect(() => slots.fill('b', ['bad'])).toThrow('no')
  expect([slots.find('a'), slots.find('b')]).toEqual([undefined, undefined])
  expect(library.get(slots.fill('c', ['c']))).toEqual(['c'])
  expect(library.size).toBe(1)
})
