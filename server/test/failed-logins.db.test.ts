import { disableApiKey, createApiKey } from '@agent-iam/contract/api-keys'
import { getChallenge, login, validate } from '@agent-iam/contract/auth'
import type { Operation } from '@agent-iam/contract/operation'
import { issueToken } from '@agent-iam/contract/token'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { aKey, makeAgent, signed } from './agents.ts'
import { databases } from './databases.ts'
import { enrolApp, enrolPasskey, loginOptions } from './factors.ts'
import { bySecret, makeServiceWithSecret } from './services.ts'
import { watchStatements } from './statements.ts'
import type { Input } from './test-api.ts'
import { SoftwarePasskey } from './software-passkey.ts'
import { openServer, password, type TestServer } from './test-server.ts'

const Failed = z.object({
  actor: z.string(),
  data: z.object({
    minute: z.string(),
    count: z.int(),
    methods: z.record(z.string(), z.int()),
    isKnownAccount: z.boolean(),
  }),
  personal: z.object({ account: z.string().nullable(), addressPrefix: z.string().nullable() }).nullable(),
})

describe.each(databases)('failed logins in the tenant’s log on %s', (_name, open) => {
  let server: TestServer
  let admin: string
  let networks = 0

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
  })
  beforeEach(async () => {
    await nextMinute()
    admin = await server.admin()
    seen = (await events()).length
  })
  afterAll(() => server.close())

  let seen = 0
  const minute = 60

  /** Refused, from a network that nobody else has. */
  async function fail(operation: Operation, input: Input, from = aNetwork()): Promise<string> {
    const { code } = await server.api.refuse(operation, { ...input, from })
    return code
  }

  function aNetwork(): string {
    networks++
    return `10.${Math.floor(networks / 250)}.${networks % 250}.9`
  }

  async function nextMinute(on = server): Promise<void> {
    server.clock.advance(minute)
    await on.app.flush()
  }

  async function events(token = admin) {
    const query = { type: 'login.failed', limit: 100 }
    return (await server.api.call(listAuditEvents, { query, token })).events.map((event) => Failed.parse(event))
  }

  /** What was recorded since the test began, the newest first. */
  async function recorded(token = admin) {
    const all = await events(token)
    return all.slice(0, all.length - seen)
  }

  const wrongPassword = (email: string) => ({
    body: { email, password: 'not the password of anybody', tenant: 'default' },
  })

  test('a wrong password: one event for each account, network and minute, with the account sealed', async () => {
    const user = await server.user('member')
    const [one, other] = [aNetwork(), aNetwork()]
    for (const from of [one, one, other]) await fail(login, wrongPassword(user.email), from)
    expect(await recorded()).toEqual([])
    await nextMinute()
    await fail(login, wrongPassword(user.email), one)
    await nextMinute()
    const found = await recorded()
    const counted = found.map(({ data, personal }) => `${data.minute} ${personal?.addressPrefix} ${data.count}`)
    expect(new Set(found.map(({ data }) => data.minute)).size).toBe(2)
    expect(counted.map((each) => each.split(' ').slice(1).join(' ')).toSorted()).toEqual(
      [`${prefixOf(one)} 1`, `${prefixOf(one)} 2`, `${prefixOf(other)} 1`].toSorted(),
    )
    for (const event of found)
      expect(event).toMatchObject({
        actor: 'anonymous',
        data: { isKnownAccount: true },
        personal: { account: user.id },
      })
    const auditor = await server.user('auditor')
    const { text } = await server.api.send(listAuditEvents, { query: { type: 'login.failed' }, token: auditor.token })
    expect(text).not.toContain(user.id)
  })

  test('accounts that do not exist share one event for each network and minute', async () => {
    const from = aNetwork()
    for (const name of ['a', 'b', 'c']) await fail(login, wrongPassword(`${name}@nowhere.example`), from)
    await nextMinute()
    expect(await recorded()).toMatchObject([
      { data: { count: 3, isKnownAccount: false }, personal: { account: null, addressPrefix: prefixOf(from) } },
    ])
  })

  test('each way of proving oneself is counted', async () => {
    const user = await server.user('member')
    await enrolApp(server, user.token)
    const second = { ...wrongPassword(user.email).body, password, secondFactor: { type: 'totp', code: '000000' } }
    await fail(login, { body: second })
    const agent = await makeAgent(server, admin)
    const { challenge } = await server.api.call(getChallenge, { params: { agentId: agent.id } })
    await fail(login, { body: signed(agent, challenge, aKey().privateKey) })
    const service = await makeServiceWithSecret(server, admin)
    await fail(issueToken, { body: bySecret(service.serviceId, 'ais_wrong') })
    const key = await server.api.call(createApiKey, { body: { name: 'ended' }, token: user.token })
    await server.api.call(disableApiKey, { params: { apiKeyId: key.apiKeyId }, token: user.token })
    await fail(validate, { token: key.key })
    await nextMinute()
    const found = (await recorded()).map(
      ({ data, personal }) => `${Object.keys(data.methods).join()} ${personal?.account}`,
    )
    expect(found.toSorted()).toEqual(
      [
        `second-factor ${user.id}`,
        `agent-proof ${agent.id}`,
        `client-proof ${service.serviceId}`,
        `api-key ${user.id}`,
      ].toSorted(),
    )
  })

  test('a passkey that is not the person’s', async () => {
    const user = await server.user('member')
    const { key } = await enrolPasskey(server, user.token)
    const forged = key.get(await loginOptions(server), { key: new SoftwarePasskey().privateKey })
    await fail(login, { body: { passkey: forged } })
    await nextMinute()
    expect(await recorded()).toMatchObject([{ data: { methods: { passkey: 1 } }, personal: { account: user.id } }])
  })

  test('the log of another tenant has none of them', async () => {
    const { admin: foreign } = await server.tenant('elsewhere')
    const user = await server.user('member')
    await fail(login, wrongPassword(user.email))
    await nextMinute()
    expect(await events(foreign.token)).toEqual([])
    expect(await recorded()).toHaveLength(1)
  })

  test('what another instance counted is appended when it closes', async () => {
    const other = await server.beside()
    const user = await server.user('member')
    await other.api.refuse(login, { ...wrongPassword(user.email), from: aNetwork() })
    await other.close()
    expect(await recorded()).toMatchObject([{ data: { count: 1 }, personal: { account: user.id } }])
  })

  test('a failed login makes the same statements whether or not the account exists', async () => {
    const { email } = await server.user('member')
    const statementsOf = async (address: string) => {
      const watched = watchStatements()
      await fail(login, wrongPassword(address))
      return watched.stop().map(({ text }) => text.replaceAll(/app\.tenant = '[^']*'/g, 'app.tenant = …'))
    }
    // The month's key for the platform's refusals is made by the first, and known by heart after the second.
    for (const name of ['first', 'second']) await statementsOf(`${name}@nowhere.example`)
    const known = await statementsOf(email)
    expect(known.length).toBeGreaterThan(10)
    expect(await statementsOf('third@nowhere.example')).toEqual(known)
  })
})

function prefixOf(address: string): string {
  return address.replace(/\.\d+$/, '.0/24')
}
