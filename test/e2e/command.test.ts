import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { listAuditLeaves } from '@agent-iam/contract/audit'
import { secure } from '@agent-iam/sdk'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { email, type StartedServer, startServer } from './started-server.ts'

let server: StartedServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

type Leaves = { leaves: Array<{ leaf: string }> }

/** Stands between command and server, and changes what the log is said to hold. */
function between(change: (answer: Leaves) => void): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    const response = await fetch(request)
    if (!request.url.includes(listAuditLeaves.path)) return response
    const answer = listAuditLeaves.response.parse(await response.json())
    change(answer)
    return Response.json(answer)
  }
}

async function headFile(): Promise<string> {
  const [name = ''] = await readdir(join(server.folder, 'heads'))
  return join(server.folder, 'heads', name)
}

test('a wrong password leaves no session', async () => {
  const env = { ...server.env, AGENT_IAM_PASSWORD: 'not the password' }
  const { code, err } = await server.command(['login', '--email', email], { env })
  expect([code, err]).toEqual([2, expect.stringMatching(/^agent-iam: /)])
  expect((await server.command(['agents', 'list'])).code).toBe(2)
})

test('a person logs in once, and lists agents as often as he likes', async () => {
  await secure('listed', { ...server.options, capabilities: ['file/docs/*:read'] })
  expect((await server.command(['login', '--email', email])).code).toBe(0)
  for (let times = 0; times < 3; times++) {
    const { code, out } = await server.command(['agents', 'list'])
    expect(code).toBe(0)
    expect(out).toMatch(/^listed +agt_[0-9a-f]{32} +active +worker +0\.50 +[\w-]{43}$/m)
  }
})

test('the log is verified, and the next time it continues what was seen', async () => {
  const first = await server.command(['audit', 'verify'])
  expect(first).toMatchObject({
    code: 0,
    err: '',
    out: expect.stringMatching(/was not seen here before[^]*chain verified\n$/),
  })
  expect((await stat(await headFile())).mode & 0o777).toBe(0o600)
  const agent = await secure('busy', { ...server.options, capabilities: ['file/docs/*:read'] })
  for (let checks = 0; checks < 30; checks++) await agent.check('read', `file/docs/${checks}`)
  const second = await server.command(['audit', 'verify'])
  expect(second).toMatchObject({ code: 0, out: expect.stringMatching(/continues the head kept[^]*chain verified\n$/) })
})

test('one flipped byte is found, with its entry', async () => {
  const flipping = between(({ leaves }) => {
    const [, , , leaf] = leaves
    const bytes = Buffer.from(leaf?.leaf ?? '', 'base64')
    bytes[20] = (bytes[20] ?? 0) ^ 1
    if (leaf) leaf.leaf = bytes.toString('base64')
  })
  const { code, err } = await server.command(['audit', 'verify'], { fetch: flipping })
  expect(code).toBe(1)
  expect(err).toContain('first bad entry: 3 (bytes changed)')
})

test('one dropped row is found, with its number', async () => {
  const dropping = between((answer) => answer.leaves.splice(5, 1))
  const { code, err } = await server.command(['audit', 'verify'], { fetch: dropping })
  expect(code).toBe(1)
  expect(err).toContain('first bad entry: 5 (entry missing)')
})

test('a log shorter than last time is found', async () => {
  const file = await headFile()
  const kept = await readFile(file, 'utf8')
  await writeFile(file, kept.replace(/"size": \d+/, '"size": 1000000'))
  const { code, err } = await server.command(['audit', 'verify'])
  await writeFile(file, kept)
  expect(code).toBe(1)
  expect(err).toContain('log shorter than last time')
})

test('where nothing listens, a command ends with 2 and the address', async () => {
  const { code, err } = await server.command(['--server', 'http://127.0.0.1:1', 'login', '--email', email])
  expect(code).toBe(2)
  expect(err).toMatch(/^agent-iam: no answer from http:\/\/127\.0\.0\.1:1\//)
})

test('the server is served until it is told to stop, and greets whoever reads along', async () => {
  const folder = join(server.folder, 'served')
  const env = { AGENT_IAM_PORT: '0', AGENT_IAM_DATA: folder, AGENT_IAM_CREDENTIALS: join(folder, 'credentials.json') }
  const quiet = { ...env, AGENT_IAM_LOG_LEVEL: 'error' }
  const { code, out } = await server.command(['serve'], { env: quiet, isTerminal: true })
  expect(code).toBe(0)
  expect(out).toMatch(/running at http:\/\/localhost:\d+\n.*http:\/\/localhost:\d+\/setup#token=\S+\n/)
  const elsewhere = await server.command(['serve'], { env: quiet })
  expect(elsewhere).toEqual({ code: 0, out: '', err: '' })
})

test('told to stop as a group, as a terminal does, the server closes its data and ends with 0', async () => {
  const folder = join(server.folder, 'stopped')
  const env = { AGENT_IAM_PORT: '0', AGENT_IAM_DATA: folder, AGENT_IAM_CREDENTIALS: join(folder, 'credentials.json') }
  const bin = fileURLToPath(new URL('../../cli/bin/agent-iam.js', import.meta.url))
  const child = spawn(process.execPath, [bin, 'serve'], { env, detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  let said = ''
  for await (const line of createInterface({ input: child.stdout })) {
    said += `${line}\n`
    if (line.includes('"listening"')) process.kill(-(child.pid ?? 0), 'SIGTERM')
  }
  expect(await ended).toEqual([0, null])
  expect(said).toMatch(/"stopped"\}\n$/)
})

test('a server that is configured wrongly names every fault, and ends with 2', async () => {
  const env = { AGENT_IAM_PORT: 'many', DATABASE_URL: 'mysql://x' }
  const { code, err } = await server.command(['serve'], { env })
  expect(code).toBe(2)
  expect(err).toMatch(/AGENT_IAM_PORT[^]*DATABASE_URL/)
  expect(err).not.toContain('    at ')
})

test('the demo shows allow, deny and a verified chain, and leaves nothing behind', async () => {
  const folders = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('agent-iam-demo-'))
  const before = await folders()
  const { code, out, err } = await server.command(['demo'], { env: { PATH: process.env['PATH'] } })
  expect([code, err]).toEqual([0, ''])
  expect(out).toMatch(/ALLOW +read docs\/guide\.md/)
  expect(out).toMatch(/DENY +read secrets\/payroll\.txt/)
  expect(out).toMatch(/DENY +read docs\/\.\.\/secrets\/payroll\.txt/)
  expect(out.match(/ALLOW +read docs\/drafts\/next\.md/g)).toHaveLength(1)
  expect(out).toMatch(/DENY +read docs\/drafts\/next\.md: not opened\n.*drafts stay closed.*pol_/)
  expect(out).toContain('chain verified')
  expect(await folders()).toEqual(before)
})
