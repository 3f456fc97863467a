import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  CredentialsError,
  RefusedError,
  secure,
  type SecureOptions,
  UnreachableError,
  UnsafeChallengeError,
} from '../src/index.ts'
import { FakeServer } from './fake-server.ts'

let server: FakeServer
let folder: string
let options: SecureOptions

beforeEach(async () => {
  server = new FakeServer()
  folder = await mkdtemp(join(tmpdir(), 'agent-iam-sdk-'))
  const now = new Date('2030-01-01T00:00:00Z')
  options = { server: server.url, credentialsDir: folder, fetch: server.fetch, clock: { now: () => now } }
  await writeCredentials()
})
afterEach(() => rm(folder, { recursive: true }))

async function writeCredentials() {
  const entry = {
    issuer: server.issuer,
    tenantId: 'ten_1',
    tenant: 'default',
    enrolmentToken: 'enr_1',
    expiresAt: 'later',
  }
  const text = JSON.stringify({ version: 1, servers: { [server.url]: entry } })
  await writeFile(join(folder, 'credentials.json'), text, { mode: 0o600 })
}

async function keyFiles(): Promise<string[]> {
  const names = await readdir(join(folder, 'agents'), { recursive: true })
  return names.filter((name) => name.endsWith('.json')).map((name) => join(folder, 'agents', name))
}

async function keyFile(): Promise<string> {
  const [file = ''] = await keyFiles()
  return file
}

test('the first run registers with a proof of possession, and the second is the same agent', async () => {
  const first = await secure('my-agent', options)
  const second = await secure('my-agent', options)
  expect(second.id).toBe(first.id)
  expect(server.count('/api/v1/agents')).toBe(1)
  expect(server.agents.get(first.id)?.proved).toBe(true)
})

test('the key lies in a file, and folders, that only its user may enter', async () => {
  await secure('my-agent', options)
  const file = await keyFile()
  expect(file).toMatch(/agents\/[0-9a-f]{16}\/default\/my-agent\.json$/)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect((await stat(join(file, '..'))).mode & 0o777).toBe(0o700)
  expect(await readdir(join(file, '..'))).toEqual(['my-agent.json'])
})

test('ten first runs at once register one agent', async () => {
  const agents = await Promise.all(Array.from({ length: 10 }, () => secure('my-agent', options)))
  expect(new Set(agents.map(({ id }) => id)).size).toBe(1)
  expect(server.agents.size).toBe(1)
})

test('names that are no file names have files of their own, inside the folder', async () => {
  for (const name of ['../../evil', '..-..-evil', 'Bot', 'bot', 'ünï/çode', 'x'.repeat(100)])
    await secure(name, options)
  expect(server.agents.size).toBe(6)
  const files = await keyFiles()
  expect(new Set(files).size).toBe(6)
  expect(new Set(files.map((file) => dirname(file))).size).toBe(1)
})

test('two spellings of one name are one agent', async () => {
  const composed = await secure('caf\u00e9', options)
  expect((await secure('cafe\u0301', options)).id).toBe(composed.id)
})

test('a key that the server does not know is never registered again; the error names the file to remove', async () => {
  await secure('my-agent', options)
  server.agents.clear()
  const error = await secure('my-agent', options).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(CredentialsError)
  expect(String(error)).toContain(`rm '${await keyFile()}'`)
  expect(server.agents.size).toBe(0)
})

test('a key file that others may read is refused with the command that mends it', async () => {
  await secure('my-agent', options)
  const file = await keyFile()
  await chmod(file, 0o640)
  await expect(secure('my-agent', options)).rejects.toThrow(`chmod 600 '${file}'`)
})

test('a key file that is cut short is refused by name, and kept', async () => {
  await secure('my-agent', options)
  const file = await keyFile()
  await writeFile(file, '{"version": 1, "sta')
  await expect(secure('my-agent', options)).rejects.toThrow(file)
  expect(await readFile(file, 'utf8')).toBe('{"version": 1, "sta')
})

