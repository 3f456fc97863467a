import { expect, test } from 'vitest'
import { Generations } from './generations.ts'

const value = (name: string) => ({ name })

test('what is kept is found, and nothing else', () => {
  const kept = new Generations<{ name: string }>(10)
  const one = value('one')
  kept.keep('one', one)
  expect(kept.find('one')).toBe(one)
  expect(kept.find('other')).toBeUndefined()
})

test('what is used again and again outlives what is not', () => {
  const kept = new Generations<{ name: string }>(10)
  kept.keep('used', value('used'))
  kept.keep('unused', value('unused'))
  for (let n = 0; n < 100; n++) {
    kept.keep(`passing ${n}`, value('passing'))
    expect(kept.find('used')).toEqual(value('used'))
  }
  expect(kept.find('unused')).toBeUndefined()
})

test('no more are kept than may be, and at least half of them', () => {
  const kept = new Generations<{ name: string }>(10)
  for (let n = 0; n < 100; n++) kept.keep(`${n}`, value('each'))
  const found = Array.from({ length: 100 }, (_, n) => n).filter((n) => kept.find(`${n}`) !== undefined)
  expect(found.length).toBeLessThanOrEqual(10)
  expect(found.slice(-5)).toEqual([95, 96, 97, 98, 99])
})

test('with room for none, none is kept', () => {
  const kept = new Generations<{ name: string }>(0)
  kept.keep('one', value('one'))
  expect(kept.find('one')).toBeUndefined()
})
