import { operations } from '@agent-iam/contract/operations'
import type { Operation } from '@agent-iam/contract/operation'
import { check } from '@agent-iam/contract/authorization'
import { platformTenantId, type TenantId } from '@agent-iam/contract/ids'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSetup } from '../src/features/setup/service.ts'
import { attenuatedOfAdmin } from './biscuits.ts'
import { databases } from './databases.ts'
import { countRows } from './count-rows.ts'
import { callEveryOperation } from './every-success.ts'
import { absentHoldings, fill, filled, type Holdings } from './holdings.ts'
import type { Input, Refusal } from './test-api.ts'
import { openServer, startServer, type TestServer, type TestUser } from './test-server.ts'
import { TestClock } from './test-clock.ts'

/** Whoever adds to this list opens a door to strangers. */
const publicOperations = [
  'acceptInvitation',
  'acceptInvitationPage',
  'authzenConfiguration',
  'biscuitKeys',
  'biscuitRevocations',
  'completeSetup',
  'confirmRegistration',
  'confirmRegistrationPage',
  'docsPage',
  'forgotPassword',
  'getChallenge',
  'getRegistrationStatus',
  'getStatusList',
  'getTenantStatusList',
  'healthLive',
  'healthReady',
  'healthStartup',
  'homePage',
  'issueToken',
  'jwks',
  'listStatusLists',
  'listTenantStatusLists',
  'login',
  'metrics',
  'openapi',
  'passkeyLoginOptions',
  'refresh',
  'refreshSession',
  'registerUser',
  'resetPassword',
  'resetPasswordPage',
  'setupPage',
  'tenantAuthzenConfiguration',
  'tenantBiscuitKeys',
  'tenantBiscuitRevocations',
  'tenantJwks',
]

const isPublic = ({ action }: Operation) => action === 'public'
const closed = operations.filter((operation) => !isPublic(operation))
/** What is done in the platform's tenant, to others. */
const isForOperators = ({ action }: Operation) => action.startsWith('tenants:')
const acting = closed.filter(({ action }) => action !== 'self' && !action.endsWith(':read'))
/** What a token that was attenuated may be used for beside reading: to ask, to tell how it went, to lend what it has. */
const asking = ['check', 'bulkCheck', 'evaluate', 'evaluateAll', 'searchResources', 'searchActions']
const openToAttenuated = [...asking, 'reportResult', 'delegateAgent', 'validateToken', 'verifyBiscuit']
const closedToAttenuated = closed.filter(
  ({ id, method, action }) => method !== 'GET' && !action.endsWith(':read') && !openToAttenuated.includes(id),
)
/** What the product brings is everybody’s: a pack has a name, and is no tenant’s. */
const withIds = closed.filter(({ params, id }) => params !== undefined && id !== 'setPolicyPack')

test('just the operations of the committed list are public', () => {
  expect(
    operations
      .filter(isPublic)
      .map(({ id }) => id)
      .toSorted(),
  ).toEqual(publicOperations)
})

test.each(operations.map((operation) => [operation.id, operation] as const))(
  'the example of %s is accepted by its own schemas',
  (_id, { params, query, body, example }) => {
    expect(params?.safeParse(example.params).error).toBeUndefined()
    expect(query?.safeParse(example.query).error).toBeUndefined()
    expect(body?.safeParse(example.body).error).toBeUndefined()
  },
)

