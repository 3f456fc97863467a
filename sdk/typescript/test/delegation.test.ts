import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Agent, AgentIamError, CredentialsError, secure } from '../src/index.ts'
import { FakeServer } from './fake-server.ts'

let server: FakeServer
let folder: string
let parent: Agent
let seconds: number

beforeEach(async () => {
  server = new FakeServer()
  folder = await mkdtemp(join(tmpdir(), 'agent-iam-sdk-'))
  seconds = 0
  parent = await secure('parent', {
    server: server.url,
    credentialsDir: folder,
    enrolmentToken: 'enr_1',
    fetch: server.fetch,
    clock: { now: () => new Date(Date.parse('2030-01-01T00:00:00Z') + seconds * 1000) },
  })
  server.requests.length = 0
  server.bodies.length = 0
})
afterEach(() => rm(folder, { recursive: true }))

const capabilities = ['file/docs/*:read']
const aChild = () => parent.delegate('child', { capabilities })

test('a child acts with the tokens that it was made with, and each request proves its own key', async () => {
  const child = await parent.delegate('child', { capabilities, taskId: 'task-42', ttlSeconds: 600 })
  expect((await child.check('read', 'file/docs/a.md')).allowed).toBe(true)
  expect(server.requests).toEqual(['POST /api/v1/delegations', 'POST /api/v1/authz/check'])
  const publicKey = server.agents.get(child.id)?.publicKey
  expect(server.bodies[0]).toEqual({ name: 'child', capabilities, taskId: 'task-42', ttlSeconds: 600, publicKey })
  expect(publicKey).not.toBe(server.agents.get(parent.id)?.publicKey)
  // The fake server takes a proof only from the key of the agent whose token it is.
  expect(server.proofs).toHaveLength(3)
})

test('no file holds the key of a child', async () => {
  const before = await readdir(folder, { recursive: true })
  await aChild()
  expect(await readdir(folder, { recursive: true })).toEqual(before)
})

test('a child renews its tokens, and logs in by itself when its session was ended', async () => {
  const child = await aChild()
  seconds = 850
  await child.check('read', 'x')
  expect([server.count('/auth/refresh'), server.count('/auth/login')]).toEqual([1, 0])
  server.endSessions()
  expect((await child.check('read', 'x')).allowed).toBe(true)
  expect([server.count('/auth/refresh'), server.count('/auth/login')]).toEqual([1, 1])
})

test('a child makes children, and outlives in this process the agent that made it', async () => {
  const grandchild = await (await aChild()).delegate('grandchild', { capabilities })
  await parent.close()
  expect((await grandchild.check('read', 'x')).allowed).toBe(true)
  await expect(aChild()).rejects.toThrow('closed')
  await expect(parent.mintBiscuit()).rejects.toThrow('closed')
})

test('a child whose key the server no longer takes is an error that names no file', async () => {
  const child = await aChild()
  server.endSessions()
  server.agents.delete(child.id)
  const error = await child.check('read', 'x').catch((caught: unknown) => caught)
  expect(error).not.toBeInstanceOf(CredentialsError)
  expect(error).toMatchObject({ name: 'AgentIamError', cause: { code: 'invalid-credentials' } })
  expect(String(error)).toContain(`${child.id}, a child of this process`)
})

test('the key of a child is not rotated, and the server hears nothing of it', async () => {
  const child = await aChild()
  const error = await child.rotateKey().catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(AgentIamError)
  expect(String(error)).toContain('no file keeps')
  expect(server.requests).toEqual(['POST /api/v1/delegations'])
})

test('what the server refuses to hand on is told as the server tells it', async () => {
  server.refusals.set('/api/v1/delegations', ['capability-exceeded'])
  await expect(aChild()).rejects.toMatchObject({ name: 'RefusedError', code: 'capability-exceeded' })
})

test('an agent mints a Biscuit of its session', async () => {
  expect(await parent.mintBiscuit({ capabilities, expiresInSeconds: 600 })).toMatchObject({
    tokenType: 'biscuit',
    rights: capabilities,
  })
  expect(server.bodies).toEqual([{ capabilities, expiresInSeconds: 600 }])
  expect((await parent.mintBiscuit()).rights).toEqual([])
})
