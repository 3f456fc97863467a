import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FolderLockedError, lockFolder } from './folder-lock.ts'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-iam-lock-'))
  file = join(folder, 'agent-iam.lock')
})
afterEach(() => rm(folder, { recursive: true }))

test('a folder that a living process holds is refused, and the message names the process', async () => {
  const other = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'])
  try {
    await writeFile(file, `${other.pid}\n`)
    await expect(lockFolder(folder)).rejects.toThrow(FolderLockedError)
    await expect(lockFolder(folder)).rejects.toThrow(String(other.pid))
  } finally {
    other.kill()
  }
})

test('the lock of a process that is no more is taken over', async () => {
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  await writeFile(file, `${pid}\n`)
  const unlock = await lockFolder(folder)
  expect(await readFile(file, 'utf8')).toBe(`${process.pid}\n`)
  await unlock()
  await expect(readFile(file)).rejects.toThrow('ENOENT')
})

test('a folder that is given back can be taken again', async () => {
  const unlock = await lockFolder(folder)
  await unlock()
  await expect(lockFolder(folder)).resolves.toBeTypeOf('function')
})
