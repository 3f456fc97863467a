import { expect, test } from 'vitest'
import { memoized } from './memoized.ts'

test('the work for a text is done once, also where it gives nothing', () => {
  const asked: string[] = []
  const find = memoized((text) => {
    asked.push(text)
    return text === '' ? undefined : text.length
  }, 10)
  expect([find('ab'), find(''), find('ab'), find('')]).toEqual([2, undefined, 2, undefined])
  expect(asked).toEqual(['ab', ''])
})

test('what throws is tried again', () => {
  let tries = 0
  const find = memoized(() => {
    tries += 1
    if (tries === 1) throw new Error('not yet')
    return tries
  }, 10)
  expect(() => find('a')).toThrow('not yet')
  expect(find('a')).toBe(2)
})

test('no more texts are remembered than were asked for', () => {
  const asked: string[] = []
  const find = memoized((text) => asked.push(text), 2)
  for (const text of ['a', 'b', 'c', 'c', 'a']) find(text)
  expect(asked).toEqual(['a', 'b', 'c', 'a'])
})
