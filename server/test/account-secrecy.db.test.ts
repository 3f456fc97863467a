import { forgotPassword } from '@agent-iam/contract/accounts'
import { getChallenge, login } from '@agent-iam/contract/auth'
import type { AgentId } from '@agent-iam/contract/ids'
import { registerUser } from '@agent-iam/contract/registrations'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent, signed } from './agents.ts'
import { databases } from './databases.ts'
import { watchStatements } from './statements.ts'
import { anotherSender } from './senders.ts'
import { openServer, type TestServer } from './test-server.ts'

describe.each(databases)('whether an address has an account, on %s,', (_name, open) => {
  let server: TestServer

  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  test('a challenge is the same for an agent of any tenant and for nobody', async () => {
    const other = await server.tenant('far-away')
    const foreign = await makeAgent(server, other.admin.token)
    const own = await makeAgent(server, await server.admin())
    const shapeOf = async (agentId: AgentId, query = {}) => {
      const seen = watchStatements()
      const { challenge } = await server.api.call(getChallenge, { params: { agentId }, query })
      return [seen.stop().length, challenge.split(' ')[1]]
    }
    const nobody = newId()
    for (const query of [{}, { issuer: server.app.system.keys.issuerOf(other.id) }]) {
      const shapes = [await shapeOf(nobody, query), await shapeOf(own.id, query), await shapeOf(foreign.id, query)]
      expect(shapes).toEqual([shapes[0], shapes[0], shapes[0]])
    }
    const elsewhere = { params: { agentId: own.id }, query: { issuer: 'https://elsewhere.example' } }
    expect((await server.api.refuse(getChallenge, elsewhere)).code).toBe('invalid-request')
    expect(await loginAgent(server, foreign)).toMatchObject({ tokenType: 'Bearer' })
    const { challenge } = await server.api.call(getChallenge, {
      params: { agentId: foreign.id },
      query: { issuer: server.app.system.keys.issuerOf(other.id) },
    })
    expect(await server.api.call(login, { body: signed(foreign, challenge) })).toMatchObject({ tokenType: 'Bearer' })
  })

  function newId(): AgentId {
    return server.app.system.newId('agent')
  }

  /** The statements that a request makes, without what differs from one request to the next by itself. */
  async function statementsOf(request: () => Promise<unknown>): Promise<string[]> {
    const seen = watchStatements()
    await request()
    return seen.stop().map(({ text }) => text.replaceAll(/app\.tenant = '[^']*'/g, 'app.tenant = …'))
  }

  test('a forgotten password does not tell by what it does', async () => {
    const { email } = await server.user('member')
    const forget = (body: { email: string; tenant?: string }) =>
      statementsOf(() => server.api.call(forgotPassword, { body, from: anotherSender() }))
    const known = await forget({ email })
    expect(known.length).toBeGreaterThan(5)
    expect(await forget({ email: 'nobody@example.com' })).toEqual(known)
    expect(await forget({ email, tenant: 'nowhere' })).toEqual(known)
  })

  test('a registration does not tell by what it does', async () => {
    const { email } = await server.user('member')
    const register = (address: string) => {
      const body = { email: address, name: 'Edith', password: 'seven grey herons by the weir' }
      return statementsOf(() => server.api.call(registerUser, { body, from: anotherSender() }))
    }
    // The month's key for personal fields is made by the first, and known by heart after the second.
    for (const address of ['first@example.com', 'second@example.com']) await register(address)
    const known = await register(email)
    expect(known.length).toBeGreaterThan(10)
    expect(await register('fresh@example.com')).toEqual(known)
  })
})
