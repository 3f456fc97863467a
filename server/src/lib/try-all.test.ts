import { expect, test } from 'vitest'
import { tryAll } from './try-all.ts'

test('a failure keeps none of the others, and is told at the end', async () => {
  const done: number[] = []
  const trying = tryAll([1, 2, 3], (item) => {
    done.push(item)
    return item === 1 ? Promise.reject(new Error('the first')) : Promise.resolve()
  })
  await expect(trying).rejects.toThrow('the first')
  expect(done).toEqual([1, 2, 3])
})
