import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listFiles, locate } from './tree.ts'

let folder: string
let root: string

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'agent-iam-tree-')))
  root = join(folder, 'files')
  for (const below of ['docs', 'secrets']) await mkdir(join(root, below), { recursive: true })
  for (const file of ['docs/a.md', 'secrets/x.txt', '../outside.txt']) await writeFile(join(root, file), 'text')
})
afterEach(() => rm(folder, { recursive: true }))

test('a file is asked about by its path below the root', async () => {
  expect(await locate(root, 'docs/a.md')).toEqual({ path: join(root, 'docs/a.md'), resource: 'file/docs/a.md' })
})

test.each(['docs/../secrets/x.txt', './docs/.././secrets//x.txt', '/secrets/x.txt'])(
  'the detour %s is asked about as what it leads to',
  async (wanted) => {
    expect((await locate(root, wanted)).resource).toBe('file/secrets/x.txt')
  },
)

test('a link out of docs into secrets is a file of secrets', async () => {
  await symlink(join(root, 'secrets/x.txt'), join(root, 'docs/innocent.md'))
  expect((await locate(root, 'docs/innocent.md')).resource).toBe('file/secrets/x.txt')
})

test.each(['../outside.txt', 'docs/../../outside.txt', '.', 'docs/..'])(
  '%s leads nowhere in the tree',
  async (wanted) => {
    await expect(locate(root, wanted)).rejects.toThrow('leads out of the tree')
  },
)

test('all files are listed, in order', async () => {
  expect(await listFiles(root)).toEqual(['docs/a.md', 'secrets/x.txt'])
})
