import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Agent, DeniedError, RefusedError, secure } from '../src/index.ts'
import { FakeServer } from './fake-server.ts'

let server: FakeServer
let folder: string
let agent: Agent
let seconds: number
let warnings: Error[]

beforeEach(async () => {
  server = new FakeServer()
  folder = await mkdtemp(join(tmpdir(), 'agent-iam-sdk-'))
  seconds = 0
  warnings = []
  agent = await secure('my-agent', {
    server: server.url,
    credentialsDir: folder,
    enrolmentToken: 'enr_1',
    fetch: server.fetch,
    clock: { now: () => new Date(Date.parse('2030-01-01T00:00:00Z') + seconds * 1000) },
    onReportError: (error) => warnings.push(error),
  })
  server.requests.length = 0
  server.bodies.length = 0
})
afterEach(() => rm(folder, { recursive: true }))

test('a check sends who, what and where, and its answer is a value either way', async () => {
  expect((await agent.check('read', 'file/docs/a.md', { purpose: 'indexing' })).allowed).toBe(true)
  expect(server.bodies).toEqual([{ action: 'read', resource: 'file/docs/a.md', context: { purpose: 'indexing' } }])
  server.allowed = false
  expect((await agent.check('read', 'file/secrets/a.txt')).decision).toBe('deny')
})

test('each request proves anew that the agent holds its key, so that its token alone is worth nothing', async () => {
  await agent.check('read', 'x')
  await agent.check('read', 'x')
  const claims = server.proofs.map((proof) =>
    JSON.parse(Buffer.from(proof.split('.')[1] ?? '', 'base64url').toString()),
  )
  expect(claims.map(({ htu }) => htu)).toEqual([
    'http://fake.test/api/v1/auth/login',
    'http://fake.test/api/v1/authz/check',
    'http://fake.test/api/v1/authz/check',
  ])
  expect(new Set(claims.map(({ jti }) => jti)).size).toBe(3)
})

test('a nonce that the server asks for is in the next proof, and in those after it', async () => {
  server.nonce = 'of the server'
  expect((await agent.check('read', 'x')).allowed).toBe(true)
  expect(server.count('/authz/check')).toBe(2)
  await agent.check('read', 'x')
  expect(server.count('/authz/check')).toBe(3)
})

test('an allowed action runs, and its result is reported with its duration', async () => {
  const run = () => {
    seconds += 2
    return 'text'
  }
  expect(await agent.performAction('read', 'file/docs/a.md', run)).toBe('text')
  expect(server.bodies.at(-1)).toEqual({ outcome: 'success', durationMs: 2000 })
})

test('a denied action never runs, and the error holds the decision', async () => {
  server.allowed = false
  let ran = false
  const error = await agent.performAction('read', 'x', () => (ran = true)).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(DeniedError)
  expect(error).toMatchObject({ decision: { decision: 'deny', reason: 'Nothing permits it' } })
  expect(ran).toBe(false)
})

test('what the action throws is reported as a failure and thrown on', async () => {
  const failure = new Error(`no such file\u0000${'x'.repeat(2000)}`)
  await expect(agent.performAction('read', 'x', () => Promise.reject(failure))).rejects.toBe(failure)
  expect(server.bodies.at(-1)).toMatchObject({
    outcome: 'failure',
    error: expect.stringMatching(/^Error: no such file\ufffdx+$/),
  })
})

test('a report that fails hides neither the result nor the action’s own error', async () => {
  const broken: typeof fetch = (input, init) => {
    const { url } = new Request(input, init)
    return url.endsWith('/result') ? Promise.reject(new TypeError('fetch failed')) : server.fetch(input, init)
  }
  const other = await secure('other', {
    server: server.url,
    credentialsDir: folder,
    enrolmentToken: 'enr_1',
    fetch: broken,
    onReportError: (error) => warnings.push(error),
  })
  expect(await other.performAction('read', 'x', () => 'text')).toBe('text')
  const failure = new Error('own')
  await expect(other.performAction('read', 'x', () => Promise.reject(failure))).rejects.toBe(failure)
  expect(warnings).toHaveLength(2)
})

test('tokens are refreshed ahead of their end, once, however many ask', async () => {
  seconds = 850
  await Promise.all(Array.from({ length: 20 }, () => agent.check('read', 'x')))
  expect(server.count('/api/v1/auth/refresh')).toBe(1)
  expect(server.count('/api/v1/auth/login')).toBe(0)
})

test('a token far from its end is not refreshed', async () => {
  seconds = 830
  await agent.check('read', 'x')
  expect(server.count('/api/v1/auth/refresh')).toBe(0)
})

test('a refused refresh falls back to a login', async () => {
  server.endSessions()
  seconds = 1000
  expect((await agent.check('read', 'x')).allowed).toBe(true)
  expect(server.count('/api/v1/auth/login')).toBe(1)
})

test('a token still good is used while the server cannot refresh it', async () => {
  seconds = 850
  server.loseAnswers.add('/api/v1/auth/refresh')
  expect((await agent.check('read', 'x')).allowed).toBe(true)
})

test('when the server ends the session, all who notice share one new login', async () => {
  server.endSessions()
  await Promise.all(Array.from({ length: 20 }, () => agent.check('read', 'x')))
  expect(server.count('/api/v1/auth/login')).toBe(1)
})

test('who notices late that the session ended takes the token that is there by then', async () => {
  server.endSessions()
  server.slowAnswersMs.push(0, 100)
  await Promise.all([agent.check('read', 'x'), agent.check('read', 'x')])
  expect(server.count('/api/v1/auth/login')).toBe(1)
})

test('a session that ends at once again is an error, not a loop', async () => {
  server.refusals.set(
    '/api/v1/authz/check',
    Array.from({ length: 10 }, () => 'token-revoked' as const),
  )
  await expect(agent.check('read', 'x')).rejects.toMatchObject({ code: 'token-revoked' })
  expect(server.count('/api/v1/authz/check')).toBe(2)
  expect(server.count('/api/v1/auth/login')).toBe(1)
})

test('an agent suspended meanwhile is refused, and does not try again', async () => {
  server.endSessions()
  for (const known of server.agents.values()) known.suspended = true
  const error = await agent.check('read', 'x').catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(RefusedError)
  expect(error).toMatchObject({ code: 'identity-inactive' })
  expect(server.count('/api/v1/auth/login')).toBe(1)
})

test('closing ends the session at the server; a closed agent asks nothing more', async () => {
  await agent.close()
  await agent.close()
  expect(server.count('/api/v1/auth/logout')).toBe(1)
  await expect(agent.check('read', 'x')).rejects.toThrow('closed')
})
