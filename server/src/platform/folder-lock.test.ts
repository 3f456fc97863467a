import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
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
    await writeFile(file, `${other.pid} ${hostname()}\n`)
    await expect(lockFolder(folder)).rejects.toThrow(FolderLockedError)
    await expect(lockFolder(folder)).rejects.toThrow(String(other.pid))
  } finally {
    other.kill()
  }
})

test('the lock of a process that is no more is taken over', async () => {
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  await writeFile(file, `${pid} ${hostname()}\n`)
  const unlock = await lockFolder(folder)
  expect(await readFile(file, 'utf8')).toMatch(new RegExp(`^${process.pid} ${hostname()} [0-9a-f]{32}\\n$`))
  await unlock()
  await expect(readFile(file)).rejects.toThrow('ENOENT')
})

test('a folder that is given back can be taken again', async () => {
  const unlock = await lockFolder(folder)
  await unlock()
  await expect(lockFolder(folder)).resolves.toBeTypeOf('function')
})

test('process 1 of another container is not taken for one that is no more', async () => {
  for (const pid of [1, process.pid]) {
    await writeFile(file, `${pid} another-container\n`)
    await expect(lockFolder(folder)).rejects.toThrow('another-container')
  }
})

test('of many processes that find the lock of one that is no more, one takes it over', async () => {
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  const program = `
    const { lockFolder } = await import(${JSON.stringify(new URL('folder-lock.ts', import.meta.url).href)})
    process.stdin.once('data', () => lockFolder(${JSON.stringify(folder)}).then(() => console.log('taken'), () => console.log('refused')))
    process.once('disconnect', () => process.exit())
    process.send('ready')`
  await writeFile(file, `${pid} ${hostname()}\n`)
  const others = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit', 'ipc'] }),
  )
  try {
    await Promise.all(others.map((other) => once(other, 'message')))
    const answers = others.flatMap(({ stdout }) => (stdout ? [once(stdout, 'data')] : []))
    for (const other of others) other.stdin?.write('go')
    const outcomes = (await Promise.all(answers)).map((answer) => String(answer[0]).trim())
    expect(outcomes.filter((outcome) => outcome === 'taken')).toHaveLength(1)
  } finally {
    for (const other of others) other.kill()
  }
})
