import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ValidationGate } from './validation-gate.ts'

/** A task that ends when told to. */
function makeTask() {
  const { promise, resolve } = Promise.withResolvers<string>()
  const task = { isStarted: false, end: () => resolve('done'), run: () => ((task.isStarted = true), promise) }
  return task
}

test('so many are inside at once; who waits comes in when one leaves', async () => {
  const gate = new ValidationGate(2, 5)
  const tasks = Array.from({ length: 4 }, makeTask)
  const passes = tasks.map((task) => gate.pass(task.run))
  await setImmediate()
  expect(tasks.map(({ isStarted }) => isStarted)).toEqual([true, true, false, false])

  tasks[0]?.end()
  await setImmediate()
  expect(tasks.map(({ isStarted }) => isStarted)).toEqual([true, true, true, false])
  for (const task of tasks) task.end()
  expect(await Promise.all(passes)).toEqual(['done', 'done', 'done', 'done'])
})

test('when inside and queue are full, the next is refused as unavailable', async () => {
  const gate = new ValidationGate(1, 1)
  const tasks = [makeTask(), makeTask()]
  const passes = tasks.map((task) => gate.pass(task.run))
  await expect(gate.pass(makeTask().run)).rejects.toMatchObject({ code: 'unavailable' })

  for (const task of tasks) task.end()
  await Promise.all(passes)
  expect(await gate.pass(async () => 'in')).toBe('in')
})

test('a task that fails leaves its place to the next', async () => {
  const gate = new ValidationGate(1, 1)
  await expect(gate.pass(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await gate.pass(async () => 'in')).toBe('in')
})
