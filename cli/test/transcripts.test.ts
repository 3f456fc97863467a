import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { run } from '../src/program.ts'
import type { World } from '../src/world.ts'
import { FakeApi } from './fake-api.ts'

/*
 * A transcript is what a person would see: `$` a command line, `#` what happens to the server in between,
 * `!` before what goes to the error stream, `?` the exit code. The folder of credentials is written `~`.
 */
const folder = new URL('.', import.meta.url)
const transcripts = (await readdir(folder)).filter((name) => name.endsWith('.txt'))

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'agent-iam-cli-'))
})
afterEach(() => rm(home, { recursive: true }))

test('there are transcripts', () => expect(transcripts.length).toBeGreaterThan(3))

test.each(transcripts)('%s happens as it is written', async (name) => {
  const written = await readFile(new URL(name, folder), 'utf8')
  expect(await replay(written)).toBe(written)
})

async function replay(written: string): Promise<string> {
  const api = new FakeApi()
  let seen = ''
  for (const line of written.split('\n').filter((each) => /^[$#] /.test(each))) {
    seen += `${line}\n`
    if (line.startsWith('$ ')) seen += await runLine(line.slice(2), api)
    else api.tamper(line.slice(2))
  }
  return seen.replaceAll(home, '~')
}

async function runLine(line: string, api: FakeApi): Promise<string> {
  const words = line.split(' ')
  const start = words.indexOf('agent-iam')
  const settings = words.slice(0, start).map((word) => word.split('='))
  let seen = ''
  const show = (mark: string) => (text: string) => {
    seen += text.replace(/^(?=.)/gm, mark)
  }
  const world: World = {
    env: { AGENT_IAM_CREDENTIALS: join(home, 'credentials.json'), ...Object.fromEntries(settings) },
    clock: { now: () => new Date('2030-01-01T12:00:00Z') },
    fetch: api.fetch,
    isTerminal: false,
    out: show(''),
    err: show('! '),
    ask: () => Promise.resolve('typed@example.com'),
    askHidden: () => Promise.resolve('correct horse battery'),
    untilStopped: () => Promise.resolve(),
  }
  const code = await run(words.slice(start + 1), world)
  return `${seen}? ${code}\n`
}
