import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { openDatabase, openPool, type Database } from '../src/platform/database.ts'
import { embeddedPoolMax, openEmbeddedDatabase } from '../src/platform/embedded-database.ts'
import { migrate, underStartLock } from '../src/platform/migrate.ts'
import { startPostgres, type TestPostgres } from './postgres.ts'

/** A migrated database of the test's own. */
export interface TestDatabase {
  readonly kind: 'PGlite' | 'PostgreSQL'
  /** Tells it from others on the same server. */
  readonly name: string
  /** As the server has it. */
  readonly db: Database
  /** What the server's transactions run on. */
  readonly pool: pg.Pool
  /** Another server process on the same database: a handle with connections of its own. */
  another(): Database
  /** As the superuser, whom no row security binds: for looking on, and for tampering. */
  ask(sql: string, parameters?: readonly unknown[]): Promise<Array<Record<string, unknown>>>
  close(): Promise<void>
}

/** What every store must behave the same on. None is ever skipped. */
export const databases: ReadonlyArray<readonly [name: TestDatabase['kind'], open: () => Promise<TestDatabase>]> = [
  ['PGlite', openPglite],
  ['PostgreSQL', openPostgres],
]

const poolMax = 10

async function openPglite(): Promise<TestDatabase> {
  const embedded = await openEmbeddedDatabase(undefined)
  const open = () => openPool({ host: embedded.socketFolder, max: embeddedPoolMax, onError: ignore })
  const pool = open()
  await underStartLock(pool, () => migrate(pool))
  return makeDatabase('PGlite', { name: 'embedded', pool, admin: pool, open, end: () => embedded.close() })
}

/**
 * A fresh database whose owner is no superuser, as it should be in production: row security binds even the owner. The
 * server is the one of `npm test`, else one of the caller's own.
 */
export async function openPostgres(): Promise<TestDatabase> {
  const server = await findServer()
  const name = `test_${randomBytes(6).toString('hex')}`
  const admin = new pg.Pool({ connectionString: server.url, max: 1 }).on('error', ignore)
  await admin.query(`create role ${name} login createrole password '${name}'`)
  await admin.query(`create database ${name} owner ${name}`)
  const inside = new pg.Pool({ connectionString: new URL(name, server.url).href, max: 2 }).on('error', ignore)
  const connectionString = Object.assign(new URL(name, server.url), { username: name, password: name }).href
  const open = () => openPool({ connectionString, max: poolMax, onError: ignore })
  const pool = open()
  await underStartLock(pool, () => migrate(pool))
  const end = async () => {
    await inside.end()
    await dropOnceFree(admin, name)
    await admin.query(`drop role ${name}`)
    await admin.end()
    await server.stop()
  }
  return makeDatabase('PostgreSQL', { name, pool, admin: inside, open, end })
}

interface Parts {
  readonly name: string
  readonly pool: pg.Pool
  readonly admin: pg.Pool
  readonly open: () => pg.Pool
  readonly end: () => Promise<void>
}

function makeDatabase(kind: TestDatabase['kind'], { name, pool, admin, open, end }: Parts): TestDatabase {
  const handles = [openDatabase(pool)]
  return {
    kind,
    name,
    pool,
    db: handles[0] ?? openDatabase(pool),
    another() {
      const handle = openDatabase(open())
      handles.push(handle)
      return handle
    },
    async ask(sql, parameters = []) {
      // PGlite has one session: outside a transaction, another connection's statement could come between ours.
      const client = await admin.connect()
      try {
        await client.query('begin')
        const { rows } = await client.query<Record<string, unknown>>(sql, [...parameters])
        await client.query('commit')
        return rows
      } catch (error) {
        await client.query('rollback')
        throw error
      } finally {
        client.release()
      }
    },
    async close() {
      for (const handle of handles) await handle.close()
      await end()
    },
  }
}

async function findServer(): Promise<Pick<TestPostgres, 'url' | 'stop'>> {
  const url = process.env['TEST_DATABASE_URL']
  return url === undefined ? startPostgres() : { url, stop: () => Promise.resolve() }
}

const dropAttemptsMax = 100
const dropRetryMs = 20

/** A pool's end does not wait for the server to let its connections go. */
async function dropOnceFree(admin: pg.Pool, name: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await admin.query(`drop database ${name}`)
      return
    } catch (error) {
      if (attempt === dropAttemptsMax) throw error
      await sleep(dropRetryMs)
    }
  }
}

/** A connection that is lost in a test shows by the query that fails. */
function ignore(): void {}
