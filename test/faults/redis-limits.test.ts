import { importUsers } from '@agent-iam/contract/users'
import { connect } from '@agent-iam/sdk'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { freePort } from '../../server/test/free-port.ts'
import { type OwnRedis, startOwnRedis } from '../../server/test/redis.ts'
import { type PostgresGround, postgresGround } from './ground.ts'
import { type Administrator, finishSetup, logInAdministrator, registerAgent } from './people.ts'

/** A server's start is most of a test, and other tests start theirs meanwhile. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let redis: OwnRedis
let ground: PostgresGround
let servers: readonly [string, string]
let administrator: Administrator

beforeAll(async () => {
  redis = await startOwnRedis()
  ground = await postgresGround({ REDIS_URL: redis.url })
  await ground.start()
  await finishSetup(ground)
  const port = String(await freePort())
  servers = [ground.url, `http://localhost:${port}`]
  await ground.start({ environment: { AGENT_IAM_PORT: port } })
  administrator = await logInAdministrator(ground.url)
})

afterAll(async () => {
  await ground.close()
  await redis.stop()
})

async function metricOf(server: string, name: string): Promise<number> {
  const exposition = await (await fetch(`${server}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(exposition)?.[1])
}

/** Waits until both servers measure it so. */
async function everySees(name: string, value: number): Promise<void> {
  const seen = () => Promise.all(servers.map((server) => metricOf(server, name)))
  await expect.poll(seen, { timeout: 30_000, interval: 200 }).toEqual([value, value])
}

const health = () =>
  Promise.all(servers.map(async (server) => (await connect({ server }).system.ready()).checks['sharedState']?.status))

const limit = 60

/** An agent that may send so many requests a minute; its token. */
async function aLimitedAgent(name: string): Promise<string> {
  const agent = await registerAgent(administrator, name)
  await administrator.client.limits.create({ body: { dimension: 'identity', subject: agent.id, perMinute: limit } })
  return agent.logIn(ground.url)
}

/** How many of so many requests at once to each server got through there; whatever did not was one too many. */
async function passed(token: string, each: number): Promise<number[]> {
  return Promise.all(
    servers.map(async (server) => {
      const answers = await Promise.all(
        Array.from({ length: each }, () =>
          fetch(`${server}/api/v1/rate-limits/usage`, { headers: { authorization: `Bearer ${token}` } }),
        ),
      )
      const statuses = answers.map(({ status }) => status)
      expect(statuses.filter((status) => status !== 200 && status !== 429)).toEqual([])
      return statuses.filter((status) => status === 200).length
    }),
  )
}

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0)

test('Redis is killed and comes back: throughput degrades to a share each and recovers; quotas and lockouts stay exact', async () => {
  await everySees('agent_iam_instances', 2)
  const [before, meanwhile, after] = [await aLimitedAgent('a'), await aLimitedAgent('b'), await aLimitedAgent('c')]
  const quota = await aQuota()
  const lockout = await aLockout()
  expect(sum(await passed(before, 100))).toBe(limit)
  const allowedBefore = await quota.ask(8)
  await lockout.fail(2)

  await redis.kill()
  expect(await passed(meanwhile, 100)).toEqual([limit / 2, limit / 2])
  expect(await health()).toEqual(['degraded', 'degraded'])
  await everySees('agent_iam_shared_state_up', 0)
  const allowedMeanwhile = await quota.ask(8)
  await lockout.fail(2)

  await redis.restart()
  await expect.poll(health, { timeout: 20_000 }).toEqual(['ok', 'ok'])
  await everySees('agent_iam_shared_state_up', 1)
  expect(sum(await passed(after, 100))).toBe(limit)
  expect(allowedBefore + allowedMeanwhile + (await quota.ask(8))).toBe(quota.perDay)
  await lockout.fail(1)
  await expect(lockout.guess()).rejects.toMatchObject({ code: 'too-many-attempts' })
})

/** An agent whose only grant is good for so many decisions a day. */
async function aQuota() {
  const perDay = 20
  const agent = await registerAgent(administrator, 'spender', [])
  await administrator.client.agents.grantCapability({
    params: { agentId: agent.id },
    body: { capability: 'file/docs/*:read', conditions: { quota: { perDay } } },
  })
  const token = await agent.logIn(ground.url)
  return {
    perDay,
    /** Asks at both servers, so often at each; how many were allowed. */
    async ask(each: number): Promise<number> {
      const decisions = await Promise.all(
        servers.flatMap((server) =>
          Array.from({ length: each }, () =>
            connect({ server, token }).authorization.check({ body: { resource: 'file/docs/a', action: 'read' } }),
          ),
        ),
      )
      return decisions.filter(({ decision }) => decision === 'allow').length
    },
  }
}

/** Somebody whose password is guessed, at one server and the other in turn. */
async function aLockout() {
  const { example } = importUsers
  await administrator.client.users.import({ body: example.body ?? { users: [] } })
  const email = example.body?.users[0]?.email ?? ''
  let attempts = 0
  const guess = () =>
    connect({ server: servers[attempts++ % 2] ?? ground.url }).auth.login({
      body: { email, password: 'a wrong password' },
    })
  return {
    guess,
    async fail(count: number): Promise<void> {
      for (let attempt = 0; attempt < count; attempt++)
        await expect(guess()).rejects.toMatchObject({ code: 'invalid-credentials' })
    },
  }
}
