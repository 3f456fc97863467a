import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

test('so much runs at once, so much waits in order, and the rest is turned away', async () => {
  const turns = new Turns(2, 3)
  const ends: Array<() => void> = []
  const began: number[] = []
  const take = (n: number) =>
    turns.take(async () => {
      began.push(n)
      await new Promise<void>((resolve) => ends.push(resolve))
      return n
    })
  const taken = [1, 2, 3, 4, 5].map(take)
  await expect(take(6)).rejects.toMatchObject({ code: 'unavailable' })
  expect(began).toEqual([1, 2])
  ends[1]?.()
  expect(await taken[1]).toBe(2)
  await new Promise(setImmediate)
  expect(began).toEqual([1, 2, 3])
  for (let n = 0; n < 5; n++) {
    ends[n]?.()
    await new Promise(setImmediate)
  }
  expect(await Promise.all(taken)).toEqual([1, 2, 3, 4, 5])
  expect(began).toEqual([1, 2, 3, 4, 5])
})

test('a turn whose work fails is handed on', async () => {
  const turns = new Turns(1, 1)
  const failing = turns.take(() => Promise.reject(new Error('failed')))
  const next = turns.take(() => Promise.resolve('done'))
  await expect(failing).rejects.toThrow('failed')
  expect(await next).toBe('done')
})
