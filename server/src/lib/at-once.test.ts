import { expect, test } from 'vitest'
import { mapAtOnce } from './at-once.ts'

test('answers stand in the order of the items, whoever is done first, and no more are at work than may be', async () => {
  let working = 0
  let most = 0
  const results = await mapAtOnce([5, 1, 4, 2, 3], 2, async (turns) => {
    most = Math.max(most, ++working)
    for (let n = 0; n < turns; n++) await Promise.resolve()
    working--
    return turns * 10
  })
  expect(results).toEqual([50, 10, 40, 20, 30])
  expect(most).toBe(2)
})

test('what one throws is thrown once the others have ended', async () => {
  const ended: number[] = []
  const work = async (item: number) => {
    if (item === 1) throw new Error('one')
    await Promise.resolve()
    ended.push(item)
  }
  await expect(mapAtOnce([1, 2, 3], 2, work)).rejects.toThrow('one')
  expect(ended).toEqual([2, 3])
})

test('nothing asks for nothing', async () => {
  expect(await mapAtOnce([], 3, () => Promise.reject(new Error('asked')))).toEqual([])
})
