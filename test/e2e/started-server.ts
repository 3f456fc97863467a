import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, connect, type SecureOptions } from '@agent-iam/sdk'
import { systemClock } from '@agent-iam/sdk/local'
import { start } from '@agent-iam/server/start'
import { run } from '../../cli/src/program.ts'
import type { World } from '../../cli/src/world.ts'

/** A real server with data, credentials and an administrator of its own. */
export interface StartedServer {
  readonly url: string
  readonly folder: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** The whole API as the administrator of the default tenant. */
  readonly admin: Client
  readonly password: string
  /** What `secure` needs to find this server and nothing else of the machine. */
  readonly options: SecureOptions
  /** Runs a command line; gives what it shows, and the exit code. */
  command(args: readonly string[], changes?: Partial<World>): Promise<{ code: number; out: string; err: string }>
  stop(): Promise<void>
}

export const email = 'admin@example.com'

/** Starts a server in a temporary folder, with settings of the test's own, and finishes its setup link. */
export async function startServer(settings: Readonly<Record<string, string>> = {}): Promise<StartedServer> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-iam-e2e-'))
  const env = {
    PATH: process.env['PATH'],
    AGENT_IAM_PORT: '0',
    AGENT_IAM_DATA: join(folder, 'data'),
    AGENT_IAM_CREDENTIALS: join(folder, 'credentials.json'),
    AGENT_IAM_LOG_LEVEL: 'error',
    ...settings,
  }
  const server = await start({ env: { ...env }, quiet: true })
  const clientEnv = { ...env, AGENT_IAM_URL: server.url }
  const password = 'a long password for tests'
  const admin = await becomeAdministrator(server.url, server.setupLink, password)
  return {
    url: server.url,
    folder,
    env: clientEnv,
    admin,
    password,
    options: { server: server.url, credentialsDir: folder },
    command: (args, changes) => runCommand(args, { ...clientEnv, AGENT_IAM_PASSWORD: password }, changes),
    async stop() {
      await server.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function becomeAdministrator(server: string, link: string | undefined, password: string): Promise<Client> {
  const token = new URLSearchParams(new URL(link ?? '').hash.slice(1)).get('token') ?? ''
  await connect({ server }).setup.complete({ body: { token, email, password } })
  const { accessToken } = await connect({ server }).auth.login({ body: { email, password } })
  return connect({ server, token: accessToken })
}

async function runCommand(args: readonly string[], env: World['env'], changes: Partial<World> = {}) {
  let out = ''
  let err = ''
  const code = await run(args, {
    env,
    clock: systemClock,
    fetch: globalThis.fetch,
    isTerminal: false,
    out: (text) => (out += text),
    err: (text) => (err += text),
    ask: () => Promise.reject(new Error('nothing should be asked')),
    askHidden: () => Promise.reject(new Error('nothing should be asked')),
    untilStopped: () => Promise.resolve(),
    ...changes,
  })
  return { code, out, err }
}
