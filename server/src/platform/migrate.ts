import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import pg from 'pg'
import { tenantRole } from './database.ts'

const folder = new URL('../../migrations/', import.meta.url)

/** Any number, the same in every instance: who holds it prepares the database. */
const startLock = 7_341_001

/** The role that confines every statement may not be made with this login: the message says what to run. */
export class RoleMissingError extends Error {
  override name = 'RoleMissingError'
}

/** Runs `work` while other starting instances wait: what the first start makes is made once. */
export async function underStartLock<Result>(pool: pg.Pool, work: () => Promise<Result>): Promise<Result> {
  const client = await pool.connect()
  try {
    await client.query('select pg_advisory_lock($1)', [startLock])
    return await work()
  } finally {
    // Errors here mean that the connection is gone, and the lock with it.
    await client.query('select pg_advisory_unlock($1)', [startLock]).catch(() => undefined)
    client.release()
  }
}

/** The log's partitions are made so many months ahead: a server restarts more often than that. */
const partitionMonths = 12

/** Makes the log's partitions of the coming months; the embedded database does with the default one. */
export async function makePartitions(pool: pg.Pool): Promise<void> {
  await pool.query('select make_audit_partitions($1)', [partitionMonths])
}

/**
 * Applies the numbered SQL files that the database does not have yet, each whole and in its own transaction. Call it
 * under the start lock. Returns the names of those applied.
 */
export async function migrate(pool: pg.Pool): Promise<string[]> {
  const client = await pool.connect()
  try {
    await ensureTenantRole(client)
    return await applyAll(client)
  } finally {
    client.release()
  }
}

async function applyAll(client: pg.PoolClient): Promise<string[]> {
  await client.query(
    'create table if not exists migrations (name text primary key, sha256 text not null, applied_at timestamptz not null default now())',
  )
  const { rows } = await client.query<{ name: string; sha256: string }>('select name, sha256 from migrations')
  const known = new Map(rows.map((row) => [row.name, row.sha256]))
  const applied: string[] = []
  for (const name of (await readdir(folder)).filter((file) => file.endsWith('.sql')).toSorted()) {
    if (await apply(client, name, known.get(name))) applied.push(name)
  }
  return applied
}

async function apply(client: pg.PoolClient, name: string, known: string | undefined): Promise<boolean> {
  const text = await readFile(new URL(name, folder), 'utf8')
  const digest = createHash('sha256').update(text).digest('hex')
  if (known === digest) return false
  if (known !== undefined)
    throw new Error(`migration ${name} was changed after it was applied; migrations only go forward`)
  await client.query('begin')
  try {
    await client.query(text)
    await client.query('insert into migrations (name, sha256) values ($1, $2)', [name, digest])
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw new Error(`migration ${name} failed`, { cause: error })
  }
  return true
}

/** Roles belong to the whole server, so two databases may make this one at once: both SQLSTATEs mean it is there. */
const roleIsThere = new Set(['42710', '23505'])

async function ensureTenantRole(client: pg.PoolClient): Promise<void> {
  try {
    if (!(await roleExists(client))) await makeRole(client)
    await client.query(`grant ${tenantRole} to current_user`)
  } catch (error) {
    if (await mayUseRole(client)) return
    throw new RoleMissingError(
      `This login may not make the role ${tenantRole}. Run as an administrator of the database server:\n` +
        `  create role ${tenantRole} nologin;\n  grant ${tenantRole} to <the user of DATABASE_URL>;`,
      { cause: error },
    )
  }
}

async function makeRole(client: pg.PoolClient): Promise<void> {
  await client.query(`create role ${tenantRole} nologin`).catch((error: unknown) => {
    if (error instanceof pg.DatabaseError && error.code !== undefined && roleIsThere.has(error.code)) return
    throw error
  })
}

async function roleExists(client: pg.PoolClient): Promise<boolean> {
  return (await client.query('select 1 from pg_roles where rolname = $1', [tenantRole])).rows.length > 0
}

async function mayUseRole(client: pg.PoolClient): Promise<boolean> {
  if (!(await roleExists(client))) return false
  const { rows } = await client.query<{ may: boolean }>(`select pg_has_role(current_user, $1, 'member') as may`, [
    tenantRole,
  ])
  return rows[0]?.may === true
}
