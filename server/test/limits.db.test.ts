import { listAuditEvents } from '@agent-iam/contract/audit'
import { bulkCheck, check } from '@agent-iam/contract/authorization'
import { validate } from '@agent-iam/contract/auth'
import * as contract from '@agent-iam/contract/limits'
import { healthLive, jwks, metrics } from '@agent-iam/contract/system'
import type { Operation, Sent } from '@agent-iam/contract/operation'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import type { Answer, Input } from './test-api.ts'
import { generousSettings, openServer, type ServerOptions, type TestServer } from './test-server.ts'

const strangersMax = 10
const agentsMax = 7
const limited: ServerOptions = {
  replace: (world) => ({
    ...world,
    settings: { ...generousSettings, requestsPerAddress: strangersMax, requestsPerAgent: agentsMax },
  }),
  trustedProxies: ['192.0.2.0/24'],
}

type Rule = Sent<typeof contract.createRateLimit.body>

/** How many of some answers have which status. */
function tally(answers: readonly Answer[]): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

function times<Result>(count: number, work: (index: number) => Promise<Result>): Promise<Result[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => work(index)))
}

describe.each(databases)('limits on %s', (_name, open) => {
  let server: TestServer
  let beside: TestServer
  let tenants = 0
  let networks = 0

  beforeAll(async () => {
    server = await openServer(await open(), limited)
    beside = await server.beside(limited)
  })
  afterAll(() => server.close())

  /** An address that nothing came from before. */
  const anAddress = () => `10.77.${Math.floor(++networks / 250)}.${(networks % 250) + 1}`

  /** The administrator of a tenant of its own: what it limits concerns nobody else. */
  async function aTenant() {
    const { admin, id, slug } = await server.tenant(`limited-${++tenants}`)
    const limit = (body: Rule) => server.api.send(contract.createRateLimit, { body, token: admin.token })
    return { admin, limit, tenant: { id, slug }, token: admin.token }
  }

  /** Requests of somebody known, one after the other. */
  async function ask(count: number, input: Input, operation: Operation = validate): Promise<Record<number, number>> {
    const answers: Answer[] = []
    for (let index = 0; index < count; index++) answers.push(await server.api.send(operation, input))
    return tally(answers)
  }

  async function anAgent(token: string, capabilities: string[] = []) {
    const agent = await makeAgent(server, token, capabilities)
    server.clock.advance(61)
    return { id: agent.id, token: (await loginAgent(server, agent)).accessToken }
  }

  /** PGlite’s instances share nothing but the database, so there one alone is asked. */
  const instances = () => (server.database.kind === 'PostgreSQL' ? [server, beside] : [server])
  const oneOf = (index: number) => instances()[index % instances().length] ?? server

  test('of 200 at once on two instances against a limit of 100, exactly 100 get through', async () => {
    const { admin, limit, token } = await aTenant()
    await limit({ dimension: 'identity', subject: admin.id, perMinute: 100 })
    const answers = await times(200, (index) => oneOf(index).api.send(validate, { token }))
    expect(tally(answers)).toEqual({ 200: 100, 429: 100 })
  })

  test('of many at once that prove nobody, exactly as many of an address learn so as its limit', async () => {
    const from = anAddress()
    const answers = await times(60, (index) =>
      oneOf(index).api.send(validate, { from, ...(index % 2 === 0 && { token: 'e30.e30.e30' }) }),
    )
    expect(tally(answers)).toEqual({ 401: strangersMax, 429: 60 - strangersMax })
    expect(tally(await times(3, () => server.api.send(validate, { from: anAddress() })))).toEqual({ 401: 3 })
  })

  test('one too many is told what is reached and how long to wait, and after that gets through', async () => {
    const { admin, limit, token } = await aTenant()
    await limit({ dimension: 'identity', subject: admin.id, perMinute: 2, perHour: 100 })
    const first = await server.api.send(validate, { token })
    expect(first.headers).toMatchObject({
      'ratelimit-policy': '"identity-minute";q=2;w=60, "identity-hour";q=100;w=3600',
      ratelimit: '"identity-minute";r=1;t=60',
    })
    await ask(1, { token })
    const { status, headers, text } = await server.api.send(validate, { token })
    expect([status, JSON.parse(text)]).toEqual([
      429,
      expect.objectContaining({
        code: 'rate-limited',
        detail: expect.stringMatching(/limit of 2 a minute by identity/),
      }),
    ])
    expect(headers['ratelimit']).toMatch(/^"identity-minute";r=0;t=\d+$/)
    const wait = Number(headers['retry-after'])
    expect(wait).toBeGreaterThan(50)
    server.clock.advance(wait - 5)
    expect(await ask(1, { token })).toEqual({ 429: 1 })
    server.clock.advance(5)
    expect(await ask(1, { token })).toEqual({ 200: 1 })
  })

  test('an agent without a rule may send as many as the installation says for agents, and a person for people', async () => {
    const { token } = await aTenant()
    const agent = await anAgent(token)
    expect(await ask(agentsMax + 1, { token: agent.token })).toEqual({ 200: agentsMax, 429: 1 })
    expect(await ask(agentsMax + 5, { token })).toEqual({ 200: agentsMax + 5 })
  })

  test('the most specific rule of a dimension holds: an exact one before that for each, this before the default', async () => {
    const { limit, token } = await aTenant()
    const [one, other] = [await anAgent(token), await anAgent(token)]
    await limit({ dimension: 'identity', perMinute: 20 })
    await limit({ dimension: 'identity', subject: one.id, perMinute: 3 })
    expect(await ask(21, { token: one.token })).toEqual({ 200: 3, 429: 18 })
    expect(await ask(21, { token: other.token })).toEqual({ 200: 20, 429: 1 })
  })

  test('every dimension that has a rule holds: tenant, role and address', async () => {
    const { limit, tenant } = await aTenant()
    const [one, other] = [await server.user('viewer', tenant), await server.user('viewer', tenant)]
    await limit({ dimension: 'role', subject: 'viewer', perMinute: 4 })
    expect(await ask(5, { token: one.token })).toEqual({ 200: 4, 429: 1 })
    expect(await ask(1, { token: other.token })).toEqual({ 200: 1 })
    const from = anAddress()
    await limit({ dimension: 'address', subject: from, perMinute: 2 })
    expect(await ask(3, { token: other.token, from })).toEqual({ 200: 2, 429: 1 })
    expect(await ask(1, { token: other.token, from: anAddress() })).toEqual({ 200: 1 })
    await limit({ dimension: 'tenant', perHour: 3 })
    const third = await server.user('manager', tenant)
    expect(await ask(4, { token: third.token })).toEqual({ 200: 3, 429: 1 })
  })

  test('questions about a type of resources count together with all of the tenant, each of several', async () => {
    const { admin, limit, token } = await aTenant()
    await limit({ dimension: 'resource-type', subject: 'database', perMinute: 5 })
    const inCedar = (resource: string) => ({
      body: { principal: `AgentIam::User::"${admin.id}"`, action: 'AgentIam::Action::"read"', resource },
      token,
    })
    const aCheck = (resource: string) => ({ body: { resource, action: 'read' }, token })
    const checks = ['database/a', 'file/b', 'database'].map((resource) => ({ resource, action: 'read' }))
    expect(await ask(2, { body: { checks }, token }, bulkCheck)).toEqual({ 200: 2 })
    expect(await ask(2, { body: { checks }, token }, bulkCheck)).toEqual({ 429: 2 })
    expect(await ask(2, aCheck('database/c'), check)).toEqual({ 200: 1, 429: 1 })
    expect(await ask(1, inCedar('AgentIam::Resource::"da\\u{74}abase/d"'), check)).toEqual({ 429: 1 })
    expect(await ask(3, aCheck('file/c'), check)).toEqual({ 200: 3 })
  })

  test('a burst is one event and counted refusals, whoever refuses; the next after a quiet minute is another', async () => {
    const { admin, limit, token } = await aTenant()
    await limit({ dimension: 'identity', subject: admin.id, perMinute: 1, perDay: 1000 })
    const events = async () => {
      server.clock.advance(61)
      const query = { type: 'rate-limit.exceeded', limit: 10 } as const
      return (await server.api.call(listAuditEvents, { query, token })).events
    }
    const before = refusalsCounted(await server.api.call(metrics), await beside.api.call(metrics))
    await times(30, (index) => oneOf(index).api.send(validate, { token }))
    expect(await events()).toMatchObject([
      {
        actor: admin.id,
        action: 'validate',
        decision: 'deny',
        reasons: ['rate-limited'],
        data: { dimension: 'identity', subject: admin.id, span: 'minute', limit: 1 },
      },
    ])
    const after = refusalsCounted(await server.api.call(metrics), await beside.api.call(metrics))
    expect(after - before).toBe(29)
    await ask(2, { token })
    expect(await events()).toHaveLength(2)
  })

  test('whoever uses up a limit keeps nobody from mending it', async () => {
    const { limit, token } = await aTenant()
    const { text } = await limit({ dimension: 'tenant', perDay: 1 })
    const { rateLimitId } = contract.createRateLimit.response.parse(JSON.parse(text))
    expect(await ask(2, { token })).toEqual({ 200: 1, 429: 1 })
    await server.api.call(contract.updateRateLimit, { params: { rateLimitId }, body: { perDay: 2 }, token })
    expect(await ask(2, { token })).toEqual({ 200: 1, 429: 1 })
    await server.api.call(contract.deleteRateLimit, { params: { rateLimitId }, token })
    expect(await ask(3, { token })).toEqual({ 200: 3 })
  })

  test('a rule made on one instance holds on another a second later', async () => {
    const { limit, token } = await aTenant()
    await beside.api.call(validate, { token })
    await limit({ dimension: 'tenant', perMinute: 1 })
    server.clock.advance(1)
    const answers = [await beside.api.send(validate, { token }), await beside.api.send(validate, { token })]
    expect(tally(answers)).toEqual({ 200: 1, 429: 1 })
  })

  test('the caller sees the limits that hold for it, and what is left', async () => {
    const { admin, limit, tenant, token } = await aTenant()
    await limit({ dimension: 'identity', subject: admin.id, perMinute: 10 })
    await limit({ dimension: 'tenant', perDay: 1000 })
    await ask(3, { token })
    const { limits } = await server.api.call(contract.getRateLimitUsage, { token })
    const some = { measure: 'requests', moreAt: expect.any(String) }
    expect(limits).toEqual([
      { ...some, dimension: 'tenant', subject: tenant.id, span: 'day', limit: 1000, remaining: 996 },
      { ...some, dimension: 'identity', subject: admin.id, span: 'minute', limit: 10, remaining: 6 },
    ])
  })

  describe('by address', () => {
    const send = (input: Input) => server.api.send(jwks, input)

    test('what a sender says of itself moves it to no other address, unless a trusted proxy says so', async () => {
      const from = anAddress()
      const claiming = await times(strangersMax + 4, (index) =>
        send({ from, headers: { 'x-forwarded-for': `198.51.100.${index}` } }),
      )
      expect(tally(claiming)).toEqual({ 200: strangersMax, 429: 4 })
      // The proxy adds whom it saw; what stood before is the sender's own claim.
      const behind = await times(strangersMax + 4, (index) =>
        send({ from: '192.0.2.1', headers: { 'x-forwarded-for': `198.51.100.${index}, 203.0.113.9` } }),
      )
      expect(tally(behind)).toEqual({ 200: strangersMax, 429: 4 })
      const others = await times(5, (index) =>
        send({ from: '192.0.2.1', headers: { 'x-forwarded-for': `203.0.113.${index + 20}` } }),
      )
      expect(tally(others)).toEqual({ 200: 5 })
    })

    test('an IPv6 sender is its whole /64, however its address is spelt', async () => {
      const within = await times(strangersMax + 2, (index) => send({ from: `2001:db8:0:7::${index + 1}` }))
      expect(tally(within)).toEqual({ 200: strangersMax, 429: 2 })
      expect((await send({ from: '2001:0db8:0000:0007:ffff::1' })).status).toBe(429)
      expect((await send({ from: '2001:db8:0:8::1' })).status).toBe(200)
      const mapped = anAddress()
      await times(strangersMax, () => send({ from: mapped }))
      expect((await send({ from: `::ffff:${mapped}` })).status).toBe(429)
    })

    test('whoever proves who it is does not count, but waits where too much came from', async () => {
      const [from, { token }] = [anAddress(), await aTenant()]
      expect(await ask(strangersMax + 5, { token, from })).toEqual({ 200: strangersMax + 5 })
      await times(strangersMax + 1, () => send({ from }))
      expect(await ask(1, { token, from })).toEqual({ 429: 1 })
      expect(await ask(1, { token, from: anAddress() })).toEqual({ 200: 1 })
      server.clock.advance(60)
      expect(await ask(1, { token, from })).toEqual({ 200: 1 })
    })

    test('a flood is one event of the platform, whose address is sealed', async () => {
      const from = `198.18.${++networks % 250}.7`
      await times(strangersMax + 20, () => send({ from }))
      const token = await server.admin('platform')
      const query = { type: 'rate-limit.exceeded', limit: 100 } as const
      const { events } = await server.api.call(listAuditEvents, { query, token })
      const of = events.filter(({ personal }) => personal?.['network'] === from)
      expect(of).toMatchObject([
        { actor: 'anonymous', action: 'jwks', data: { dimension: 'address', span: 'minute', limit: strangersMax } },
      ])
      const leaves = await server.database.ask(`select convert_from(leaf, 'UTF8') as leaf from audit_events`)
      expect(leaves.filter(({ leaf }) => String(leaf).includes(from))).toEqual([])
    })

    test('what is nobody’s path and what the OAuth endpoints answer counts as well; probes of health never', async () => {
      const from = anAddress()
      const urls = ['/nowhere', '/.well-known/oauth-authorization-server', '/oauth/token']
      const statuses: number[] = []
      for (let index = 0; index < strangersMax + 2; index++) {
        const url = urls[index % urls.length] ?? ''
        const { status, headers } = await server.api.raw({ method: 'GET', url }, { from })
        statuses.push(status)
        expect(headers['ratelimit'], url).toMatch(/^"address-minute";r=\d+;t=\d+$/)
      }
      expect(statuses.map((status) => status === 429)).toEqual([
        ...Array.from({ length: strangersMax }, () => false),
        true,
        true,
      ])
      expect(await ask(strangersMax + 1, { from }, healthLive)).toEqual({ 200: strangersMax + 1 })
    })
  })

  test.each<[string, Rule, number, string]>([
    [
      'of another tenant’s identity',
      { dimension: 'identity', subject: `usr_${'1'.repeat(32)}`, perDay: 1 },
      404,
      'not-found',
    ],
    ['of a role that is none', { dimension: 'role', subject: 'emperor', perDay: 1 }, 404, 'not-found'],
    ['of a tenant by name', { dimension: 'tenant', subject: 'default', perDay: 1 }, 400, 'invalid-request'],
    ['of an address that is none', { dimension: 'address', subject: '10.0.0.0/8', perDay: 1 }, 400, 'invalid-request'],
    ['without a limit', { dimension: 'tenant' }, 400, 'invalid-request'],
    ['of none at all', { dimension: 'tenant', perMinute: 0 }, 400, 'invalid-request'],
    ['beyond what can be counted', { dimension: 'tenant', perMinute: 1_000_001 }, 400, 'invalid-request'],
  ])('a rule %s is refused', async (_what, body, status, code) => {
    const token = await server.admin()
    const problem = await server.api.refuse(contract.createRateLimit, { body, token })
    expect(problem).toMatchObject({ status, code })
  })

  test('a second rule for the same is refused, however its address is spelt; a stale revision changes nothing', async () => {
    const { limit, token } = await aTenant()
    const first = await limit({ dimension: 'address', subject: '2001:db8::1', perHour: 1000 })
    const made = contract.createRateLimit.response.parse(JSON.parse(first.text))
    expect([made.subject, first.headers['etag']]).toEqual(['2001:db8:0:0::/64', '"1"'])
    expect((await limit({ dimension: 'address', subject: '2001:db8:0:0::/64', perHour: 5 })).status).toBe(409)
    const params = { rateLimitId: made.rateLimitId }
    const change = (perHour: number) =>
      server.api.send(contract.updateRateLimit, { params, body: { perHour }, token, headers: { 'if-match': '"1"' } })
    expect([(await change(2000)).status, (await change(3000)).status]).toEqual([200, 412])
    expect(await server.api.call(contract.getRateLimit, { params, token })).toMatchObject({
      perMinute: null,
      perHour: 2000,
      revision: 2,
    })
    const { rateLimits } = await server.api.call(contract.listRateLimits, { query: { dimension: 'address' }, token })
    expect(rateLimits.map(({ rateLimitId }) => rateLimitId)).toEqual([made.rateLimitId])
  })
})

function refusalsCounted(...expositions: readonly string[]): number {
  const counts = expositions.map((text) =>
    Number(/agent_iam_rate_limited_total\{dimension="identity"\} (\d+)/.exec(text)?.[1] ?? 0),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}
