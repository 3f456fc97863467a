import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startFakeKeyService, type FakeKeyService } from '../../test/fake-key-service.ts'
import { ConfigError, readConfig } from './config.ts'
import { keyService } from './key-service.ts'
import { loadMasterKeys } from './master-key.ts'
import { systemRandom } from './random.ts'

let folder: string
let service: FakeKeyService
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-iam-kms-'))
  service = await startFakeKeyService()
})
afterEach(async () => {
  await service.close()
  await rm(folder, { recursive: true })
})

const load = (env: Record<string, string>) =>
  loadMasterKeys(readConfig({ AGENT_IAM_DATA: folder, ...env }), systemRandom)

describe.each(['vaultUrl', 'plainUrl'] as const)('a master key kept by the service at its %s', (kind) => {
  const settings = () => ({ AGENT_IAM_MASTER_KEY_URL: service[kind], AGENT_IAM_MASTER_KEY_TOKEN: service.token })

  test('lies on the disk wrapped only, and is the same at the next start', async () => {
    const { current } = await load(settings())
    expect(current).toHaveLength(32)
    const stored = await readFile(join(folder, 'master.key'), 'utf8')
    for (const form of ['base64', 'base64url', 'hex'] as const) expect(stored).not.toContain(current.toString(form))
    expect(await load(settings())).toEqual({ current, others: [] })
  })

  test('may also be given wrapped, an earlier one beside it, and the token in a file', async () => {
    const provider = keyService({ url: service[kind], token: service.token })
    const [key, earlier] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    await writeFile(join(folder, 'token'), `${service.token}\n`)
    const env = {
      AGENT_IAM_MASTER_KEY_URL: service[kind],
      AGENT_IAM_MASTER_KEY_TOKEN_FILE: join(folder, 'token'),
      AGENT_IAM_MASTER_KEY: await provider.wrap(key),
      AGENT_IAM_MASTER_KEY_PREVIOUS: await provider.wrap(earlier),
    }
    expect(await load(env)).toEqual({ current: key, others: [earlier] })
  })

  test('is not there without the right token, and no start goes on without it', async () => {
    await expect(load({ ...settings(), AGENT_IAM_MASTER_KEY_TOKEN: 'another' })).rejects.toThrow(/refused \(403\)/)
    service.answer = { status: 200, body: 'a proxy says hello' }
    await expect(load(settings())).rejects.toThrow(ConfigError)
    service.answer = { status: 200, body: '{"plaintext":"c2hvcnQ=","data":{"plaintext":"c2hvcnQ="}}' }
    await expect(load({ ...settings(), AGENT_IAM_MASTER_KEY: 'x' })).rejects.toThrow('something else than 32 bytes')
    const url = service[kind]
    await service.close()
    await expect(load({ AGENT_IAM_MASTER_KEY_URL: url, AGENT_IAM_MASTER_KEY: 'x' })).rejects.toThrow('does not answer')
    service = await startFakeKeyService()
  })
})

test('the key comes back over https, or from this machine', () => {
  const read = (url: string) => () => readConfig({ AGENT_IAM_MASTER_KEY_URL: url })
  expect(read('https://kms.example.com/keys')).not.toThrow()
  expect(read('vault+https://vault.example.com/v1/transit/keys/agent-iam')).not.toThrow()
  for (const url of [
    'http://kms.example.com/keys',
    'vault+http://10.0.0.1/v1/transit/keys/a',
    'ftp://localhost/',
    'kms',
  ])
    expect(read(url)).toThrow('AGENT_IAM_MASTER_KEY_URL')
})

test('neither a master key nor what unwraps it stays in the environment', () => {
  const env = {
    AGENT_IAM_MASTER_KEY: 'a',
    AGENT_IAM_MASTER_KEY_PREVIOUS: 'b',
    AGENT_IAM_MASTER_KEY_TOKEN: 'c',
    HOME: '/x',
  }
  readConfig(env)
  expect(env).toEqual({ HOME: '/x' })
})
