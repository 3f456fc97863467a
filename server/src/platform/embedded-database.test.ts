import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openEmbeddedDatabase } from './embedded-database.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-iam-test-'))
})
afterEach(() => rm(folder, { recursive: true }))

const aProgram = (text: string) => new URL(`data:text/javascript,${encodeURIComponent(text)}`)
const readyThen = (text: string) =>
  aProgram(`import { parentPort } from 'node:worker_threads'; parentPort.postMessage('ready'); ${text}`)

test('a database that cannot be opened leaves no lock behind', async () => {
  await writeFile(join(folder, 'pglite'), 'not a folder')
  await expect(openEmbeddedDatabase(folder)).rejects.toThrow('embedded database')
  expect(await readdir(folder)).toEqual(['pglite'])
})

test('a database that dies while it runs says so, and can still be closed', async () => {
  const dying = readyThen(`setTimeout(() => { throw new Error('out of memory') }, 50)`)
  const database = await openEmbeddedDatabase(folder, dying)
  expect(await database.lost).toMatchObject({ cause: { message: 'out of memory' } })
  await database.close()
  expect(await readdir(folder)).toEqual([])
})

test('a database that is closed is not lost', async () => {
  const database = await openEmbeddedDatabase(folder, readyThen(`parentPort.once('message', () => parentPort.close())`))
  let isLost = false
  void database.lost.then(() => (isLost = true))
  await database.close()
  expect(isLost).toBe(false)
})
