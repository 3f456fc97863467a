import { execFile } from 'node:child_process'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type PostgresGround, postgresGround } from './ground.ts'
import { Load } from './load.ts'
import { type Administrator, finishSetup, logInAdministrator, registerAgent } from './people.ts'

/** A server's start is most of a test, and other tests start theirs meanwhile. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const command = fileURLToPath(new URL('../../cli/bin/agent-iam.js', import.meta.url))
/** More entries than any of the numbers below. */
const decisions = 60

let ground: PostgresGround
let administrator: Administrator
let database: pg.Client
let keptHead: { file: string; text: string }

beforeAll(async () => {
  ground = await postgresGround()
  await ground.start()
  await finishSetup(ground)
  administrator = await logInAdministrator(ground.url)
  await makeDecisions()
  database = new pg.Client({ connectionString: ground.postgres.url })
  await database.connect()
  await waitForBackupKeys()
  await database.query('create table events_as_they_were as table audit_events')
  await database.query('create table heads_as_they_were as table audit_heads')
  await verify()
  const [name = ''] = await readdir(join(ground.folder, 'heads'))
  const file = join(ground.folder, 'heads', name)
  keptHead = { file, text: await readFile(file, 'utf8') }
})

beforeEach(async () => {
  await database.query('begin; delete from audit_events; delete from audit_heads')
  await database.query('insert into audit_events table events_as_they_were')
  await database.query('insert into audit_heads table heads_as_they_were; commit')
  await writeFile(keptHead.file, keptHead.text, { mode: 0o600 })
})

afterAll(async () => {
  await database.end()
  await ground.close()
})

/** A started server makes two backup keys for each tenant in the background; what is stored before that is not the whole log. */
async function waitForBackupKeys(): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rows } = await database.query(
        `select (select count(*) from tenants)::int as tenants, count(*)::int as keys from audit_events
         where type = 'signing-key.created' and convert_from(leaf, 'UTF8')::json->'data'->>'state' = 'backup'`,
      )
      expect(rows[0].keys).toBe(2 * rows[0].tenants)
    },
    { timeout: 60_000, interval: 100 },
  )
}

async function makeDecisions(): Promise<void> {
  const agent = await registerAgent(administrator, 'asker')
  const load = new Load([{ url: ground.url, token: await agent.logIn(ground.url) }])
  await load.more(decisions)
  await load.stop()
}

/** `agent-iam audit verify`, the program that users run. */
async function verify(): Promise<{ code: number; said: string }> {
  const { PATH = '' } = process.env
  const { AGENT_IAM_CREDENTIALS = '' } = ground.environment
  const env = { PATH, AGENT_IAM_CREDENTIALS, AGENT_IAM_URL: ground.url, AGENT_IAM_TOKEN: administrator.token }
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [command, 'audit', 'verify'], { env }, (_error, out, err) => {
      resolve({ code: child.exitCode ?? -1, said: out + err })
    })
  })
}

/** The rows of the tenant's log; the platform has one of its own. */
const ours = "tenant_id = (select tenant_id from tenants where slug = 'default')"

/** Makes everything after the leaves anew, the columns included, as whoever owns the database can. */
const hashAnew = `
  do $$
  declare
    event record;
    last bytea := decode(repeat('00', 32), 'hex');
  begin
    for event in select * from audit_events where ${ours} order by sequence loop
      last := sha256(last || sha256('\\x00'::bytea || event.leaf));
      update audit_events set leaf_hash = sha256('\\x00'::bytea || leaf), chain = last,
          actor = (audit_columns(leaf)).actor, at = (audit_columns(leaf)).at
        where tenant_id = event.tenant_id and sequence = event.sequence;
    end loop;
    update audit_heads set chain = last where ${ours};
  end $$`

const cutTail = `
  delete from audit_events e using audit_heads h
    where e.tenant_id = h.tenant_id and h.${ours} and e.sequence >= h.size - 3;
  update audit_heads h set size = size - 3, chain = (select chain from audit_events e
    where e.tenant_id = h.tenant_id order by sequence desc limit 1) where ${ours}`

const flipOneByte = `update audit_events set leaf = set_byte(leaf, 40, get_byte(leaf, 40) # 1) where ${ours} and sequence = 20`

test('a log that nobody touched is verified', async () => {
  expect(await verify()).toEqual({ code: 0, said: expect.stringMatching(/continues the head[^]*chain verified\n$/) })
})

test.each([
  ['one flipped byte', flipOneByte, 'first bad entry: 20 (bytes changed)'],
  [
    'one flipped byte and the hash made to fit',
    `${flipOneByte}; update audit_events set leaf_hash = sha256('\\x00'::bytea || leaf) where ${ours} and sequence = 20`,
    'first bad entry: 20 (chain broken)',
  ],
  [
    'one dropped row',
    `delete from audit_events where ${ours} and sequence = 31`,
    'first bad entry: 31 (entry missing)',
  ],
  [
    'the last row dropped, and the head left',
    `delete from audit_events e using audit_heads h
    where e.tenant_id = h.tenant_id and h.${ours} and e.sequence = h.size - 1`,
    '(entry missing)',
  ],
  [
    'a column that searches use',
    `update audit_events set type = 'agent.updated' where ${ours} and sequence = 20`,
    'first bad entry: 20 (column differs): its column type',
  ],
  [
    'an entry hidden behind the end of the log',
    `insert into audit_events (tenant_id, sequence, at, leaf, leaf_hash, chain, event_id, type, actor)
      select tenant_id, 1000000, at, leaf, leaf_hash, chain, event_id, type, actor
        from audit_events where ${ours} and sequence = 20`,
    'first bad entry: 1000000 (column differs): its column sequence',
  ],
])('%s is found', async (_what, tamper, finding) => {
  await database.query(tamper)
  const { code, said } = await verify()
  expect(said).toContain(finding)
  expect(code).toBe(1)
})

test.each([
  ['a tail cut off, and the head made to fit', cutTail, 'log shorter than last time'],
  ['a log made anew as a whole', `${flipOneByte}; ${hashAnew}`, 'head differs'],
])('%s, is found by the head kept from last time, and by nothing else', async (_what, tamper, finding) => {
  await database.query(tamper)
  const { code, said } = await verify()
  expect(said).toContain(finding)
  expect(code).toBe(1)

  await rm(keptHead.file)
  expect(await verify()).toEqual({ code: 0, said: expect.stringContaining('a log rewritten as a whole before') })
})
