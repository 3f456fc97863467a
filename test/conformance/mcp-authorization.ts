import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createClient, createResource } from '@agent-iam/contract/clients'
import { call } from '@agent-iam/sdk'
import { z } from 'zod'
import { allowInBrowser } from './browser.ts'
import { freePort, openGround } from './ground.ts'

/** The suite waits five minutes for the browser; it needs seconds. */
const suiteMs = 120_000

const Checks = z.array(z.object({ id: z.string(), status: z.string(), errorMessage: z.string().optional() }))

/**
 * The authorization-server mode of the MCP conformance suite: it reads our metadata, sends a person to log in, here
 * Chromium, and trades the code for a token. Throws unless every check succeeds; a warning is a failure too.
 */
export async function mcpAuthorization(): Promise<string[]> {
  const ground = await openGround()
  const output = await mkdtemp(join(tmpdir(), 'agent-iam-mcp-'))
  try {
    const port = await freePort()
    const { clientId } = await call(ground.admin, createClient, {
      body: {
        name: 'The conformance suite',
        redirectUris: [`http://127.0.0.1:${port}/callback`],
        // Where there are public clients, the suite is one.
        authMethod: 'none',
        // The suite asks for no scope.
        defaultScopes: ['files:read'],
      },
    })
    const resource = 'https://mcp.example/files'
    await call(ground.admin, createResource, { body: { resource, name: 'Files over MCP', scopes: ['files:read'] } })
    const suite = startSuite({
      url: ground.url,
      'client-id': clientId,
      resource,
      port: String(port),
      'output-dir': output,
    })
    await complete(suite, ground.person)
    return await readChecks(output)
  } finally {
    await ground.close()
    await rm(output, { recursive: true, force: true })
  }
}

function startSuite(options: Readonly<Record<string, string>>): ChildProcess {
  const require = createRequire(import.meta.url)
  // The package names no entry but its command.
  const command = join(dirname(require.resolve('@modelcontextprotocol/conformance/package.json')), 'dist/index.js')
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
  return spawn(process.execPath, [command, 'authorization', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: suiteMs,
  })
}

async function complete(suite: ChildProcess, person: Parameters<typeof allowInBrowser>[1]): Promise<void> {
  const exited = once(suite, 'exit')
  try {
    await allowInBrowser(await authorizationUrl(suite), person)
    await exited
  } finally {
    suite.kill()
  }
}

/** The address that the suite asks a person to open. */
async function authorizationUrl(suite: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = ''
    suite.stdout?.on('data', (chunk: unknown) => {
      output += String(chunk)
      const url = /^https?:\/\/\S+\?\S*response_type=code\S*$/m.exec(output)?.[0]
      if (url !== undefined) resolve(url)
    })
    suite.once('exit', () => reject(new Error(`the suite ended before it sent anybody to log in:\n${output}`)))
  })
}

async function readChecks(folder: string): Promise<string[]> {
  const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('checks.json'))
  const read = files.map(async (file) => Checks.parse(JSON.parse(await readFile(join(folder, file), 'utf8'))))
  const checks = (await Promise.all(read)).flat()
  const failed = checks.filter(({ status }) => status !== 'SUCCESS')
  if (failed.length > 0) throw new Error(failed.map((check) => JSON.stringify(check)).join('\n'))
  // A suite that was cut short writes fewer.
  if (checks.length < 3) throw new Error(`only ${checks.length} checks were made`)
  return checks.map(({ id, status }) => `${id}: ${status}`)
}
