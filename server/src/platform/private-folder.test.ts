import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ConfigError } from './config.ts'
import { writeLocalServer } from './credentials-file.ts'
import { makePrivate } from './private-folder.ts'

let parent: string
let folder: string

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'private-'))
  folder = join(parent, 'data')
  await mkdir(join(folder, 'pglite', 'base'), { recursive: true })
  for (const each of ['', 'pglite', 'pglite/base']) await chmod(join(folder, each), 0o777)
  for (const name of ['master.key', 'setup-link', 'pglite/base/1']) {
    await writeFile(join(folder, name), 'words')
    await chmod(join(folder, name), 0o666)
  }
})
afterEach(() => rm(parent, { recursive: true }))

const modeOf = async (path: string) => ((await stat(path)).mode & 0o7777).toString(8)

test('a folder that others could read and write is made private, with all that lies in it', async () => {
  await makePrivate(folder)
  const paths = ['', 'pglite', 'pglite/base', 'master.key', 'setup-link', 'pglite/base/1']
  const modes = await Promise.all(paths.map((each) => modeOf(join(folder, each))))
  expect(modes).toEqual(['700', '700', '700', '600', '600', '600'])
  expect(await readFile(join(folder, 'master.key'), 'utf8')).toBe('words')
})

test('a folder that is not there yet is no fault', async () => {
  await expect(makePrivate(join(parent, 'nothing'))).resolves.toBeUndefined()
})

test('a link is refused: the folder itself, and one in it', async () => {
  const link = join(parent, 'link')
  await symlink(folder, link)
  await expect(makePrivate(link)).rejects.toThrow(ConfigError)
  await symlink('/etc/hostname', join(folder, 'pglite', 'linked'))
  await expect(makePrivate(folder)).rejects.toThrow(/linked is a symbolic link/)
})

test.runIf(process.getuid?.() === 0)('what belongs to another user is refused', async () => {
  await chown(join(folder, 'setup-link'), 12_345, 12_345)
  await expect(makePrivate(folder)).rejects.toThrow(/setup-link belongs to user 12345/)
})

test('the credentials file is private whatever it was, and no link is followed to write it', async () => {
  const server = { issuer: 'i', tenantId: 't', tenant: 'default', enrolmentToken: 'e', expiresAt: 'x' }
  const path = join(parent, 'credentials.json')
  await writeFile(path, JSON.stringify({ version: 1, servers: {} }))
  await chmod(path, 0o666)
  await writeLocalServer(path, 'http://localhost', server)
  expect(await modeOf(path)).toBe('600')
  const target = join(parent, 'target.json')
  await writeFile(target, JSON.stringify({ version: 1, servers: {} }))
  const link = join(parent, 'linked.json')
  await symlink(target, link)
  await expect(writeLocalServer(link, 'http://localhost', server)).rejects.toThrow(/symbolic link/)
  expect(await readFile(target, 'utf8')).not.toContain('default')
})
