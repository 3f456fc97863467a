import { expect, test } from 'vitest'
import { Closing } from './closing.ts'

test('what was opened last is closed first', async () => {
  const closed: string[] = []
  const opened = new Closing()
  for (const name of ['database', 'server']) opened.defer(() => Promise.resolve(closed.push(name)))
  await opened.close()
  expect(closed).toEqual(['server', 'database'])
})

test('one that cannot be closed keeps no other open, and is told', async () => {
  const closed: string[] = []
  const opened = new Closing()
  opened.defer(() => Promise.resolve(closed.push('database')))
  opened.defer(() => Promise.reject(new Error('stuck')))
  await expect(opened.close()).rejects.toThrow('stuck')
  expect(closed).toEqual(['database'])
})

test('work that fails leaves nothing open, and its own failure is told', async () => {
  const closed: string[] = []
  const work = Closing.whileOpening((opened) => {
    opened.defer(() => Promise.resolve(closed.push('lock')))
    opened.defer(() => Promise.reject(new Error('stuck')))
    return Promise.reject(new Error('port taken'))
  })
  await expect(work).rejects.toThrow('port taken')
  expect(closed).toEqual(['lock'])
})

test('closing twice closes once', async () => {
  let count = 0
  const opened = new Closing()
  opened.defer(() => Promise.resolve(count++))
  await opened.close()
  await opened.close()
  expect(count).toBe(1)
})
