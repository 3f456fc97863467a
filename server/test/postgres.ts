import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { findPostgres, type PostgresProgram } from './postgres-program.ts'

export interface TestPostgres {
  /** Of the database `postgres`, as its superuser. */
  readonly url: string
  /** Of the postmaster that runs now. */
  readonly pid: number
  /** Ends it in good order and removes everything it left on disk. */
  stop(): Promise<void>
  /** SIGKILL to the postmaster, as a crash would end it; its data stay. */
  kill(): Promise<void>
  /** Starts it again on the same port and data, after `kill` or while it runs. */
  restart(): Promise<void>
}

/** Two servers and their tests at once, each with a pool. */
const connectionsMax = 200
/** A killed postmaster leaves backends behind for a moment, and a new one does not start before they are gone. */
const startAttemptsMax = 60
const startRetryMs = 250

/**
 * A real PostgreSQL 15 of its own for the caller, durable as by default (fsync on).
 *
 * Its text sorts by language (ICU), as in most installations and unlike in PGlite: what relies on the order of bytes
 * shows here.
 */
export async function startPostgres(): Promise<TestPostgres> {
  const program = await findPostgres()
  const folder = await makeFolder(program)
  const password = randomBytes(16).toString('hex')
  await initialise(program, folder, password)

  const port = await freePort()
  let postmaster = await start(program, folder, port)
  const end = async (signal: 'SIGINT' | 'SIGKILL') => {
    if (postmaster.exitCode !== null || postmaster.signalCode !== null) return
    postmaster.kill(signal)
    await once(postmaster, 'exit')
  }

  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    get pid() {
      return postmaster.pid ?? 0
    },
    kill: () => end('SIGKILL'),
    async restart() {
      await end('SIGINT')
      postmaster = await start(program, folder, port)
    },
    async stop() {
      await end('SIGINT')
      await rm(folder, { recursive: true, force: true })
      if (program.copy) await rm(program.copy, { recursive: true, force: true })
    },
  }
}

async function makeFolder({ account }: PostgresProgram): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-iam-postgres-data-'))
  if ('uid' in account) await chown(folder, account.uid, account.gid)
  return folder
}

async function initialise({ initdb, account }: PostgresProgram, folder: string, password: string): Promise<void> {
  const passwordFile = join(folder, 'password')
  const data = join(folder, 'data')
  await writeFile(passwordFile, password)
  if ('uid' in account) await chown(passwordFile, account.uid, account.gid)
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=icu', '--icu-locale=en-US']
  const access = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`]
  execFileSync(initdb, [`--pgdata=${data}`, ...locale, ...access], { ...account, cwd: folder, stdio: 'pipe' })
}

async function start(program: PostgresProgram, folder: string, port: number): Promise<ChildProcess> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await tryToStart(program, folder, port)
    if (typeof outcome !== 'string') return outcome
    if (attempt === startAttemptsMax) throw new Error(`PostgreSQL does not start: ${outcome}`)
    await sleep(startRetryMs)
  }
}

/** The postmaster once it accepts connections, or what it said before it ended. */
async function tryToStart(program: PostgresProgram, folder: string, port: number): Promise<ChildProcess | string> {
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `max_connections=${connectionsMax}`,
  ]
  const flags = settings.flatMap((setting) => ['-c', setting])
  const postmaster = spawn(program.postgres, ['-D', join(folder, 'data'), ...flags], {
    ...program.account,
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  endWithUs(postmaster)
  let said = ''
  return new Promise((resolve, reject) => {
    postmaster.stderr.on('data', (text) => {
      said = `${said}${text}`.slice(-2000)
      if (said.includes('ready to accept connections')) resolve(postmaster)
    })
    postmaster.once('error', reject)
    postmaster.once('exit', () => {
      resolve(said)
    })
  })
}

/** A test that forgets to stop it, or is ended by a signal, must not leave it running. */
function endWithUs(child: ChildProcess): void {
  const end = () => child.kill('SIGINT')
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
}
