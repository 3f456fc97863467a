import { expect, test } from 'vitest'
import { Slots } from './slots.ts'

const nameOf = (slots: Slots<string>, key: string) => slots.fill(key, '1', () => key).name

test('no more names are used than there are slots', () => {
  const slots = new Slots<string>(2)
  const names = ['a', 'b', 'c', 'd', 'a', 'c'].map((key) => nameOf(slots, key))
  expect(new Set(names)).toEqual(new Set(['slot0', 'slot1']))
})

test('the one not asked for longest gives way', () => {
  const slots = new Slots<string>(2)
  nameOf(slots, 'a')
  nameOf(slots, 'b')
  slots.find('a', '1')
  nameOf(slots, 'c')
  expect([slots.find('a', '1')?.content, slots.find('b', '1'), slots.find('c', '1')?.content]).toEqual([
    'a',
    undefined,
    'c',
  ])
})

test('another version of the same key takes the key’s own name', () => {
  const slots = new Slots<string>(2)
  const before = nameOf(slots, 'a')
  nameOf(slots, 'b')
  expect(slots.find('a', '2')).toBeUndefined()
  expect(slots.fill('a', '2', () => 'new').name).toBe(before)
  expect(slots.find('b', '1')?.content).toBe('b')
})

test('a name whose preparing fails is held by nobody, and used again', () => {
  const slots = new Slots<string>(1)
  nameOf(slots, 'a')
  expect(() =>
    slots.fill('b', '1', () => {
      throw new Error('no')
    }),
  ).toThrow('no')
  expect([slots.find('a', '1'), slots.find('b', '1')]).toEqual([undefined, undefined])
  expect(nameOf(slots, 'c')).toBe('slot0')
})
