import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { registerAgent } from '@agent-iam/contract/agents'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { check } from '@agent-iam/contract/authorization'
import { createEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import { operations } from '@agent-iam/contract/operations'
import type { Operation } from '@agent-iam/contract/operation'
import { grantAgentCapability, revokeAgentCapability } from '@agent-iam/contract/grants'
import { createRole, deleteRole } from '@agent-iam/contract/roles'
import { createSdkToken } from '@agent-iam/contract/sdk-tokens'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { openSetup } from '../src/features/setup/service.ts'
import { loginAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import { callEveryOperation } from './every-success.ts'
import { namedOperations, recordsNothing } from './recording-nothing.ts'
import type { Answer, Input } from './test-api.ts'
import { openServer, startServer, type TestServer, type TestUser } from './test-server.ts'
import { TestClock } from './test-clock.ts'

const Event = z.object({
  type: z.string(),
  actor: z.string(),
  action: z.string().nullable(),
  traceId: z.string().nullable(),
  session: z.string().nullable(),
  credential: z.string().nullable(),
  client: z.string().nullable(),
  /** All of it but what is sealed. */
  text: z.string(),
})
type Event = z.infer<typeof Event>

interface Call {
  readonly operation: Operation
  readonly input: Input
  readonly answer: Answer
}

test('the operations that record nothing are operations', () => {
  const ids = new Set<string>(operations.map(({ id }) => id))
  expect(namedOperations.filter((id) => !ids.has(id))).toEqual([])
})

describe.each(databases)('the events of every operation on %s', (_name, open) => {
  const calls: Call[] = []
  let events: Map<string | null, Event[]>

  // Hundreds of requests, some of which hash passwords.
  beforeAll(async () => {
    const server = await startServer(await open(), { masterKey: Buffer.alloc(32, 7), clock: new TestClock() })
    server.api.onCall = (operation, { input, answer }) => calls.push({ operation, input, answer })
    const setupToken = (await openSetup(server.app.system, { onlyOne: false })) ?? ''
    await callEveryOperation({ server, setupToken })
    await nameAddresses(server)
    events = Map.groupBy(await readEvents(server.database), ({ traceId }) => traceId)
    await server.close()
  }, 400_000)

  const eventsOf = ({ answer }: Call) => events.get(answer.traceId) ?? []

  test('every operation was called', () => {
    expect(new Set(calls.map(({ operation }) => operation.id)).size).toBe(operations.length)
  })

  test('each that is allowed leaves an event, but for those of the committed list', () => {
    const without = calls.filter((call) => eventsOf(call).length === 0 && !recordsNothing(call.operation))
    expect(idsOf(without)).toEqual([])
  })

  test('none of the committed list leaves one', () => {
    const recorded = calls.filter((call) => recordsNothing(call.operation) && eventsOf(call).length > 0)
    expect(idsOf(recorded)).toEqual([])
  })

  test('each event of a caller with a session says who acted, and in which session', () => {
    const authenticated = calls.flatMap((call) => {
      const caller = callerOf(call.input)
      return caller ? eventsOf(call).map((event) => ({ id: call.operation.id, event, caller })) : []
    })
    expect(authenticated.length).toBeGreaterThan(150)
    for (const { id, event, caller } of authenticated) expect(event, `${id}: ${event.type}`).toMatchObject(caller)
  })

  test('no event shows an address, or a mail address, in clear', () => {
    const all = [...events.values()].flat()
    const shown = all
      .filter(({ text }) => personal.test(text))
      .map(({ type, text }) => [type, personal.exec(text)?.[0]])
    expect(all.length).toBeGreaterThan(200)
    expect(shown).toEqual([])
  })

  test('no event that a request caused says that the system acted', () => {
    const bySystem = calls.filter((call) => eventsOf(call).some(({ actor }) => actor === 'system'))
    expect(idsOf(bySystem)).toEqual([])
  })

  test('each event of a login says which session it started', () => {
    const logins = calls.filter(({ operation: { id } }) =>
      ['login', 'refresh', 'refreshSession', 'issueToken'].includes(id),
    )
    expect(logins.length).toBeGreaterThan(10)
    for (const call of logins) {
      const { sub, sid } = decodeJwt(tokenIn(call.answer))
      expect(eventsOf(call), call.operation.id).toContainEqual(expect.objectContaining({ actor: sub, session: sid }))
    }
  })
})

/** An address of IPv4, one of those that this test uses of IPv6, or a mail address. */
const personal = /\b\d{1,3}(?:\.\d{1,3}){3}\b|2001:db8:|[\w.+-]+@[\w-]+\.\w+/i

/** A grant and a role that are bound to addresses, made, changed and ended. */
async function nameAddresses(server: TestServer): Promise<void> {
  const token = await server.admin()
  const { api } = server
  const { agentId } = await api.call(registerAgent, { body: { name: 'bound' }, token })
  const addresses = ['192.0.2.0/24', '2001:db8::/32']
  const capability = 'file/bound/*:read'
  const params = { agentId }
  const { grantId } = await api.call(grantAgentCapability, {
    params,
    body: { capability, conditions: { addresses } },
    token,
  })
  await api.call(revokeAgentCapability, { params: { agentId, grantId }, token })
  const permissions = [{ permission: capability, conditions: { addresses } }]
  const role = await api.call(createRole, { body: { name: 'bound', permissions }, token })
  await api.call(deleteRole, { params: { roleId: role.roleId }, token })
}

describe.each(databases)('the event of a refusal on %s', (_name, open) => {
  let server: TestServer

  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  const closed = operations.filter(({ action }) => action !== 'public')

  test('says which session asked, whatever was refused', { timeout: 120_000 }, async () => {
    const asked = new Map<string, { readonly id: string; readonly actor: string; readonly session: unknown }>()
    let user: TestUser | undefined
    for (const [place, operation] of closed.entries()) {
      // An identity's refusals are recorded one by one up to sixty a minute.
      if (!user || place % 50 === 0) user = await server.user('admin')
      const query = { misspelt: 'x' }
      const answer = await server.api.send(operation, { ...operation.example, query, token: user.token })
      expect(answer.status, operation.id).toBe(400)
      asked.set(answer.traceId, { id: operation.id, actor: user.id, session: decodeJwt(user.token)['sid'] })
    }
    const events = (await readEvents(server.database)).filter(({ type }) => type === 'request.refused')
    for (const [traceId, { id, ...caller }] of asked) {
      const found = events.filter((event) => event.traceId === traceId)
      expect(found, id).toMatchObject([{ ...caller, action: id }])
    }
  })
})

describe.each(databases)('what authenticated the actor on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
  })
  afterAll(() => server.close())

  const question = { resource: 'file/a', action: 'read' }

  test('an API key', async () => {
    const made = await server.api.call(createApiKey, { body: { name: 'a key' }, token: admin })
    const event = await eventAfter(() => server.api.call(check, { body: question, token: made.key }))
    expect(event).toMatchObject({ type: 'decision.made', credential: made.apiKeyId, client: null })
    expect(event?.session).toMatch(/^ses_/)
  })

  test('an SDK token', async () => {
    const made = await server.api.call(createSdkToken, { body: { device: 'a laptop' }, token: admin })
    const event = await eventAfter(() => server.api.call(check, { body: question, token: made.accessToken }))
    expect(event).toMatchObject({ credential: made.sdkTokenId, session: decodeJwt(made.accessToken)['sid'] })
  })

  test('an enrolment token, which has no session, and the agent’s own key', async () => {
    const made = await server.api.call(createEnrolmentToken, { ...createEnrolmentToken.example, token: admin })
    const body = { name: 'enrolled', capabilities: ['file/docs/*:read'] }
    const agents = new Array<z.output<typeof registerAgent.response>>()
    const registered = await eventAfter(async () => {
      agents.push(await server.api.call(registerAgent, { body, token: made.token }))
    })
    const { enrolmentTokenId } = made
    expect(registered).toMatchObject({ actor: enrolmentTokenId, credential: enrolmentTokenId, session: null })
    const { agentId: id, privateKey = '' } = agents[0] ?? assert.fail('no agent was registered')
    const agent = { id, name: body.name, privateKey: createPrivateKey(privateKey) }
    const login = await eventAfter(() => loginAgent(server, agent))
    expect(login).toMatchObject({ type: 'session.started', actor: id })
    expect(login?.credential).toMatch(/^[\w-]{43}$/)
  })

  /** The last event of what was done. */
  async function eventAfter(act: () => Promise<unknown>): Promise<Event | undefined> {
    await act()
    return (await readEvents(server.database)).at(-1)
  }
})

async function readEvents(database: TestDatabase): Promise<Event[]> {
  const rows = await database.ask(
    `select convert_from(leaf, 'UTF8')::json as leaf from audit_events order by at, tenant_id, sequence`,
  )
  return rows.map(({ leaf }) =>
    Event.parse({ ...Object(leaf), text: JSON.stringify({ ...Object(leaf), sealed: null }) }),
  )
}

/** Who sent a request, where its token is a JWT. */
function callerOf({ token }: Input): { readonly actor: string; readonly session: unknown } | undefined {
  if (token === undefined || token.split('.').length !== 3) return undefined
  const { sub = '', sid, act } = decodeJwt(token)
  expect(act, 'no test here acts for another').toBeUndefined()
  return { actor: sub, session: sid }
}

function tokenIn({ text }: Answer): string {
  const { accessToken, access_token: oauth } = z
    .object({ accessToken: z.string().optional(), access_token: z.string().optional() })
    .parse(JSON.parse(text))
  return accessToken ?? oauth ?? ''
}

function idsOf(calls: readonly Call[]): string[] {
  return [...new Set(calls.map(({ operation }) => operation.id))].toSorted()
}
