import { rotateAgentKey } from '@agent-iam/contract/agent-keys'
import { registerAgent } from '@agent-iam/contract/agents'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { delegateAgent } from '@agent-iam/contract/delegation'
import { bulkIdentities, createIdentity } from '@agent-iam/contract/identities'
import type { IdentityId } from '@agent-iam/contract/ids'
import { setUserRole } from '@agent-iam/contract/members'
import type { Operation } from '@agent-iam/contract/operation'
import { operations } from '@agent-iam/contract/operations'
import { issueToken } from '@agent-iam/contract/token'
import { importUsers } from '@agent-iam/contract/users'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { oauthMethod } from '../src/features/clients/model.ts'
import { assignRole } from '../src/features/capabilities/service.ts'
import { derivedRefusals, type Derived } from '../src/features/policies/model.ts'
import { apiKeyMethod, sdkTokenMethod, tokenExchangeMethod } from '../src/features/sessions/model.ts'
import { startSession, type SessionStart } from '../src/features/sessions/start.ts'
import { signTokens } from '../src/features/tokens/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { aKey, loginAgent, makeAgent } from './agents.ts'
import { attenuatedOfAdmin } from './biscuits.ts'
import { databases } from './databases.ts'
import { countRows } from './count-rows.ts'
import { absentHoldings, fill, filled, type Holdings } from './holdings.ts'
import { makeServiceWithSecret } from './services.ts'
import { openServer, type TestServer } from './test-server.ts'

const guard = 'system:guard-derived-credential'
const keyGuard = 'system:guard-private-key'
const closed = operations.filter(({ action }) => action !== 'public')
const actionOf = ({ action, selfAction }: Operation) => (action === 'self' ? selfAction : action) ?? ''
/** Those of identities go by the action of the kind; those of operators are in another tenant; `self` asks nobody. */
const isAuthorisedByItself = ({ action }: Operation) => action !== 'self' && !/^(tenants|identities):/.test(action)
/** Refusals that are told one by one in a minute, with room for others’. */
const perMinute = 15

