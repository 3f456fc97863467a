import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@agent-iam/sdk'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type OwnRedis, startOwnRedis } from '../../server/test/redis.ts'
import { type PostgresGround, postgresGround } from './ground.ts'
import { Load } from './load.ts'
import { findLost } from './lost.ts'
import {
  type Administrator,
  allowedPrefix,
  finishSetup,
  logInAdministrator,
  registerAgent,
  type TestAgent,
} from './people.ts'
import { readLog } from './read-log.ts'
import { type StallingProxy, startStallingProxy } from './stalling-proxy.ts'

/** A server's start is most of a test, and other tests start theirs meanwhile. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

/** Longer than the server waits for a connection, and for an answer on one. */
const silenceMs = 11_000

let redis: OwnRedis
let ground: PostgresGround
let proxy: StallingProxy
let administrator: Administrator
let agent: TestAgent
let load: Load

beforeAll(async () => {
  redis = await startOwnRedis()
  ground = await postgresGround({ REDIS_URL: redis.url })
  const database = new URL(ground.postgres.url)
  proxy = await startStallingProxy(Number(database.port))
  database.port = String(proxy.port)
  await ground.start({ environment: { DATABASE_URL: database.href } })
  await finishSetup(ground)
  administrator = await logInAdministrator(ground.url)
  agent = await registerAgent(administrator, 'asker')
})

afterAll(async () => {
  await ground.close()
  await proxy.close()
  await redis.stop()
})

beforeEach(async () => {
  load = new Load([{ url: ground.url, token: await agent.logIn(ground.url) }], administrator.client)
  await load.more(20)
})

afterEach(() => load.stop())

const nothing = { codes: [], unanswered: [], surprises: [], mistaken: [], lost: [], log: 'verified' }

/** What the callers met, and what of their answers was wrong or is not on record. */
async function findings() {
  await load.stop()
  const { verdict, events } = await readLog(administrator.client)
  return {
    codes: [...load.refusals.keys()],
    unanswered: load.unanswered,
    surprises: load.surprises,
    mistaken: load.acknowledged.filter(
      ({ resource, decision }) => (decision === 'allow') !== resource.startsWith(allowedPrefix),
    ),
    lost: findLost(load.acknowledged, events),
    log: verdict.status,
  }
}

function readiness() {
  return connect({ server: ground.url }).system.ready()
}

test('PostgreSQL crashes and comes back: 503 meanwhile, then as before', async () => {
  await ground.postgres.kill()
  await sleep(1000)
  await expect(readiness()).rejects.toMatchObject({ code: 'unavailable' })
  await ground.postgres.restart()
  await load.more(50)
  expect(await findings()).toEqual({ ...nothing, codes: ['unavailable'] })
})

test('PostgreSQL is restarted in good order: 503 meanwhile, then as before', async () => {
  await ground.postgres.restart()
  await load.more(50)
  expect(await findings()).toEqual({ ...nothing, codes: ['unavailable'] })
})

test('PostgreSQL goes silent: 503 meanwhile, then as before', async () => {
  proxy.stall()
  await sleep(silenceMs)
  proxy.flow()
  await load.more(50)
  expect(await findings()).toEqual({ ...nothing, codes: ['unavailable'] })
})

/** Asks for what is not there: refusals are counted in Redis, and the first of a kind in a minute are on record each. */
async function beRefused(): Promise<void> {
  const agentId = `agt_${'0'.repeat(32)}` as const
  await expect(administrator.client.agents.get({ params: { agentId } })).rejects.toMatchObject({ code: 'not-found' })
}

test('Redis stalls, dies and comes back: nobody who asks notices', async () => {
  redis.pause()
  await load.more(20)
  await beRefused()
  expect((await readiness()).status).toBe('degraded')
  redis.resume()
  await redis.kill()
  await load.more(20)
  await beRefused()
  await redis.restart()
  await expect.poll(async () => (await readiness()).status, { timeout: 10_000 }).toBe('ok')
  expect(await findings()).toEqual(nothing)
  const { events } = await readLog(administrator.client)
  expect(events.filter(({ reasons }) => reasons.includes('not-found'))).toHaveLength(2)
})
