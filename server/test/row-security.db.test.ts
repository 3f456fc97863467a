import { sql } from 'kysely'
import { createPolicy } from '@agent-iam/contract/policies'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSetup } from '../src/features/setup/service.ts'
import { sqlState, tenantRole } from '../src/platform/database.ts'
import { databases, type TestDatabase } from './databases.ts'
import { callEveryOperation } from './every-success.ts'
import { watchStatements, type Statement } from './statements.ts'
import { openServer, startServer, uuidOf, type TestServer } from './test-server.ts'
import { TestClock } from './test-clock.ts'

/** Every operation once is hundreds of requests, some of which hash passwords. */
const everyOperationMs = 120_000

/** Functions that run with the owner's rights: each is a door, so each is named here. */
const doors = [
  // In two forms: that of the release before, and ours.
  'audit_append',
  'audit_append',
  'find_account_token_tenant',
  'find_api_key_secret',
  'find_due_signing_keys',
  'find_enrolment_token_tenant',
  'find_identity_tenant',
  'find_refresh_token_tenant',
  'find_root_key_tenant',
  'find_tenant_by_slug',
  'find_tenants_to_sweep',
  'find_tenants_with_expired',
  'find_tenants_with_mail',
  'find_tenants_with_reset_requests',
  'find_tenants_with_spent_statuses',
  'find_tenants_with_unread_uses',
  'list_tenants_after',
  'list_tenants_with_old_skeletons',
  'read_tenants',
]

const tablesWithTenant = `
  select c.oid::regclass::text as name, c.relrowsecurity as secured, c.relforcerowsecurity as forced,
    array(select p.polname::text from pg_policy p where p.polrelid = c.oid order by 1) as policies
  from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
    and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
  order by 1`

