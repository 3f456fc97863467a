import { expect, test } from 'vitest'
import { SharedLooks } from './shared-looks.ts'

/** Looks that end when the test says so. */
function looks() {
  const ends: (() => void)[] = []
  let begun = 0
  const shared = new SharedLooks<string, number>(() => {
    const number = ++begun
    return new Promise((resolve, reject) =>
      ends.push(() => (number === 3 ? reject(new Error('broken')) : resolve(number))),
    )
  })
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return { shared, endNext: async () => (ends.shift()?.(), settle()) }
}

test('who comes while a look is under way shares the next one, which began after the question', async () => {
  const { shared, endNext } = looks()
  const first = shared.take('a')
  const others = [shared.take('a'), shared.take('a'), shared.take('a')]
  await endNext()
  await endNext()
  expect(await first).toBe(1)
  expect(await Promise.all(others)).toEqual([2, 2, 2])
})

test('a look that fails fails for those who share it alone', async () => {
  const { shared, endNext } = looks()
  const first = shared.take('a')
  const second = shared.take('a')
  await endNext()
  const third = shared.take('a').catch((error: unknown) => String(error))
  await endNext()
  await endNext()
  expect(await third).toContain('broken')
  expect([await first, await second]).toEqual([1, 2])
  const fourth = shared.take('a')
  await endNext()
  expect(await fourth).toBe(4)
})
