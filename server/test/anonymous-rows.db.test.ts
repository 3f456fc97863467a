import { forgotPassword } from '@agent-iam/contract/accounts'
import { createClient } from '@agent-iam/contract/clients'
import type { Operation } from '@agent-iam/contract/operation'
import { operations } from '@agent-iam/contract/operations'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { redirectUri } from './oauth-clients.ts'
import { anotherSender } from './senders.ts'
import { generousSettings, openServer, type TestServer } from './test-server.ts'

/** Rows of one address in an hour. */
const perAddress = 20
const perTenant = 60
const requests = 40
/** Beside what is bounded: counters of attempts, of senders and of refusals, each of which there are a few for an address. */
const counters = 15

/** A registration brings its tokens, a mail and an event; a login may name another account each time. Both are bounded by ten a minute. */
const severalRows = new Set(['login', 'registerUser'])

const form = { 'content-type': 'application/x-www-form-urlencoded' }
const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbyGuJSstw-cM'

interface Request {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly payload?: string
  readonly headers?: Record<string, string>
}

describe.each(databases)('rows that requests without authentication create, on %s', (_name, open) => {
  let server: TestServer
  let clientId: string

  beforeAll(async () => {
    server = await openServer(await open(), {
      replace: (world) => ({
        ...world,
        settings: {
          ...generousSettings,
          dynamicRegistration: true,
          anonymousRowsPerAddress: perAddress,
          anonymousRowsPerTenant: perTenant,
        },
      }),
    })
    clientId = await aClient(await server.admin())
  })
  afterAll(() => server.close())

  /** A client that anybody may name. */
  async function aClient(token: string): Promise<string> {
    const grantTypes = ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code']
    const body = { name: 'An app', redirectUris: [redirectUri], grantTypes, authMethod: 'none' }
    return createClient.response.parse(JSON.parse((await server.api.send(createClient, { body, token })).text)).clientId
  }

  const parameters = (id = clientId) =>
    new URLSearchParams({
      client_id: id,
      response_type: 'code',
      redirect_uri: redirectUri,
      code_challenge: challenge,
      code_challenge_method: 'S256',
      scope: 'openid',
      state: 'x'.repeat(1000),
    }).toString()

  const authorize = (base = '', id = clientId): Request => ({
    method: 'GET',
    url: `${base}/oauth/authorize?${parameters(id)}`,
  })
  const posted = (path: string, payload: string): Request => ({ method: 'POST', url: path, payload, headers: form })

  /** Every way into OAuth that asks for no credentials, or that gets none. */
  const oauthRequests = (): Request[] => [
    authorize(),
    posted('/oauth/authorize', parameters()),
    posted('/oauth/par', parameters()),
    posted('/oauth/device_authorization', `client_id=${clientId}`),
    posted('/oauth/token', `client_id=${clientId}&grant_type=authorization_code&code=none&code_verifier=${challenge}`),
    posted('/oauth/introspect', `client_id=${clientId}&token=none`),
    posted('/oauth/revoke', `client_id=${clientId}&token=none`),
    { method: 'GET', url: '/oauth/device' },
    posted('/oauth/device', 'xsrf=none&user_code=ABCD-EFGH'),
    { method: 'GET', url: '/oauth/logout' },
    { method: 'GET', url: '/oauth/userinfo' },
    { method: 'GET', url: '/oauth/interaction/none' },
    posted('/oauth/login', 'query=none'),
    {
      method: 'POST',
      url: '/oauth/register',
      payload: JSON.stringify({ redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }),
      headers: { 'content-type': 'application/json' },
    },
  ]

  function requestOf({ method, path, example }: Operation, n: number): Request {
    const params = Object.entries(Object(example.params)).reduce(
      (url, [key, value]) => url.replace(`:${key}`, String(value)),
      path,
    )
    const query = new URLSearchParams(Object(example.query)).toString()
    const body = example.body === undefined ? undefined : { ...Object(example.body) }
    // Another account each time, so that nothing is bounded by account alone.
    if (body?.email !== undefined) body.email = `nobody-${n}@example.com`
    return {
      method: method === 'GET' ? 'GET' : 'POST',
      url: query === '' ? params : `${params}?${query}`,
      ...(body && { payload: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    }
  }

  let countAll = ''

  async function rows(): Promise<Record<string, number>> {
    countAll ||= await countOfAllTables()
    const counts = await server.database.ask(countAll)
    return Object.fromEntries(counts.map(({ name: table, count }) => [String(table), Number(count)]))
  }

  async function countOfAllTables(): Promise<string> {
    const tables = await server.database.ask(
      `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition`,
    )
    const each = tables.map(
      ({ name: table }) => `select '${String(table)}' as name, count(*)::int as count from "${String(table)}"`,
    )
    return each.join(' union all ')
  }

  /** Which tables have how many rows more than before. */
  async function added(work: () => Promise<unknown>): Promise<Record<string, number>> {
    const before = await rows()
    await work()
    const after = await rows()
    const more = Object.entries(after).map(([table, count]) => [table, count - (before[table] ?? 0)] as const)
    return Object.fromEntries(more.filter(([, count]) => count > 0))
  }

  const send = ({ headers, ...request }: Request, from: string) =>
    server.api.raw(request, { from, ...(headers && { headers }) })

  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, count) => total + count, 0)

  test('are bounded for one address, whichever operation it asks for', { timeout: 240_000 }, async () => {
    const publicOperations = operations.filter(({ action }) => action === 'public')
    expect(publicOperations.length).toBeGreaterThan(20)
    for (const operation of publicOperations) {
      const bound = severalRows.has(operation.id) ? 3 * perAddress : perAddress
      const from = anotherSender()
      const counts = await added(async () => {
        await Promise.all(Array.from({ length: requests }, (_, n) => send(requestOf(operation, n), from)))
      })
      expect(sum(counts), `${operation.id} ${JSON.stringify(counts)}`).toBeLessThanOrEqual(bound + counters)
    }
  })

  test('are bounded for one address, whichever OAuth endpoint it asks', { timeout: 240_000 }, async () => {
    for (const request of oauthRequests()) {
      const from = anotherSender()
      const counts = await added(async () => {
        await Promise.all(Array.from({ length: requests }, () => send(request, from)))
      })
      const path = request.url.split('?')[0]
      // A registration brings its event.
      const bound = path === '/oauth/register' ? 2 * perAddress : perAddress
      expect(sum(counts), `${path} ${JSON.stringify(counts)}`).toBeLessThanOrEqual(bound + counters)
      server.clock.advance(3601)
    }
  })

  test('are bounded over all endpoints together and over instances, until they have expired', async () => {
    const from = anotherSender()
    const beside = server.database.kind === 'PostgreSQL' ? await server.beside(besideOptions()) : server
    const isStored = async (at = server) => {
      const { status, headers } = await at.api.raw({ method: 'GET', url: authorize().url }, { from })
      return status === 303 && String(headers['location']).includes('/oauth/interaction/')
    }
    for (let n = 0; n < perAddress; n++) await send(posted('/oauth/par', parameters()), from)
    expect([await isStored(), await isStored(beside)]).toEqual([false, false])
    expect((await send(authorize(), anotherSender())).status).toBe(303)
    server.clock.advance(3601)
    expect([await isStored(), await isStored(beside)]).toEqual([true, true])
  })

  function besideOptions() {
    return {
      replace: (world: TestServer['world']) => ({ ...world, settings: server.world.settings ?? generousSettings }),
    }
  }

  test('are bounded for one tenant from however many addresses; another tenant goes on, and so do addresses with few', async () => {
    const target = await server.tenant('target')
    const other = await server.tenant('other')
    const [there, elsewhere] = [await aClient(target.admin.token), await aClient(other.admin.token)]
    server.clock.advance(3601)
    const at = (tenant: { id: string }, id: string) => authorize(`/t/${tenant.id}`, id)
    const stored = async () => {
      const [row] = await server.database.ask(
        'select count(*)::int as count from oauth_payloads where tenant_id = $1',
        [
          `${target.id.slice(4, 12)}-${target.id.slice(12, 16)}-${target.id.slice(16, 20)}-${target.id.slice(20, 24)}-${target.id.slice(24)}`,
        ],
      )
      return Number(row?.['count'])
    }
    for (let address = 0; address < 8; address++) {
      const from = anotherSender()
      for (let n = 0; n < perAddress + 2; n++) await send(at(target, there), from)
    }
    const full = await stored()
    expect(full).toBeLessThanOrEqual(2 * perTenant)
    expect((await send(at(other, elsewhere), anotherSender())).headers['location']).toMatch(/oauth\/interaction/)
  })

  test('of people who forgot a password are bounded for a tenant as well', async () => {
    server.clock.advance(3601)
    const ask = () => server.api.send(forgotPassword, { body: { email: 'nobody@example.com' }, from: anotherSender() })
    const statuses = []
    for (let n = 0; n < perTenant + 5; n++) statuses.push((await ask()).status)
    expect(statuses.filter((status) => status === 429)).toHaveLength(5)
  })
})
