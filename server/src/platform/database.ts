import { toUuid } from './ids.ts'
import type { SessionId, TenantId } from '@agent-iam/contract/ids'
import { Kysely, PostgresDialect, sql, type PostgresPool } from 'kysely'
import pg from 'pg'

/** The tables, each declared by the store that owns it (`declare module`). */
// oxlint-disable-next-line typescript/no-empty-interface, typescript/no-empty-object-type -- filled by declaration merging
export interface Tables {}

/** A handle inside a transaction: the only one that a store ever gets. */
export type Connection = Kysely<Tables>

/** The unprivileged role that every statement runs as; row security binds it, also where we connect as superuser. */
export const tenantRole = 'agent_iam_tenant'

/**
 * Runs work in transactions. Each sets the unprivileged role and the tenant first, so that row security confines
 * whatever follows; there is no way to a connection without them.
 */
export interface Database {
  /** @param source the session with which whatever is created in the transaction ends, see `sourceSessionOf` */
  transaction<Result>(
    tenantId: TenantId,
    work: (connection: Connection) => Promise<Result>,
    source?: SessionId,
  ): Promise<Result>
  /** True when the database answers. */
  isReachable(): Promise<boolean>
  /** What the server promises about durability, for start and health. */
  durability(): Promise<Durability>
  close(): Promise<void>
}

export interface Durability {
  readonly fsync: string
  readonly synchronousCommit: string
  readonly standbys: string
  readonly version: string
}

/** A statement that waits longer for a lock gives up: someone holds it who should not. */
const lockTimeoutMs = 5_000
/** A transaction left open longer is ended, so that it cannot hold the tenant's log head. */
const idleTransactionTimeoutMs = 15_000
/** A request that waits longer for a connection is told `unavailable`. */
const connectTimeoutMs = 5_000
/**
 * A connection held longer is given up, and whoever waits for its answer is told `unavailable`: a database that went
 * silent, or the way to it, would otherwise keep its callers for as long as TCP hopes. No transaction takes so long.
 */
const holdTimeoutMs = 10_000
/** The database ends a statement that runs longer: we gave up its connection before, which it may not notice. */
const statementTimeoutMs = 12_000

// bigint columns hold counts and sequences far below 2^53; as numbers they compare and print as such.
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => Number(text))

interface PoolOptions {
  readonly connectionString?: string
  readonly host?: string
  readonly max: number
  readonly onError: (error: Error) => void
}

/** Opens a pool on a PostgreSQL server, or on the socket of the embedded one. */
export function openPool({ onError, ...options }: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    ...options,
    ...(options.host !== undefined && { user: 'postgres', database: 'postgres' }),
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: 'agent-iam',
  })
  // NOTE: the pool hangs the whole client on the error, its secrets included; only the words may reach a log.
  pool.on('error', ({ message }) => onError(new Error(message)))
  // The pool listens to its idle connections only. One that is lost in use says so to the statement that it runs or
  // runs next; without a listener it would end the process as well.
  pool.on('connect', (client) => void client.on('error', () => undefined))
  return pool
}

export function openDatabase(pool: pg.Pool): Database {
  const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: impatient(pool) }) })
  return {
    transaction: (tenantId, work, source) =>
      kysely.connection().execute((connection) => confined(connection, begin(tenantId, source), work)),
    isReachable: () => isReachable(kysely),
    durability: () => readDurability(kysely),
    close: () => kysely.destroy(),
  }
}

function impatient(pool: pg.Pool): PostgresPool {
  const timers = new WeakMap<pg.PoolClient, NodeJS.Timeout>()
  pool.on('release', (_error, client) => clearTimeout(timers.get(client)))
  return {
    options: pool.options,
    end: () => pool.end(),
    async connect() {
      const client = await pool.connect()
      // With a statement under way this ends the connection at once; the pool drops it when it is released.
      timers.set(
        client,
        setTimeout(() => void client.end(), holdTimeoutMs),
      )
      return client
    },
  }
}

async function confined<Result>(
  connection: Connection,
  beginning: ReturnType<typeof begin>,
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  try {
    // Part of it may fail, when the role is missing say, with the transaction open already.
    await beginning.execute(connection)
    const result = await work(connection)
    await sql`commit`.execute(connection)
    return result
  } catch (error) {
    await rollback(connection)
    throw error
  }
}

/** One message, so one round trip. NOTE: ids are interpolated; `toUuid` of a checked id is hex and dashes only. */
function begin(tenantId: TenantId, source?: SessionId) {
  // The columns `source_session` have this setting as their default.
  const origin = source === undefined ? '' : `; set local app.source_session = '${literal(source)}'`
  return sql.raw(
    `begin; set local role ${tenantRole}; set local app.tenant = '${literal(tenantId)}'; ` +
      `set local statement_timeout = ${statementTimeoutMs}; set local lock_timeout = ${lockTimeoutMs}; ` +
      `set local idle_in_transaction_session_timeout = ${idleTransactionTimeoutMs}${origin}`,
  )
}

function literal(id: TenantId | SessionId): string {
  const uuid = toUuid(id)
  if (!/^[0-9a-f-]{36}$/.test(uuid)) throw new Error(`not an id: ${id}`)
  return uuid
}

/** A broken connection cannot roll back; the server does it, and the error that broke it is the one to report. */
async function rollback(connection: Connection): Promise<void> {
  await sql`rollback`.execute(connection).catch(() => undefined)
}

async function isReachable(kysely: Kysely<Tables>): Promise<boolean> {
  return sql`select 1`.execute(kysely).then(
    () => true,
    () => false,
  )
}

async function readDurability(kysely: Kysely<Tables>): Promise<Durability> {
  const { rows } = await sql<Durability>`
    select current_setting('fsync') as "fsync", current_setting('synchronous_commit') as "synchronousCommit",
      current_setting('synchronous_standby_names') as "standbys", current_setting('server_version') as "version"`.execute(
    kysely,
  )
  const [row] = rows
  if (!row) throw new Error('the database does not tell its settings')
  return row
}

/** The SQLSTATE of a database error, if it is one. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}