describe.each(databases)('row security on %s', (_name, open) => {
  let server: TestServer
  let database: TestDatabase
  let tables: string[]
  let other: string

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
    const token = await server.admin()
    await server.api.call(createPolicy, { ...createPolicy.example, token })
    other = uuidOf((await server.tenant('other')).id)
    tables = (await database.ask(tablesWithTenant)).map(({ name }) => String(name))
  })
  afterAll(() => server.close())

  test('every table of a tenant’s rows forces it, partitions made later as well', async () => {
    await database.ask('select make_audit_partitions(2)')
    const found = await database.ask(tablesWithTenant)
    expect(found.length).toBeGreaterThan(17)
    expect(found.map(({ name }) => name)).toContain('audit_events_default')
    for (const table of found)
      expect(table).toEqual({ name: table['name'], secured: true, forced: true, policies: ['lookup', 'own_tenant'] })
  })

  test('what has no tenant is the list of migrations alone', async () => {
    const all = await database.ask(
      `select relname::text as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')`,
    )
    const rest = all
      .map(({ name }) => String(name))
      .filter((name) => !tables.includes(name) && !name.startsWith('audit_events_2'))
    expect(rest).toEqual(['migrations'])
  })

  test('references and unique keys between tenants’ rows include the tenant', async () => {
    // Digests and ids are unique over all tenants on purpose: a bearer's tenant is found by them.
    const global = [
      'account_tokens.digest',
      'api_key_secrets.digest',
      'audit_heads.log_id',
      'biscuit_root_keys.root_key_id',
      'enrolment_tokens.digest',
      'identities.id',
      'refresh_tokens.digest',
      'setup_links.digest',
      'tenants.slug',
    ]
    const keys = await database.ask(
      `select i.indrelid::regclass::text as table,
         array(select a.attname::text from pg_attribute a where a.attrelid = i.indrelid and a.attnum = any(i.indkey)) as columns
       from pg_index i join pg_class c on c.oid = i.indrelid
       where i.indisunique and c.relnamespace = 'public'::regnamespace and c.relname <> 'migrations'`,
    )
    const without = keys.filter(({ columns }) => Array.isArray(columns) && !columns.includes('tenant_id'))
    expect(without.map(({ table, columns }) => `${String(table)}.${String(columns)}`).toSorted()).toEqual(global)
  })

  test('the role cannot log in, is no superuser, and is a member of nothing', async () => {
    expect(
      await database.ask(
        `select rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,
           (select count(*)::int from pg_auth_members m where m.member = r.oid) as memberships
         from pg_roles r where rolname = $1`,
        [tenantRole],
      ),
    ).toEqual([
      {
        rolcanlogin: false,
        rolsuper: false,
        rolbypassrls: false,
        rolcreaterole: false,
        rolcreatedb: false,
        rolreplication: false,
        memberships: 0,
      },
    ])
  })

  test('just the named functions run with the owner’s rights, with a search path of their own', async () => {
    const found = await database.ask(
      `select proname::text as name, array_to_string(proconfig, ';') as config, has_function_privilege('public', oid, 'execute') as open
       from pg_proc where pronamespace = 'public'::regnamespace and prosecdef order by 1`,
    )
    expect(found.map(({ name }) => name)).toEqual(doors)
    for (const { config, open: isOpen } of found) {
      expect(config).toEqual(expect.stringMatching(/search_path=public, pg_temp/))
      expect(isOpen).toBe(false)
    }
  })

  test.each([
    ['no tenant', ''],
    ['an empty tenant', `set local app.tenant = ''`],
    ['no tenant, claiming to look one up', `set local app.lookup = 'on'`],
  ])('with %s, not one row is seen', async (_what, setting) => {
    for (const table of tables) expect([table, await visible(setting, `select 1 from ${table}`)]).toEqual([table, 0])
  })

  test('with one tenant, no row of another is seen, though there are some', async () => {
    const mine = uuidOf(server.app.defaultTenantId)
    for (const setting of ['', `; set local app.lookup = 'on'`]) {
      for (const table of tables) {
        const seen = await visible(
          `set local app.tenant = '${other}'${setting}`,
          `select 1 from ${table} where tenant_id <> '${other}'`,
        )
        expect([table, seen]).toEqual([table, 0])
      }
    }
    const own = await Promise.all(
      tables.map((table) => visible(`set local app.tenant = '${mine}'`, `select 1 from ${table}`)),
    )
    expect(own.filter((rows) => rows > 0).length).toBeGreaterThan(8)
  })

  test('with one tenant, no row of another is changed, and none is slipped in', async () => {
    const mine = uuidOf(server.app.defaultTenantId)
    const setting = `set local app.tenant = '${other}'`
    expect(await asTenant(setting, `update identities set name = 'x' where tenant_id = '${mine}' returning 1`)).toBe(0)
    expect(await asTenant(setting, `delete from policies where tenant_id = '${mine}' returning 1`)).toBe(0)
    const policy = `insert into policies select '${mine}', gen_random_uuid(), 'x', '', 'permit', 'x', 'x', now()`
    await expect(asTenant(setting, policy)).rejects.toMatchObject({
      code: '42501',
      message: expect.stringMatching(/row-level security/),
    })
    const move = `update identities set tenant_id = '${mine}' where kind = 'user'`
    await expect(asTenant(setting, move)).rejects.toMatchObject({ code: '42501' })
  })

  test.each([
    'insert into audit_events select * from audit_events limit 1',
    `update audit_events set actor = 'x'`,
    'delete from audit_events',
    'truncate audit_events',
    'update audit_heads set size = 0',
    'delete from audit_heads',
    'delete from tenants',
    'drop table policies',
    'alter table policies disable row level security',
    'create table mine (n int)',
    'select * from migrations',
    'select make_audit_partitions(1)',
  ])('a tenant’s statement may not: %s', async (statement) => {
    const setting = `set local app.tenant = '${uuidOf(server.app.defaultTenantId)}'`
    await expect(asTenant(setting, statement)).rejects.toMatchObject({ code: '42501' })
  })

  test('no statement of the server runs outside the role and a tenant', { timeout: everyOperationMs }, async () => {
    const fresh = await open()
    const seen = watchStatements()
    const started = await startServer(fresh, { masterKey: Buffer.alloc(32, 9), clock: new TestClock() })
    const setupToken = (await openSetup(started.app.system, { onlyOne: false })) ?? ''
    await callEveryOperation({ server: started, setupToken })
    await started.app.flush()
    await expect(started.admin('nowhere')).rejects.toThrow('unknown or its proof')
    const statements = seen.stop()
    expect(statements.length).toBeGreaterThan(300)
    expect(strays(statements)).toEqual([])
    await started.close()
  })

  test('a stray statement would be found', async () => {
    const seen = watchStatements()
    await database.pool.query('select count(*) from tenants')
    await database.db.transaction(server.app.defaultTenantId, (connection) => sql`reset role`.execute(connection))
    const client = await database.pool.connect()
    await client.query('begin; set local role somebody_else').catch(() => client.query('rollback'))
    client.release()
    expect(strays(seen.stop())).toEqual([
      'select count(*) from tenants',
      'reset role',
      'begin; set local role somebody_else',
    ])
  })

  /** The same, where a table that may not be read at all shows no rows. */
  async function visible(setting: string, statement: string): Promise<number> {
    return asTenant(setting, statement).catch((error: unknown) => {
      if (sqlState(error) === '42501') return 0
      throw error
    })
  }

  /** How many rows a statement gives to the role that the server's statements run as, under these settings. */
  async function asTenant(setting: string, statement: string): Promise<number> {
    const client = await database.pool.connect()
    try {
      await client.query(`begin; set local role ${tenantRole}; ${setting}`)
      return (await client.query(statement)).rows.length
    } finally {
      await client.query('rollback')
      client.release()
    }
  }
})

const beginning = new RegExp(
  `^begin; set local role ${tenantRole}; set local app\\.tenant = '[0-9a-f-]{36}'(?:; set local [a-z_]+ = \\d+)*` +
    // What is created ends with this session: it gives no other tenant.
    `(?:; set local app\\.source_session = '[0-9a-f-]{36}')?$`,
)
const ending = /^(commit|rollback)$/
/** What reads no row: whether the database answers, and what it promises. */
const harmless = [/^select 1$/, /^select current_setting\('fsync'\)[^;]*$/]
/** What would leave the role or the tenant from within. */
const escape = /\b(set|reset)\s+(local\s+|session\s+)?(role|app\.|session\s+authorization)|set_config/i

/** The statements outside a transaction of the role and a tenant, and those that would leave it. */
function strays(statements: readonly Statement[]): string[] {
  const confined = new Set<unknown>()
  const found: string[] = []
  for (const { client, text } of statements) {
    const isInside = confined.has(client)
    if (!isInside && beginning.test(text)) confined.add(client)
    else if (isInside && ending.test(text)) confined.delete(client)
    else if (isInside ? escape.test(text) : !ending.test(text) && !harmless.some((each) => each.test(text)))
      found.push(text)
  }
  return found
}