describe.each(databases)('every operation on %s', (_name, open) => {
  let server: TestServer
  let holdings: Holdings
  let foreign: { id: TenantId; admin: TestUser }
  let strangers = 0
  let attenuated: Promise<string> | undefined

  beforeAll(async () => {
    server = await openServer(await open())
    holdings = await fill(server, await server.admin())
    foreign = await server.tenant('foreign')
  })
  afterAll(() => server.close())

  test('has one route', () => {
    expect(server.app.routes.map(({ operation }) => operation.id).toSorted()).toEqual(
      operations.map(({ id }) => id).toSorted(),
    )
    for (const { operation } of server.app.routes) expect(operations).toContain(operation)
  })

  test.each(cases(closed))(
    '%s refuses who brings no token, and says so in the platform’s log',
    async (_id, operation) => {
      // Strangers' refusals are told one by one only to the first of a network in a minute.
      const problem = await server.api.refuse(operation, { ...operation.example, from: `10.${++strangers}.1.1` })
      expect(problem).toMatchObject({ status: 401, code: 'unauthenticated' })
      await expectEvent(platformTenantId, operation, problem)
    },
  )

  test.each(cases(closed))('%s refuses a token that is none', async (_id, operation) => {
    for (const token of ['nonsense', 'enr_nonsense', 'aik_nonsense', 'e30.e30.e30']) {
      const from = `10.${++strangers}.1.1`
      const problem = await server.api.refuse(operation, { ...operation.example, token, from })
      expect(problem).toMatchObject({ status: 401, code: 'invalid-token' })
      await expectEvent(platformTenantId, operation, problem)
    }
  })

  test.each(cases(acting))('%s refuses who may read but not act', async (_id, operation) => {
    const where = isForOperators(operation) ? platform : server.defaultTenant
    const { token, id } = await server.user('viewer', where)
    const before = await countRows(server.database)
    const problem = await server.api.refuse(operation, { ...filled(operation, holdings), token })
    expect(problem).toMatchObject({ status: 403, code: 'forbidden' })
    await expectEvent(where.id, operation, problem, id)
    expect(await countRows(server.database)).toEqual(before)
  })

  test.each(cases(closedToAttenuated))(
    '%s refuses a token that was attenuated, whatever its agent may',
    async (_id, operation) => {
      const token = await (attenuated ??= attenuatedOfAdmin(server, await server.admin()))
      const before = await countRows(server.database)
      const { code } = await server.api.refuse(operation, { ...filled(operation, holdings), token })
      expect(code).toMatch(
        isForOperators(operation) ? /^(insufficient-scope|forbidden|not-found)$/ : /^(insufficient-scope|forbidden)$/,
      )
      expect(await countRows(server.database)).toEqual(before)
    },
  )

  test.each(cases(withIds))('%s does not tell another tenant that the id exists', async (_id, operation) => {
    // Somebody's refusals are told one by one only so often a minute.
    const admin = await server.user('admin', { id: foreign.id, slug: foreign.admin.tenant })
    const before = await countRows(server.database)
    const input = filled(operation, holdings)
    const { requestId, ...problem } = await server.api.refuse(operation, { ...input, token: admin.token })
    expect(problem).toMatchObject({ status: 404, code: 'not-found' })
    await expectEvent(foreign.id, operation, { ...problem, requestId }, admin.id)
    expect(await countRows(server.database)).toEqual(before)
    // An id that nobody has gets the very same answer.
    const absent = filled(operation, absentHoldings)
    const { requestId: _, ...other } = await server.api.refuse(operation, { ...absent, token: admin.token })
    expect(withoutIds(problem)).toEqual(withoutIds(other))
  })

  test('no list shows another tenant’s rows', async () => {
    const lists = closed.filter((each) => isList(each) && !isForOperators(each))
    expect(lists.length).toBeGreaterThan(4)
    for (const operation of lists) {
      const { text, status } = await server.api.send(operation, { token: foreign.admin.token })
      expect(status, text).toBe(200)
      for (const id of Object.values(holdings)) expect(text, operation.id).not.toContain(id)
    }
  })

  test('a check for another tenant’s agent finds no such identity', async () => {
    const { agentId } = holdings
    const cedar = {
      principal: `AgentIam::Agent::"${agentId}"`,
      action: 'AgentIam::Action::"read"',
      resource: 'AgentIam::Resource::"a/b"',
    }
    for (const body of [{ agentId, resource: 'a/b', action: 'read' }, cedar]) {
      const problem = await server.api.refuse(check, { body, token: foreign.admin.token })
      expect(problem).toMatchObject({ status: 404, code: 'not-found' })
    }
  })

  test.each(cases(operations))('%s refuses garbage, and leaves nothing half-written', async (_id, operation) => {
    const admin = isPublic(operation) ? undefined : await server.user('admin')
    const tenantId = admin ? server.app.defaultTenantId : platformTenantId
    const before = await countRows(server.database)
    const all = garbage(operation, filled(operation, holdings))
    expect(all.length).toBeGreaterThan(0)
    for (const input of all) {
      const from = `10.${++strangers % 250}.${Math.floor(strangers / 250)}.1`
      const problem = await server.api.refuse(operation, { ...input, from, ...(admin && { token: admin.token }) })
      expect(problem, JSON.stringify(input)).toMatchObject({ status: 400, code: 'invalid-request' })
      await expectEvent(tenantId, operation, problem, admin?.id)
    }
    expect(await countRows(server.database)).toEqual(before)
  })

  // Hundreds of requests, some of which hash passwords.
  test('each, called well, answers as the contract says', { timeout: 120_000 }, async () => {
    const called = new Set<string>()
    const fresh = await startServer(await open(), { masterKey: Buffer.alloc(32, 7), clock: new TestClock() })
    fresh.api.onCall = ({ id }) => called.add(id)
    await callEveryOperation({
      server: fresh,
      setupToken: (await openSetup(fresh.app.system, { onlyOne: false })) ?? '',
    })
    await fresh.close()
    expect([...called].toSorted()).toEqual(operations.map(({ id }) => id).toSorted())
  })

  /** One event, in that log, with the code as its reason, the operation as its action, and who it was. */
  async function expectEvent(tenantId: TenantId, operation: Operation, problem: Refusal, actor = 'anonymous') {
    const expected = { action: operation.id, decision: 'deny', reasons: [problem.code], actor, data: { count: 1 } }
    expect(await server.refusals(tenantId, problem.requestId)).toMatchObject([expected])
  }
})

const platform = { id: platformTenantId, slug: 'platform' }

/** What must be told what to show is no list. */
const isList = ({ method, params, query, action }: Operation) =>
  method === 'GET' && !params && action !== 'self' && query?.safeParse({}).success !== false

function cases(some: readonly Operation[]) {
  expect(some.length).toBeGreaterThan(5)
  return some.map((operation) => [operation.id, operation] as const)
}

/** Requests with one thing wrong each: body, query and path in turn. */
function garbage({ params, body, method, refusesIn }: Operation, good: Input): Input[] {
  // AuthZEN's objects are open, and its refusals are text.
  const misspelt = refusesIn === undefined ? [{ ...Object(good.body), misspelt: true }] : []
  const bodies = ['no JSON', '{"cut": ', 7, ...misspelt, ...(body ? [[]] : [])]
  const ofBody = method === 'GET' ? [] : bodies.map((sent) => ({ ...good, body: sent }))
  const ofPath = params === undefined ? [] : ['nonsense', `agt_${'A'.repeat(32)}`, "' or 1=1 --"]
  return [
    ...ofBody,
    { ...good, query: { ...Object(good.query), misspelt: 'x' } },
    // A name that a tenant may give is none.
    ...ofPath
      .map((id) => Object.fromEntries(Object.keys(Object(good.params)).map((name) => [name, id])))
      .filter((sent) => params?.safeParse(sent).success === false)
      .map((sent) => ({ ...good, params: sent })),
  ]
}

function withoutIds(problem: object): string {
  return JSON.stringify(problem).replaceAll(/[0-9a-f]{32}/g, '…')
}