describe.each(databases)('derived credentials on %s', (_name, open) => {
  let server: TestServer
  let holdings: Holdings
  let made = 0

  beforeAll(async () => {
    server = await openServer(await open())
    holdings = await fill(server, await server.admin())
  })
  afterAll(() => server.close())

  async function sessionOf(identityId: IdentityId, start: SessionStart): Promise<string> {
    const ctx = server.inTenant(server.defaultTenant.id)
    const grant = await inTransaction(ctx, (tx) => startSession(tx, identityId, start))
    return (await signTokens(ctx, grant)).accessToken
  }

  async function adminAgent() {
    const agent = await makeAgent(server, await server.admin())
    await inTransaction(server.inTenant(server.defaultTenant.id), (tx) => assignRole(tx, agent.id, 'admin'))
    return agent
  }

  async function apiKeyOfAdmin(): Promise<string> {
    const { token } = await server.user('admin')
    return (await server.api.call(createApiKey, { body: { name: `whole key ${++made}` }, token })).key
  }

  async function exchangedOfAdmin(): Promise<string> {
    const { id } = await server.user('admin')
    return sessionOf(id, { method: tokenExchangeMethod, actors: [(await adminAgent()).id] })
  }

  const attenuated = async () => attenuatedOfAdmin(server, await server.admin())

  /** Of an agent that an administrator’s attenuated token made: it holds all that can be delegated. */
  async function childOfAttenuated(): Promise<string> {
    const body = { name: `child ${++made}`, capabilities: ['agent-iam:*', '*:*'] }
    const { token } = await server.api.call(delegateAgent, { body, token: await attenuated() })
    return token.accessToken
  }

  async function expectGuarded(operation: Operation, token: string) {
    for (const some of [holdings, absentHoldings]) {
      const problem = await server.api.refuse(operation, { ...filled(operation, some), token })
      expect(problem.code, operation.id).toMatch(/^(forbidden|insufficient-scope)$/)
      expect(problem.detail, operation.id).toMatch(/log in as|whole token/)
      const data = { policyIds: [guard] }
      expect(await server.refusals(server.defaultTenant.id, problem.requestId), operation.id).toMatchObject([{ data }])
    }
  }

  const kinds: [Derived, () => Promise<string>][] = [
    ['api-key', apiKeyOfAdmin],
    ['exchanged', exchangedOfAdmin],
    ['attenuated', attenuated],
  ]

  test.each(kinds)(
    '%s, though of an administrator, does nothing that makes authority, and the event names the guard',
    { timeout: 240_000 },
    async (kind, login) => {
      const guarded = closed.filter((operation) => derivedRefusals(actionOf(operation))?.includes(kind))
      expect(guarded.length).toBeGreaterThan(40)
      for (let place = 0; place < guarded.length; place += perMinute) {
        server.clock.advance(61)
        const token = await login()
        const before = await countRows(server.database)
        for (const operation of guarded.slice(place, place + perMinute)) await expectGuarded(operation, token)
        expect(await countRows(server.database)).toEqual(before)
      }
    },
  )

  test(
    'an identity that was made with an attenuated token makes no authority either',
    { timeout: 240_000 },
    async () => {
      const kind = 'attenuated-parent'
      const guarded = closed.filter(
        (each) => isAuthorisedByItself(each) && derivedRefusals(actionOf(each))?.includes(kind),
      )
      expect(guarded.length).toBeGreaterThan(40)
      for (let place = 0; place < guarded.length; place += perMinute) {
        server.clock.advance(61)
        const token = await childOfAttenuated()
        const before = await countRows(server.database)
        for (const operation of guarded.slice(place, place + perMinute)) {
          const { status } = await server.api.send(operation, { ...filled(operation, holdings), token })
          expect(status, operation.id).toBeGreaterThan(399)
        }
        expect(await countRows(server.database)).toEqual(before)
      }
    },
  )

  describe('what stands for its own identity is not refused by the guard', () => {
    const own: [string, () => Promise<string>][] = [
      ['a person’s login', async () => (await server.user('admin')).token],
      ['an SDK token', async () => sessionOf((await server.user('admin')).id, { method: sdkTokenMethod })],
      ['an OAuth client for a person', async () => sessionOf((await server.user('admin')).id, { method: oauthMethod })],
      ['a service with its secret', serviceLogin],
      ['an agent with its key', async () => (await loginAgent(server, await adminAgent())).accessToken],
    ]

    test.each(own)('%s', { timeout: 240_000 }, async (_who, login) => {
      const token = await login()
      for (const operation of closed.filter((each) => derivedRefusals(actionOf(each))?.includes('api-key'))) {
        const answer = await server.api.send(operation, { ...filled(operation, absentHoldings), token })
        expect(answer.text, operation.id).not.toMatch(/an API key may not|acts for another|was attenuated/)
      }
    })
  })

  async function serviceLogin(): Promise<string> {
    const service = await makeServiceWithSecret(server, await server.admin(), [])
    await inTransaction(server.inTenant(server.defaultTenant.id), (tx) => assignRole(tx, service.serviceId, 'admin'))
    return (await server.api.call(issueToken, { body: service.body })).access_token
  }

  describe('a private key that the server makes', () => {
    const refused: [string, () => Promise<string>][] = [
      ['an API key', apiKeyOfAdmin],
      ['an SDK token', async () => sessionOf((await server.user('admin')).id, { method: sdkTokenMethod })],
      ['an OAuth client for a person', async () => sessionOf((await server.user('admin')).id, { method: oauthMethod })],
      ['a service with its secret', serviceLogin],
    ]

    test.each(refused)('is not returned to %s, who may register an agent by its public key', async (_who, login) => {
      const token = await login()
      const body = { name: `agent without a key ${++made}`, capabilities: [] }
      const asked = [
        () => server.api.refuse(registerAgent, { body, token }),
        () => server.api.refuse(createIdentity, { body: { kind: 'agent', ...body }, token }),
      ]
      for (const ask of asked) {
        const { requestId, ...problem } = await ask()
        expect(problem).toMatchObject({ code: 'forbidden', detail: expect.stringContaining('send publicKey') })
        const [event] = await server.refusals(server.defaultTenant.id, requestId)
        expect(event).toMatchObject({ data: { policyIds: expect.arrayContaining([keyGuard]) } })
      }
      const items = [{ op: 'create', identity: { kind: 'agent', ...body } }]
      const { results } = await server.api.call(bulkIdentities, { body: { items }, token })
      expect(results).toMatchObject([{ status: 403, problem: { detail: expect.stringContaining('send publicKey') } }])
      const { publicKey } = aKey()
      const registered = await server.api.call(registerAgent, { body: { ...body, publicKey }, token })
      expect(registered).not.toHaveProperty('privateKey')
    })

    test('is returned to a person’s login', async () => {
      const { token } = await server.user('admin')
      const body = { name: `agent with a key ${++made}` }
      expect(await server.api.call(registerAgent, { body, token })).toHaveProperty('privateKey')
    })

    test('is not returned to the agent whose key is replaced, but to the person who answers for it', async () => {
      const person = await server.user('admin')
      const agent = await makeAgent(server, person.token)
      const asked = { params: { agentId: agent.id }, body: {} }
      const { accessToken } = await loginAgent(server, agent)
      expect(await server.api.refuse(rotateAgentKey, { ...asked, token: accessToken })).toMatchObject({
        code: 'forbidden',
        detail: expect.stringContaining('send publicKey'),
      })
      expect(await server.api.call(rotateAgentKey, { ...asked, token: person.token })).toHaveProperty('privateKey')
    })
  })

  test('an administrator’s API key makes nobody an administrator', async () => {
    const token = await apiKeyOfAdmin()
    const user = await server.user('viewer')
    expect(await server.api.refuse(importUsers, { ...importUsers.example, token })).toMatchObject({ code: 'forbidden' })
    const asked = { params: { userId: user.id }, body: { role: 'admin' }, token } as const
    expect(await server.api.refuse(setUserRole, asked)).toMatchObject({ code: 'forbidden' })
  })

  test('the session of a key is known by its method', async () => {
    const { id } = await server.user('admin')
    const token = await sessionOf(id, { method: apiKeyMethod })
    expect(await server.api.refuse(importUsers, { ...importUsers.example, token })).toMatchObject({ code: 'forbidden' })
  })
})
