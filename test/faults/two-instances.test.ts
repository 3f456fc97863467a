import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { freePort } from '../../server/test/free-port.ts'
import { startRedis, type TestRedis } from '../../server/test/redis.ts'
import { takeOutEpochCheck } from './epoch-check.ts'
import { type PostgresGround, postgresGround } from './ground.ts'
import { Load, questionsAtOnce } from './load.ts'
import { type Administrator, finishSetup, logInAdministrator, registerAgent } from './people.ts'
import { type LoggedEvent, readLog } from './read-log.ts'

/** A server's start is most of a test, and other tests start theirs meanwhile. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let redis: TestRedis
let ground: PostgresGround
let other: string
let administrator: Administrator

beforeAll(async () => {
  redis = await startRedis()
  ground = await postgresGround({ REDIS_URL: redis.url })
  await ground.start()
  await finishSetup(ground)
  const port = String(await freePort())
  other = `http://localhost:${port}`
  const program = fileURLToPath(new URL('late-server.ts', import.meta.url))
  await ground.start({ program, environment: { AGENT_IAM_PORT: port } })
  administrator = await logInAdministrator(ground.url)
})

afterAll(async () => {
  await ground.close()
  await redis.stop()
})

interface Suspensions {
  /** Decisions that the agent got at the other server with the token it has from the first. */
  readonly ownDecisions: number
  /** How many suspensions fell upon a server that was just allowing. */
  readonly underLoad: number
  /** Allows that the log holds between a suspension and the reactivation. */
  readonly staleAllows: number
}

/** Suspends an agent at the first server, again and again, while the other one answers questions of it and about it. */
async function suspendUnderLoad(name: string, times: number): Promise<Suspensions> {
  const agent = await registerAgent(administrator, name)
  const own = new Load([{ url: other, token: await agent.logIn(ground.url) }])
  const about = new Load([{ url: other, token: administrator.token, agentId: agent.id }])
  const path = { params: { agentId: agent.id } }
  for (let time = 0; time < times; time++) {
    // Whatever the callers have been told, other questions of theirs are on their way between deciding and recording.
    await about.next('allow')
    await administrator.client.agents.suspend(path)
    await about.more(questionsAtOnce)
    await administrator.client.agents.reactivate(path)
  }
  await Promise.all([own.stop(), about.stop()])
  expect([...own.surprises, ...about.surprises]).toEqual([])
  const { verdict, events } = await readLog(administrator.client)
  expect(verdict.status).toBe('verified')
  return { ownDecisions: own.acknowledged.length, ...judge(events, agent.id) }
}

function judge(events: readonly LoggedEvent[], agentId: string): Pick<Suspensions, 'underLoad' | 'staleAllows'> {
  let isSuspended = false
  let allowsBefore = 0
  let underLoad = 0
  let staleAllows = 0
  for (const { type, resource, decision, chain } of events) {
    const isAllow = decision === 'allow' && chain[0] === agentId
    if (isAllow && isSuspended) staleAllows++
    if (isAllow) allowsBefore++
    if (resource !== `agent-iam/agents/${agentId}`) continue
    if (type === 'agent.reactivated') [isSuspended, allowsBefore] = [false, 0]
    if (type !== 'agent.suspended') continue
    isSuspended = true
    if (allowsBefore > 0) underLoad++
  }
  return { underLoad, staleAllows }
}

async function asOwner(sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: ground.postgres.url })
  await client.connect()
  const { rows } = await client.query<Record<string, unknown>>(sql)
  await client.end()
  return rows
}

test('without the epoch check, a suspension at one server is followed by allows of the other', async () => {
  const putBack = await takeOutEpochCheck(asOwner)
  const found = await suspendUnderLoad('unchecked', 5)
  await putBack()
  console.log('without the epoch check, 5 suspensions:', found)
  expect(found.staleAllows).toBeGreaterThan(0)
})

test('no allow is recorded after the suspension, whichever server decides', async () => {
  const found = await suspendUnderLoad('checked', 25)
  console.log('with the epoch check, 25 suspensions:', found)
  expect(found.ownDecisions).toBeGreaterThan(0)
  expect(found.underLoad).toBe(25)
  expect(found.staleAllows).toBe(0)
})
