import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ConfigError, readConfig } from './config.ts'
import { loadMasterKeys } from './master-key.ts'
import { systemRandom } from './random.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-iam-key-'))
})
afterEach(() => rm(folder, { recursive: true }))

const load = async () => (await loadMasterKeys(readConfig({ AGENT_IAM_DATA: folder }), systemRandom)).current

test('the first start makes a key, and later ones find it', async () => {
  const key = await load()
  expect(key).toHaveLength(32)
  expect(await load()).toEqual(key)
})

test('a database whose key is missing gets no other, which could open nothing in it', async () => {
  await mkdir(join(folder, 'pglite'))
  await expect(load()).rejects.toThrow(ConfigError)
  expect(await readdir(folder)).toEqual(['pglite'])
})
