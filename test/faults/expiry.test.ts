import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { freePort } from '../../server/test/free-port.ts'
import { type PostgresGround, postgresGround } from './ground.ts'
import { finishSetup, logInAdministrator, registerAgent } from './people.ts'
import type { ServerProcess } from './server-process.ts'

/** A server's start is most of a test, and other tests start theirs meanwhile. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

/** The promise. */
const lateSecondsMax = 5

let ground: PostgresGround
let database: pg.Client
let instances: Instance[]
let pattern: string

interface Instance {
  readonly url: string
  readonly port: string
  process: ServerProcess
}

beforeAll(async () => {
  ground = await postgresGround()
  database = new pg.Client({ connectionString: ground.postgres.url })
  await database.connect()
  const first = await ground.start()
  await finishSetup(ground)
  const port = String(await freePort())
  instances = [
    { url: ground.url, port: new URL(ground.url).port, process: first },
    { url: `http://localhost:${port}`, port, process: await startAt(port) },
  ]
  pattern = (await registerAgent(await logInAdministrator(ground.url), 'pattern')).id
})

afterAll(async () => {
  await database.end()
  await ground.close()
})

test('agents that expire around the death of the instance that ends them are ended in time, once each', async () => {
  await insertAgents('killed', { howMany: 300, overSeconds: 12 })
  await until(async () => (await endedOf('killed')).length > 50)
  const holder = await requireHolder()
  await holder.process.end('SIGKILL')
  await until(async () => (await endedOf('killed')).length === 300)
  holder.process = await startAt(holder.port)
  const worst = Math.max(...(await endedOf('killed')))
  console.log(`kill −9 of the holder: 300 agents, the last ${worst.toFixed(2)} s late`)
  expect(worst).toBeGreaterThan(1)
  expect(worst).toBeLessThan(lateSecondsMax)
  expect(await eventsOf('killed')).toEqual({ events: 300, agents: 300 })
})

test('an instance that hangs and wakes late ends nothing a second time, and holds up nothing', async () => {
  await insertAgents('hung', { howMany: 300, overSeconds: 12 })
  await until(async () => (await endedOf('hung')).length > 50)
  const holder = await requireHolder()
  process.kill(holder.process.pid, 'SIGSTOP')
  await until(async () => (await endedOf('hung')).length > 250)
  process.kill(holder.process.pid, 'SIGCONT')
  await until(async () => (await endedOf('hung')).length === 300)
  const worst = Math.max(...(await endedOf('hung')))
  console.log(`the holder stopped, and went on later: 300 agents, the last ${worst.toFixed(2)} s late`)
  expect(worst).toBeLessThan(lateSecondsMax)
  expect(await eventsOf('hung')).toEqual({ events: 300, agents: 300 })
})

test('what an instance began to settle, another finishes after kill −9, each agent told of once', async () => {
  await insertAgents('root', { howMany: 1, overSeconds: undefined })
  await insertAgents('below', { howMany: 5_000, overSeconds: undefined, parent: 'root 1' })
  await revoke('root 1')
  await until(async () => (await revokedBelow()) > 0)
  const holder = await requireHolder()
  await holder.process.end('SIGKILL')
  const atDeath = await revokedBelow()
  const died = performance.now()
  await until(async () => (await revokedBelow()) === 5_000)
  const seconds = (performance.now() - died) / 1000
  holder.process = await startAt(holder.port)
  console.log(`${atDeath} of 5000 settled at the death of the holder, the others ${seconds.toFixed(2)} s later`)
  expect(atDeath).toBeLessThan(5_000)
  await until(async () => (await ask('select count(*)::int as count from settling'))[0]?.['count'] === 0)
  expect(await eventsOf('below')).toEqual({ events: 5_000, agents: 5_000 })
})

function startAt(port: string): Promise<ServerProcess> {
  return ground.start({ environment: { AGENT_IAM_PORT: port } })
}

/** Which instance does the work now, while there is some. */
async function requireHolder(): Promise<Instance> {
  let holder: Instance | undefined
  await until(async () => {
    const told = await Promise.all(instances.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()))
    const holders = instances.filter((_, index) => /^agent_iam_expiry_lease_held 1$/m.test(told[index] ?? ''))
    holder = holders.length === 1 ? holders[0] : undefined
    return holder !== undefined
  })
  if (!holder) throw new Error('no instance does the work')
  return holder
}

interface Agents {
  readonly howMany: number
  /** When they expire: evenly over so many seconds from now on; never, when absent. */
  readonly overSeconds: number | undefined
  readonly parent?: string
}

async function insertAgents(name: string, { howMany, overSeconds, parent }: Agents): Promise<void> {
  await ask(
    `insert into identities (tenant_id, id, kind, name, name_skeleton, type, status, owner_kind, owner_id, parent_id,
       parent_kind, created_by, trust_score, trust_basis, labels, metadata, created_at, updated_at, expires_at)
     select a.tenant_id, gen_random_uuid(), 'agent', $1 || ' ' || n, $1 || ' ' || n, a.type, 'active', a.owner_kind,
       a.owner_id, p.id, p.kind, a.created_by, a.trust_score, a.trust_basis, a.labels, a.metadata, now(), now(),
       now() + make_interval(secs => $3::double precision * n / $2)
     from identities a left join identities p on p.name = $4, generate_series(1, $2::int) n where a.id = $5`,
    [name, howMany, overSeconds ?? null, parent ?? null, uuidOf(pattern)],
  )
}

/** As whoever revokes an identity does it. */
async function revoke(name: string): Promise<void> {
  await ask(
    `with revoked as (update identities set status = 'revoked' where name = $1 returning tenant_id, id)
     insert into settling (tenant_id, identity_id, because_id, queued_at) select tenant_id, id, id, now() from revoked`,
    [name],
  )
}

/** How late each agent of a name was ended, in seconds. */
async function endedOf(name: string): Promise<number[]> {
  const rows = await ask(
    `select extract(epoch from e.at - i.expires_at)::float8 as late
     from identities i join audit_events e on e.type = 'agent.expired'
       and e.resource = 'agent-iam/agents/agt_' || replace(i.id::text, '-', '')
     where i.name like $1 || ' %'`,
    [name],
  )
  return rows.map(({ late }) => Number(late))
}

/** How many events tell of the end of agents of a name, and of how many agents. */
async function eventsOf(name: string): Promise<unknown> {
  const rows = await ask(
    `select count(*)::int as events, count(distinct i.id)::int as agents
     from identities i join audit_events e on e.type in ('agent.expired', 'agent.revoked')
       and e.resource = 'agent-iam/agents/agt_' || replace(i.id::text, '-', '')
     where i.name like $1 || ' %'`,
    [name],
  )
  return rows[0]
}

async function revokedBelow(): Promise<number> {
  const rows = await ask(
    `select count(*)::int as count from identities where name like 'below %' and status = 'revoked'`,
  )
  return Number(rows[0]?.['count'])
}

async function ask(sql: string, parameters: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
  return (await database.query<Record<string, unknown>>(sql, [...parameters])).rows
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  await vi.waitUntil(condition, { timeout: 60_000, interval: 50 })
}

function uuidOf(id: string): string {
  const hex = id.slice(id.indexOf('_') + 1)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
