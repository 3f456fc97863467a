import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../server/test/free-port.ts'
import { startPostgres, type TestPostgres } from '../../server/test/postgres.ts'
import { type Environment, type ServerProcess, startServerProcess } from './server-process.ts'

/** What outlives a server process: its data, its address, its keys. */
export interface Ground {
  readonly folder: string
  /** Where its server listens, and the issuer of its tokens. */
  readonly url: string
  readonly environment: Environment
  readonly setupLinkFile: string
  start(instance?: Instance): Promise<ServerProcess>
  /** Ends whatever still runs on it, and removes it. */
  close(): Promise<void>
}

/** How one server process differs from the others on the same ground. */
export interface Instance {
  /** Another program than the real one. */
  readonly program?: string | undefined
  readonly environment?: Environment
}

/** The embedded database in a temporary folder. */
export async function embeddedGround(): Promise<Ground> {
  return makeGround({})
}

export interface PostgresGround extends Ground {
  readonly postgres: TestPostgres
}

/** A PostgreSQL of its own, which may be killed. */
export async function postgresGround(environment: Environment = {}): Promise<PostgresGround> {
  const postgres = await startPostgres()
  const ground = await makeGround({
    DATABASE_URL: postgres.url,
    AGENT_IAM_MASTER_KEY: randomBytes(32).toString('base64url'),
    ...environment,
  })
  return {
    ...ground,
    postgres,
    async close() {
      await ground.close()
      await postgres.stop()
    },
  }
}

async function makeGround(database: Environment): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'iam-faults-'))
  const port = await freePort()
  const url = `http://localhost:${port}`
  const data = join(folder, 'data')
  const environment = {
    // What a killed server leaves behind goes with the folder. Its path is short, for the sake of the socket in it.
    TMPDIR: folder,
    AGENT_IAM_PORT: String(port),
    AGENT_IAM_PUBLIC_URL: url,
    AGENT_IAM_DATA: data,
    AGENT_IAM_CREDENTIALS: join(folder, 'credentials.json'),
    // What tests send is more than anybody else does; those of limits set their own.
    AGENT_IAM_REQUESTS_PER_AGENT: '1000000',
    AGENT_IAM_REQUESTS_PER_USER: '1000000',
    AGENT_IAM_REQUESTS_PER_SERVICE: '1000000',
    AGENT_IAM_REQUESTS_PER_API_KEY: '1000000',
    AGENT_IAM_REQUESTS_PER_ENROLMENT_TOKEN: '1000000',
    AGENT_IAM_LOGINS_PER_ACCOUNT: '1000000',
    AGENT_IAM_ANONYMOUS_ROWS_PER_ADDRESS: '1000000',
    AGENT_IAM_ANONYMOUS_ROWS_PER_TENANT: '1000000',
    AGENT_IAM_REQUESTS_PER_ADDRESS: '0',
    ...database,
  }
  const servers: ServerProcess[] = []
  return {
    folder,
    url,
    environment,
    setupLinkFile: join(data, 'setup-link'),
    async start(instance) {
      const server = await startServerProcess(folder, { ...environment, ...instance?.environment }, instance?.program)
      servers.push(server)
      return server
    },
    async close() {
      await Promise.all(servers.map((server) => server.end('SIGKILL')))
      await rm(folder, { recursive: true, force: true })
    },
  }
}
