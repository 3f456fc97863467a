import { expect, test } from 'vitest'
import { LineFullError, Lines } from './lines.ts'

/** Work that is under way until it is told to end. */
function work() {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let isBegun = false
  const run = () => {
    isBegun = true
    return promise
  }
  return { run, resolve, reject, isBegun: () => isBegun }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

test('of one key so many work at once, and the others in the order in which they came', async () => {
  const lines = new Lines(2, 10)
  const all = [work(), work(), work(), work()]
  const done = all.map(({ run }) => lines.take('a', run))
  await settle()
  expect(all.map(({ isBegun }) => isBegun())).toEqual([true, true, false, false])
  all[1]?.resolve('second')
  await settle()
  expect(all.map(({ isBegun }) => isBegun())).toEqual([true, true, true, false])
  for (const each of all) each.resolve('done')
  expect(await Promise.all(done)).toEqual(['done', 'second', 'done', 'done'])
})

test('nobody waits for another key', async () => {
  const lines = new Lines(1, 10)
  const slow = work()
  const waiting = lines.take('a', slow.run)
  expect(await lines.take('b', async () => 'at once')).toBe('at once')
  slow.resolve('in the end')
  expect(await waiting).toBe('in the end')
})

test('work that fails hands its turn on', async () => {
  const lines = new Lines(1, 10)
  const failing = work()
  const first = lines.take('a', failing.run)
  const second = lines.take('a', async () => 'next')
  failing.reject(new Error('failed'))
  await expect(first).rejects.toThrow('failed')
  expect(await second).toBe('next')
})

test('who comes to a full line is turned away, and the line goes on', async () => {
  const lines = new Lines(1, 1)
  const slow = work()
  const first = lines.take('a', slow.run)
  const second = lines.take('a', async () => 'second')
  await expect(lines.take('a', async () => 'third')).rejects.toThrow(LineFullError)
  slow.resolve('first')
  expect(await Promise.all([first, second])).toEqual(['first', 'second'])
  expect(await lines.take('a', async () => 'later')).toBe('later')
})
