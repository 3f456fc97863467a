import { listUsers } from '@agent-iam/contract/accounts'
import { getAgent } from '@agent-iam/contract/agents'
import { createApiKey, getApiKey } from '@agent-iam/contract/api-keys'
import { login, refresh } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import { listFactors } from '@agent-iam/contract/factors'
import { operations } from '@agent-iam/contract/operations'
import { createSdkToken, getSdkToken } from '@agent-iam/contract/sdk-tokens'
import { getService } from '@agent-iam/contract/services'
import { getSession } from '@agent-iam/contract/sessions'
import { issueToken } from '@agent-iam/contract/token'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { enrolPasskey, loginOptions } from './factors.ts'
import { makeServiceWithSecret } from './services.ts'
import { watchStatements } from './statements.ts'
import { openServer, type TestServer } from './test-server.ts'

/** Each name under which the contract says when something was used last. A new one gets a test below. */
const namesOfUse = ['lastActivity', 'lastUsedAt', 'uses']

test('the contract has no other fields that say when something was used', () => {
  const shown = operations.map(({ response }) =>
    JSON.stringify(z.toJSONSchema(response, { unrepresentable: 'any', io: 'output' })),
  )
  const found = shown.flatMap((text) => [...text.matchAll(/"(last[A-Z]\w*|uses)":\{/g)].map(([, name]) => name))
  expect(new Set(found)).toEqual(new Set(namesOfUse))
})

describe.each(databases)('when something was used last, on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  const minutes = 7
  const coarsenessMs = 60_000
  const question = { resource: 'file/a', action: 'read' }

  /** Time goes by, something is used, and what the server does each minute is done. Returns when it was used. */
  async function use(work: () => Promise<unknown>): Promise<number> {
    server.clock.advance(minutes * 60)
    const at = server.clock.now().getTime()
    await work()
    await server.app.flush()
    admin = await server.admin()
    return at
  }

  /** How far what is shown is from when it was used; not a number where nothing is shown. */
  const lagMs = (shown: string | null | undefined, at: number) => Math.abs(Date.parse(shown ?? '') - at)

  const sessionOf = async (token: string) => {
    const sessionId = z.templateLiteral(['ses_', z.string()]).parse(decodeJwt(token)['sid'])
    return server.api.call(getSession, { params: { sessionId }, token: admin })
  }

  test('an agent and its session follow each request, not only the login', async () => {
    admin = await server.admin()
    const agent = await makeAgent(server, admin)
    const { accessToken: token } = await loginAgent(server, agent)
    // The second time its caller is known from the first.
    await server.api.call(check, { body: question, token })
    const at = await use(() => server.api.call(check, { body: question, token }))
    expect(
      lagMs((await server.api.call(getAgent, { params: { agentId: agent.id }, token: admin })).lastActivity, at),
    ).toBeLessThanOrEqual(coarsenessMs)
    expect(lagMs((await sessionOf(token)).lastUsedAt, at)).toBeLessThanOrEqual(coarsenessMs)
  })

  test('a person and its session, and the refresh of its tokens', async () => {
    const user = await server.user('member')
    const at = await use(() => server.api.call(check, { body: question, token: user.token }))
    const { users } = await server.api.call(listUsers, { query: { limit: 100 }, token: admin })
    expect(lagMs(users.find(({ userId }) => userId === user.id)?.lastActivity, at)).toBeLessThanOrEqual(coarsenessMs)
    expect(lagMs((await sessionOf(user.token)).lastUsedAt, at)).toBeLessThanOrEqual(coarsenessMs)
    const body = { email: user.email, password: 'a long password for tests', tenant: 'default' }
    const { refreshToken, accessToken } = await server.api.call(login, { body })
    const refreshedAt = await use(() => server.api.call(refresh, { body: { refreshToken } }))
    expect(lagMs((await sessionOf(accessToken)).lastUsedAt, refreshedAt)).toBeLessThanOrEqual(coarsenessMs)
  })

  test('a service and its session', async () => {
    admin = await server.admin()
    const { serviceId, body } = await makeServiceWithSecret(server, admin)
    const { access_token: token } = await server.api.call(issueToken, { body })
    const at = await use(() => server.api.call(check, { body: question, token }))
    expect(
      lagMs((await server.api.call(getService, { params: { serviceId }, token: admin })).lastActivity, at),
    ).toBeLessThanOrEqual(coarsenessMs)
    expect(lagMs((await sessionOf(token)).lastUsedAt, at)).toBeLessThanOrEqual(coarsenessMs)
  })

  test('an API key', async () => {
    admin = await server.admin()
    const { apiKeyId, key } = await server.api.call(createApiKey, { body: { name: 'a key' }, token: admin })
    const at = await use(() => server.api.call(check, { body: question, token: key }))
    expect(
      lagMs((await server.api.call(getApiKey, { params: { apiKeyId }, token: admin })).lastUsedAt, at),
    ).toBeLessThanOrEqual(coarsenessMs)
  })

  test('an SDK token, with each request and each refresh', async () => {
    admin = await server.admin()
    const made = await server.api.call(createSdkToken, { body: { device: 'a laptop' }, token: admin })
    const params = { sdkTokenId: made.sdkTokenId }
    const at = await use(() => server.api.call(check, { body: question, token: made.accessToken }))
    expect(lagMs((await server.api.call(getSdkToken, { params, token: admin })).lastUsedAt, at)).toBeLessThanOrEqual(
      coarsenessMs,
    )
    const again = await use(() => server.api.call(refresh, { body: { refreshToken: made.refreshToken } }))
    const token = await server.api.call(getSdkToken, { params, token: admin })
    expect(lagMs(token.lastUsedAt, again)).toBeLessThanOrEqual(coarsenessMs)
    expect(token.uses).toBe(1)
  })

  test('a passkey', async () => {
    const user = await server.user('member')
    const { key, passkeyId } = await enrolPasskey(server, user.token)
    let token = ''
    const at = await use(async () => {
      const passkey = key.get(await loginOptions(server))
      token = (await server.api.call(login, { body: { passkey } })).accessToken
    })
    const { passkeys } = await server.api.call(listFactors, { token })
    expect(lagMs(passkeys.find((each) => each.passkeyId === passkeyId)?.lastUsedAt, at)).toBeLessThanOrEqual(
      coarsenessMs,
    )
  })

  test('no check writes for it', async () => {
    admin = await server.admin()
    const { accessToken: token } = await loginAgent(server, await makeAgent(server, admin))
    await server.api.call(check, { body: question, token })
    const watched = watchStatements()
    for (let n = 0; n < 20; n++) await server.api.call(check, { body: question, token })
    const writes = watched.stop().filter(({ text }) => /\bupdate\b/i.test(text) && /sessions|identities/.test(text))
    expect(writes).toEqual([])
  })
})
