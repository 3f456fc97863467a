import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { start } from '../src/start.ts'
import { openPostgres } from './databases.ts'

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

test('a second start in the folder leaves the setup link as it is, while it is good', async () => {
  const first = await startOnPort(0)
  await first.close()
  const second = await startOnPort(0)
  await second.close()
  const [kept, again] = [first.setupLink, second.setupLink].map((link) => link?.split('#')[1])
  expect(kept).toMatch(/^token=setup_/)
  expect(again).toBe(kept)
  expect(await readFile(join(folder, 'data/setup-link'), 'utf8')).toContain(kept)
})

test('on PostgreSQL too, a start in the folder or elsewhere takes nobody’s setup link', async () => {
  const database = await openPostgres()
  const startIn = (data: string) => {
    const env = {
      AGENT_IAM_PORT: '0',
      AGENT_IAM_DATA: join(folder, data),
      AGENT_IAM_PUBLIC_URL: 'http://localhost:9999',
      AGENT_IAM_MASTER_KEY: Buffer.alloc(32, 7).toString('base64url'),
      DATABASE_URL: database.pool.options.connectionString,
    }
    return start({ env, quiet: true })
  }
  const links = []
  for (const data of ['data', 'data', 'elsewhere', 'data']) {
    const server = await startIn(data)
    links.push(server.setupLink?.split('#')[1])
    await server.close()
  }
  expect(links).toEqual([links[0], links[0], undefined, links[0]])
  expect(await readFile(join(folder, 'data/setup-link'), 'utf8')).toContain(links[0])
  await database.close()
})

test('a data folder that others could write is made private before anything is read from it', async () => {
  await mkdir(join(folder, 'data'), { mode: 0o777 })
  await chmod(join(folder, 'data'), 0o777)
  const server = await startOnPort(0)
  await server.close()
  const modes = await Promise.all(
    ['data', 'data/master.key', 'data/setup-link', 'credentials.json'].map(
      async (name) => (await stat(join(folder, name))).mode & 0o077,
    ),
  )
  expect(modes).toEqual([0, 0, 0, 0])
})
