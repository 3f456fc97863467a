import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Connection } from '@agent-iam/sdk'
import { start } from '@agent-iam/server/start'

const email = 'admin@example.com'
const password = 'a long password for tests'

/** A real server that an administrator has set up, with an account of a person who logs in by browser. */
export interface Ground {
  readonly url: string
  readonly admin: Connection
  readonly person: { readonly email: string; readonly password: string }
  close(): Promise<void>
}

/** Starts it embedded, in a temporary folder, on a free port. */
export async function openGround(settings: Record<string, string> = {}): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-iam-conformance-'))
  const env = {
    AGENT_IAM_PORT: '0',
    AGENT_IAM_DATA: join(folder, 'data'),
    AGENT_IAM_CREDENTIALS: join(folder, 'credentials.json'),
    ...settings,
  }
  const server = await start({ env, quiet: true })
  const token = new URLSearchParams(new URL(server.setupLink ?? '').hash.slice(1)).get('token') ?? ''
  await connect({ server: server.url }).setup.complete({ body: { token, email, password } })
  const { accessToken } = await connect({ server: server.url }).auth.login({ body: { email, password } })
  return {
    url: server.url,
    admin: { server: server.url, token: accessToken },
    person: { email, password },
    async close() {
      await server.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A port that is free now, for who wants to know its own address beforehand. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}
