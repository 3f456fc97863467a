import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { start } from '../src/start.ts'

let folder: string
let squatter: Server
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-iam-start-'))
  squatter = createServer()
  await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', () => resolve()))
})
afterEach(async () => {
  squatter.close()
  await rm(folder, { recursive: true })
})

function startOnPort(port: number, replace: Parameters<typeof start>[0] = {}) {
  const env = {
    AGENT_IAM_PORT: String(port),
    AGENT_IAM_DATA: join(folder, 'data'),
    AGENT_IAM_CREDENTIALS: join(folder, 'credentials.json'),
  }
  return start({ env, quiet: true, ...replace })
}

test('a start that finds its port taken closes what it opened, and leaves what the last start announced', async () => {
  const address = squatter.address()
  const taken = typeof address === 'object' && address ? address.port : 0
  const first = await startOnPort(0)
  await first.close()
  const announced = () =>
    Promise.all(['credentials.json', 'data/setup-link'].map((name) => readFile(join(folder, name), 'utf8')))
  const before = await announced()
  await expect(startOnPort(taken)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  expect(await announced()).toEqual(before)
  expect(await readdir(join(folder, 'data'))).not.toContain('agent-iam.lock')
})

test('a part that cannot be closed keeps no other part open, and the stop tells', async () => {
  const server = await startOnPort(0, {
    replace: (world) => ({
      ...world,
      sharedState: { ...world.sharedState, close: () => Promise.reject(new Error('Redis would not go')) },
    }),
  })
  await expect(server.close()).rejects.toThrow('Redis would not go')
  expect(await readdir(join(folder, 'data'))).not.toContain('agent-iam.lock')
})
