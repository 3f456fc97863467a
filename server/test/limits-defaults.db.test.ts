import { listAgents, registerAgent } from '@agent-iam/contract/agents'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { validate } from '@agent-iam/contract/auth'
import { bulkCheck, check, whoCan } from '@agent-iam/contract/authorization'
import { createEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import * as contract from '@agent-iam/contract/limits'
import type { Operation } from '@agent-iam/contract/operation'
import { issueToken } from '@agent-iam/contract/token'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent } from './agents.ts'
import { tally } from './tally.ts'
import { databases } from './databases.ts'
import { makeServiceWithSecret } from './services.ts'
import type { Answer, Input } from './test-api.ts'
import { generousSettings, openServer, type TestServer, type TestUser } from './test-server.ts'

const most = { user: 12, service: 6, apiKey: 4, enrolmentToken: 3, agent: 7 }
/** No more than that in a minute: a user may add two units of 16 KiB to the log. */
const logBytesPerRequest = 2048

describe.each(databases)('limits for every kind of caller, on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open(), {
      replace: (world) => ({
        ...world,
        settings: {
          ...generousSettings,
          requestsPerUser: most.user,
          requestsPerService: most.service,
          requestsPerApiKey: most.apiKey,
          requestsPerEnrolmentToken: most.enrolmentToken,
          requestsPerAgent: most.agent,
          logBytesPerRequest,
        },
      }),
    })
    admin = await server.admin()
  })
  afterAll(() => server.close())

  async function ask(count: number, input: Input, operation: Operation = validate): Promise<Record<number, number>> {
    const answers: Answer[] = []
    for (let index = 0; index < count; index++) answers.push(await server.api.send(operation, input))
    return tally(answers)
  }

  /** Somebody whose minute has only begun, like that of the administrator. */
  async function inAnotherMinute<Result>(work: () => Promise<Result>): Promise<Result> {
    server.clock.advance(61)
    const result = await work()
    server.clock.advance(61)
    return result
  }

  test('a person', async () => {
    const { token } = await server.user()
    expect(await ask(most.user + 3, { token })).toEqual({ 200: most.user, 429: 3 })
  })

  test('a service', async () => {
    const { body } = await inAnotherMinute(() => makeServiceWithSecret(server, admin))
    const { access_token: token } = await server.api.call(issueToken, { body })
    expect(await ask(most.service + 3, { token })).toEqual({ 200: most.service, 429: 3 })
  })

  test('an agent', async () => {
    const agent = await inAnotherMinute(() => makeAgent(server, admin))
    const { accessToken: token } = await loginAgent(server, agent)
    expect(await ask(most.agent + 3, { token })).toEqual({ 200: most.agent, 429: 3 })
  })

  test('all API keys of one owner together, and apart from the owner', async () => {
    const { token } = await server.user()
    const make = (name: string) => server.api.call(createApiKey, { body: { name }, token })
    const [one, other] = [await make('one'), await make('other')]
    expect(await ask(3, { token: one.key })).toEqual({ 200: 3 })
    expect(await ask(3, { token: other.key })).toEqual({ 200: most.apiKey - 3, 429: 6 - most.apiKey })
    expect(await ask(1, { token })).toEqual({ 200: 1 })
  })

  test('an enrolment token', async () => {
    const { token } = await inAnotherMinute(() =>
      server.api.call(createEnrolmentToken, { body: { name: 'fleet' }, token: admin }),
    )
    const answers = []
    for (let index = 0; index < most.enrolmentToken + 2; index++)
      answers.push(await server.api.send(registerAgent, { body: { name: `enrolled ${index}` }, token }))
    expect(tally(answers)).toEqual({ 201: most.enrolmentToken, 429: 2 })
  })

  test('a bulk counts as its items, an explanation and a search as several requests', async () => {
    const question = { resource: 'file/a', action: 'read' }
    const [one, two, three] = [await server.user(), await server.user(), await server.user('admin')]
    const checks = Array.from({ length: 5 }, () => question)
    const tooMany = Array.from({ length: most.user + 1 }, () => question)
    expect(await ask(1, { body: { checks: tooMany }, token: one.token }, bulkCheck)).toEqual({ 429: 1 })
    expect(await ask(4, { body: { checks }, token: one.token }, bulkCheck)).toEqual({ 200: 2, 429: 2 })
    expect(await ask(3, { token: one.token })).toEqual({ 200: most.user - 10, 429: 3 - (most.user - 10) })
    const explained = { body: question, query: { explain: 'true' }, token: two.token } as const
    expect(await ask(2, explained, check)).toEqual({ 200: 1, 429: 1 })
    // It counts more than the limit is, and so takes all of it.
    expect(await ask(2, { body: question, token: three.token }, whoCan)).toEqual({ 200: 1, 429: 1 })
    expect(await ask(1, { token: three.token }, listAgents)).toEqual({ 429: 1 })
  })

  test('a bulk counts as its items in every dimension that a tenant limits', async () => {
    const tenant = await server.tenant('bulk')
    const token = tenant.admin.token
    const limit = (body: object) => server.api.send(contract.createRateLimit, { body, token })
    for (const dimension of ['tenant', 'identity', 'address', 'resource-type'])
      await limit({ dimension, subject: '*', perMinute: 100 })
    await limit({ dimension: 'role', subject: 'viewer', perMinute: 100 })
    server.clock.advance(61)
    const viewer = await server.user('viewer', tenant)
    const checks = Array.from({ length: 8 }, () => ({ resource: 'file/a', action: 'read' }))
    await server.api.call(bulkCheck, { body: { checks }, token: viewer.token })
    const { limits } = await server.api.call(contract.getRateLimitUsage, { token: viewer.token })
    const left = Object.fromEntries(
      limits.map(({ dimension, measure, remaining }) => [`${dimension} ${measure}`, remaining]),
    )
    expect(left).toMatchObject({
      'tenant requests': 91,
      'identity requests': 91,
      'role requests': 91,
      'address requests': 91,
    })
    const { headers } = await server.api.send(bulkCheck, { body: { checks: checks.slice(0, 1) }, token: viewer.token })
    expect(headers['ratelimit-policy']).toContain('"resource-type-file-minute";q=100;w=60')
  })

  /** What a user’s requests added to the log. */
  async function logBytes({ id }: TestUser): Promise<number> {
    const [row] = await server.database.ask(
      `select coalesce(sum(length(leaf)), 0)::int as bytes from audit_events
       where convert_from(leaf, 'UTF8')::json->>'actor' = $1`,
      [id],
    )
    return Number(row?.['bytes'])
  }

  test('what requests add to the log is limited as well, and the caller sees how much is left', async () => {
    const user = await server.user()
    const unit = 16_384
    const allowed = Math.ceil((most.user * logBytesPerRequest) / unit) * unit
    const context = { note: 'x'.repeat(3_500) }
    const body = { resource: 'file/a', action: 'read', context }
    const before = await logBytes(user)
    const usage = async () =>
      (await server.api.call(contract.getRateLimitUsage, { token: user.token })).limits.find(
        ({ measure }) => measure === 'log-bytes',
      )
    expect(await usage()).toMatchObject({ dimension: 'identity', span: 'minute', limit: allowed, remaining: allowed })
    const statuses = []
    for (let minute = 0; minute < 3; minute++) {
      for (let n = 0; n < most.user - 2; n++) statuses.push(await server.api.send(check, { body, token: user.token }))
      server.clock.advance(61)
    }
    const recorded = (await logBytes(user)) - before
    const refused = statuses.filter(({ status }) => status === 429)
    expect(recorded).toBeGreaterThan(allowed)
    // One unit at most is not counted yet, beside the last request.
    expect(recorded).toBeLessThan(3 * allowed + 2 * unit)
    expect(refused.length).toBeGreaterThan(0)
    expect(JSON.parse(refused[0]?.text ?? '')).toMatchObject({
      code: 'rate-limited',
      detail: expect.stringMatching(/bytes of the log a minute by identity/),
    })
  })

  test('repeated refusals of somebody without rights fill no log', async () => {
    const user = await server.user()
    server.clock.advance(61)
    const refusals = async () => {
      const rows = await server.database.ask(
        `select count(*)::int as count from audit_events where type in ('request.refused', 'rate-limit.exceeded')
         and convert_from(leaf, 'UTF8')::json->>'actor' = $1`,
        [user.id],
      )
      return Number(rows[0]?.['count'])
    }
    const before = await refusals()
    const answers = await Promise.all(
      Array.from({ length: 300 }, () => server.api.send(listAgents, { token: user.token })),
    )
    await server.app.flush()
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(280)
    expect((await refusals()) - before).toBeLessThanOrEqual(most.user + 2)
  })
})