test('a refused registration leaves no key behind, so that the next run may begin anew', async () => {
  server.refusals.set('/api/v1/agents', ['capability-exceeded'])
  await expect(secure('my-agent', options)).rejects.toMatchObject({ code: 'capability-exceeded' })
  expect(await keyFiles()).toEqual([])
  await secure('my-agent', options)
})

test('a key whose registration lost its answer is kept, and its id completes it', async () => {
  server.loseAnswers.add('/api/v1/agents')
  await expect(secure('my-agent', options)).rejects.toBeInstanceOf(UnreachableError)
  server.loseAnswers.clear()
  await expect(secure('my-agent', options)).rejects.toThrow(/did not get the answer.*key thumbprint/)
  const [known] = server.agents.values()
  const agent = await secure('my-agent', { ...options, agentId: `agt_${known?.agentId.slice(4)}` })
  expect(agent.id).toBe(known?.agentId)
  expect((await secure('my-agent', options)).id).toBe(agent.id)
})

test('a registration that never arrived is made by the next run with the same key', async () => {
  const dead: SecureOptions = { ...options, fetch: () => Promise.reject(new TypeError('fetch failed')) }
  await expect(secure('my-agent', dead)).rejects.toBeInstanceOf(UnreachableError)
  const before: unknown = JSON.parse(await readFile(await keyFile(), 'utf8'))
  await secure('my-agent', options)
  const after: unknown = JSON.parse(await readFile(await keyFile(), 'utf8'))
  expect(after).toMatchObject({ status: 'registered', privateKey: Object(before).privateKey })
})

test('a name that another agent holds is told apart from a lost key', async () => {
  await secure('my-agent', options)
  await rm(await keyFile())
  await expect(secure('my-agent', options)).rejects.toThrow(/has an agent called "my-agent", and its key is not in/)
})

test('without anything that may register, the error says where it looked and what to do', async () => {
  await rm(join(folder, 'credentials.json'))
  await expect(secure('my-agent', options)).rejects.toThrow(/credentials\.json has no entry.*AGENT_IAM_ENROLMENT_TOKEN/)
  expect(server.requests).toEqual([])
})

test('an enrolment token that is given needs no credentials file', async () => {
  await rm(join(folder, 'credentials.json'))
  const agent = await secure('my-agent', { ...options, enrolmentToken: 'enr_2' })
  expect(server.agents.get(agent.id)?.proved).toBe(false)
})

test('of several servers none is guessed', async () => {
  const entry = { issuer: 'x', tenantId: 'ten_1', tenant: 'default', enrolmentToken: 'enr_1', expiresAt: 'later' }
  const text = JSON.stringify({ version: 1, servers: { 'http://a.test': entry, 'http://b.test': entry } })
  await writeFile(join(folder, 'credentials.json'), text, { mode: 0o600 })
  const { server: _, ...unnamed } = options
  await expect(secure('my-agent', unnamed)).rejects.toThrow('http://a.test, http://b.test')
})

test('a suspended agent is told so, and keeps its key', async () => {
  const { id } = await secure('my-agent', options)
  const known = server.agents.get(id)
  if (known) known.suspended = true
  const error = await secure('my-agent', options).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(RefusedError)
  expect(error).toMatchObject({ code: 'identity-inactive' })
  expect(await keyFiles()).toHaveLength(1)
})

test.each([
  [
    'another issuer’s',
    (id: string) => `agent-iam/challenge/v1 http://evil.test ${id} 2030-01-01T00:01:00Z n m`,
    /evil/,
  ],
  ['another agent’s', () => 'agent-iam/challenge/v1 http://fake.test agt_x 2030-01-01T00:01:00Z n m', /agt_x/],
  ['no challenge', () => 'I owe you a thousand euro', /no challenge/],
  ['a registration', (id: string) => `agent-iam/registration/v1 http://fake.test ${id} now n m`, /no challenge/],
])('a text to sign that is %s is not signed', async (_what, challenge, message) => {
  server.challenge = challenge
  const error = await secure('my-agent', options).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(UnsafeChallengeError)
  expect(String(error)).toMatch(message)
  expect(server.count('/api/v1/auth/login')).toBe(0)
})
