import { changeAgentOwner } from '@agent-iam/contract/agent-life'
import { getAgent, registerAgent } from '@agent-iam/contract/agents'
import { createApiKey, deleteApiKey, rotateApiKey } from '@agent-iam/contract/api-keys'
import { getChallenge, validate } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import { createClient, deleteClient } from '@agent-iam/contract/clients'
import { confirmCreation, type Creation, type CreationKind, listCreations } from '@agent-iam/contract/creations'
import { createEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import { grantAgentCapability, listAgentCapabilities } from '@agent-iam/contract/grants'
import type { AgentId, ApiKeyId } from '@agent-iam/contract/ids'
import { setUserRole } from '@agent-iam/contract/members'
import { assignRole, createRole } from '@agent-iam/contract/roles'
import { createService, createServiceSecret } from '@agent-iam/contract/services'
import { issueToken } from '@agent-iam/contract/token'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aKey, loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { proof } from './factors.ts'
import { registerApp, tokensOf } from './oauth-clients.ts'
import { listen, type OauthServer } from './oauth-server.ts'
import { bySecret } from './services.ts'
import type { TestServer } from './test-server.ts'

describe.each(databases)('what others make with a person’s authority, on %s', (_kind, open) => {
  let oauth: OauthServer
  let server: TestServer
  let admin: string
  let made = 0

  beforeAll(async () => {
    oauth = await listen(await open())
    server = oauth.server
    admin = await server.admin()
  })
  afterAll(() => server.close())

  const nextName = () => `made ${++made}`

  /** Whether an agent may read a file, asked by an administrator. */
  const mayRead = async (agentId: AgentId) =>
    (await server.api.call(check, { body: { agentId, resource: 'file/p/a', action: 'read' }, token: admin })).allowed

  /** An agent whose key the registrant brings: others than people get no private key. */
  const bringAgent = async (token: string) => {
    const { publicKey, privateKey } = aKey()
    const name = nextName()
    const body = { name, publicKey, capabilities: ['file/p/*:read'] }
    const { agentId } = await server.api.call(registerAgent, { body, token })
    const agent = { id: agentId, name, privateKey }
    await loginAgent(server, agent)
    return agent
  }

  const consented = [
    'agent-iam/api-keys:create',
    'agent-iam/services*:*',
    'agent-iam/agents*:*',
    'agent-iam/enrolment-tokens*:*',
    'agent-iam/capabilities*:grant',
    'agent-iam/clients*:*',
    'file/p/*:read',
  ]

  /** What an application creates for the person who let it in, and what each of it may afterwards. */
  const createAll = async (token: string) => {
    const { key } = await server.api.call(createApiKey, { body: { name: nextName(), expiresInDays: 365 }, token })
    const service = { name: nextName(), capabilities: ['file/p/*:read'] }
    const { serviceId } = await server.api.call(createService, { body: service, token })
    const { secret } = await server.api.call(createServiceSecret, { params: { serviceId }, token })
    const enrolment = { name: nextName(), ceiling: ['file/p/*:read'], quota: 5, ttlSeconds: 3600 }
    const { token: enrolmentToken } = await server.api.call(createEnrolmentToken, { body: enrolment, token })
    const agent = await bringAgent(token)
    const enrolled = await makeAgent(server, enrolmentToken, ['file/p/*:read'])
    const outsider = await makeAgent(server, admin)
    await server.api.call(grantAgentCapability, {
      params: { agentId: outsider.id },
      body: { capability: 'file/p/*:read' },
      token,
    })
    return async () => ({
      key: (await server.api.send(validate, { token: key })).status,
      secret: (await server.api.send(issueToken, { body: bySecret(serviceId, secret) })).status,
      enrolment: (await server.api.send(registerAgent, { body: { name: nextName() }, token: enrolmentToken })).status,
      agent: await mayRead(agent.id),
      enrolled: await mayRead(enrolled.id),
      outsider: await mayRead(outsider.id),
      login:
        (await server.api.send(getChallenge, { params: { agentId: agent.id } })).status === 200 &&
        (await loginAgent(server, agent).then(
          () => 200,
          () => 401,
        )),
    })
  }
  const living = { key: 200, secret: 200, enrolment: 201, agent: true, enrolled: true, outsider: true, login: 200 }
  const ended = { key: 401, secret: 401, enrolment: 401, agent: false, enrolled: false, outsider: false, login: 401 }

  test('what an application creates for a person ends with the person’s consent', async () => {
    const { config, clientId } = await registerApp(oauth, admin)
    const { access_token: token } = await tokensOf(oauth, config, { scope: consented.join(' ') })
    const states = await createAll(token)
    expect(await states()).toEqual(living)
    await server.api.call(deleteClient, { params: { clientId }, token: admin })
    expect(await states()).toEqual(ended)
  })

  test('what an API key registers ends with the key', async () => {
    const { key, apiKeyId } = await server.api.call(createApiKey, { body: { name: nextName() }, token: admin })
    const agent = await bringAgent(key)
    const agentId = agent.id
    const { accessToken } = await loginAgent(server, agent)
    expect(await mayRead(agentId)).toBe(true)
    await server.api.call(deleteApiKey, { params: { apiKeyId }, token: admin })
    expect(await mayRead(agentId)).toBe(false)
    expect((await server.api.send(validate, { token: accessToken })).status).toBe(401)
  })

  const creations = async (token = admin) =>
    (await server.api.call(listCreations, { query: { limit: 200 }, token })).creations
  const confirm = ({ creationId }: Pick<Creation, 'creationId'>, token = admin) => ({
    params: { creationId },
    body: { proof },
    token,
  })

  test('what the person confirms stands by itself', async () => {
    const { config, clientId } = await registerApp(oauth, admin)
    const { access_token: token } = await tokensOf(oauth, config, { scope: consented.join(' ') })
    const states = await createAll(token)
    const app = { name: nextName(), redirectUris: ['https://other.example/callback'] }
    const other = await server.api.call(createClient, { body: app, token })
    const source = { method: 'oauth', clientId, name: 'An app' }
    const listed = (await creations()).filter((each) => each.source.clientId === clientId)
    const kinds: CreationKind[] = ['client', 'agent', 'agent', 'enrolmentToken', 'secret', 'service', 'apiKey']
    expect(listed.map(({ kind }) => kind)).toEqual(kinds)
    for (const creation of listed) {
      expect(creation.source).toMatchObject(source)
      const { creationId } = creation
      expect(await server.api.call(confirmCreation, confirm(creation))).toEqual({ creationId, confirmed: true })
      expect((await creations()).map((each) => each.creationId)).not.toContain(creationId)
    }
    await server.api.call(deleteClient, { params: { clientId }, token: admin })
    // The grant to somebody else was not confirmed: the person gives it again.
    expect(await states()).toEqual({ ...living, outsider: false })
    await server.api.call(deleteClient, { params: { clientId: other.clientId }, token: admin })
  })

  /** An agent that an API key of a person registered. */
  const agentByKey = async (token: string) => {
    const { key, apiKeyId } = await server.api.call(createApiKey, { body: { name: nextName() }, token })
    const { id: creationId } = await bringAgent(key)
    return { creationId, apiKeyId, key }
  }
  const deleteKey = (apiKeyId: ApiKeyId) => server.api.call(deleteApiKey, { params: { apiKeyId }, token: admin })

  test('an agent that an API key registered, confirmed, outlives the key', async () => {
    const { apiKeyId, ...agent } = await agentByKey(admin)
    const ends = async () => {
      const params = { agentId: agent.creationId }
      const { grants } = await server.api.call(listAgentCapabilities, { params, token: admin })
      return [(await server.api.call(getAgent, { params, token: admin })).expiresAt, grants[0]?.expiresAt]
    }
    const before = await ends()
    expect(before).toEqual([expect.any(String), expect.any(String)])
    await server.api.call(confirmCreation, confirm(agent))
    expect(await ends()).toEqual(before)
    await deleteKey(apiKeyId)
    expect(await mayRead(agent.creationId)).toBe(true)
  })

  test('the person may give an agent another end', async () => {
    const agent = await agentByKey(admin)
    const input = confirm(agent)
    const past = { ...input.body, expiresAt: server.clock.now().toISOString() }
    expect(await server.api.refuse(confirmCreation, { ...input, body: past })).toMatchObject({
      code: 'invalid-request',
    })
    const never = { ...input.body, expiresAt: null }
    await server.api.call(confirmCreation, { ...input, body: never })
    const params = { agentId: agent.creationId }
    const { grants } = await server.api.call(listAgentCapabilities, { params, token: admin })
    expect(grants).toMatchObject([{ expiresAt: null }])
    expect((await server.api.call(getAgent, { params, token: admin })).expiresAt).toBeNull()
  })

  test('a grant that ends before the agent keeps its end', async () => {
    const { creationId, key } = await agentByKey(admin)
    const expiresAt = new Date(server.clock.now().getTime() + 60_000).toISOString()
    const params = { agentId: creationId }
    const body = { capability: 'file/q/*:read', expiresAt }
    await server.api.call(grantAgentCapability, { params, body, token: key })
    const input = confirm({ creationId })
    await server.api.call(confirmCreation, { ...input, body: { ...input.body, expiresAt: null } })
    const { grants } = await server.api.call(listAgentCapabilities, { params, token: admin })
    expect(grants.map((grant) => [grant.capability, grant.expiresAt])).toEqual([
      ['file/p/*:read', null],
      ['file/q/*:read', expiresAt],
    ])
  })

  test('what a confirmed key made lives on with the key, also after a rotation', async () => {
    const { config, clientId } = await registerApp(oauth, admin)
    const scope = [...consented, 'agent-iam/api-keys*:*'].join(' ')
    const { access_token: token } = await tokensOf(oauth, config, { scope })
    const { key, apiKeyId } = await server.api.call(createApiKey, { body: { name: nextName() }, token })
    const agent = await bringAgent(key)
    await server.api.call(rotateApiKey, { params: { apiKeyId }, token })
    await server.api.call(confirmCreation, confirm({ creationId: apiKeyId }))
    await server.api.call(deleteClient, { params: { clientId }, token: admin })
    expect(await mayRead(agent.id)).toBe(true)
  })

  test('what another session granted in the person’s name is confirmed with the agent', async () => {
    const first = await agentByKey(admin)
    const other = await server.api.call(createApiKey, { body: { name: nextName() }, token: admin })
    const params = { agentId: first.creationId }
    await server.api.call(grantAgentCapability, { params, body: { capability: 'file/q/*:read' }, token: other.key })
    await server.api.call(confirmCreation, confirm(first))
    for (const { apiKeyId } of [first, other]) await deleteKey(apiKeyId)
    const question = { agentId: first.creationId, resource: 'file/q/a', action: 'read' }
    expect(await server.api.call(check, { body: question, token: admin })).toMatchObject({ allowed: true })
  })

  test('who owned an agent before neither sees nor confirms it', async () => {
    const [before, after] = [await server.user('admin'), await server.user('admin')]
    const agent = await agentByKey(before.token)
    const params = { agentId: agent.creationId }
    await server.api.call(changeAgentOwner, { params, body: { owner: after.id }, token: admin })
    expect((await creations(before.token)).map(({ creationId }) => creationId)).not.toContain(agent.creationId)
    expect(await server.api.refuse(confirmCreation, confirm(agent, before.token))).toMatchObject({ code: 'not-found' })
  })

  test('a token is confirmed while machines register by it', async () => {
    const { config } = await registerApp(oauth, admin)
    const { access_token: token } = await tokensOf(oauth, config, { scope: consented.join(' ') })
    const body = { name: nextName(), ceiling: ['file/p/*:read'], quota: 500, ttlSeconds: 3600 }
    const { token: enrolment, enrolmentTokenId } = await server.api.call(createEnrolmentToken, { body, token })
    const statuses = new Set<number>()
    const register = async (): Promise<void> => {
      statuses.add((await server.api.send(registerAgent, { body: { name: nextName() }, token: enrolment })).status)
    }
    const inARow = async (count: number): Promise<void> => {
      for (let done = 0; done < count; done++) await register()
    }
    const machines = Array.from({ length: 4 }, () => inARow(12))
    const confirmed = await server.api.send(confirmCreation, confirm({ creationId: enrolmentTokenId }))
    await Promise.all(machines)
    expect([confirmed.status, ...statuses]).toEqual([200, 201])
  })

  test('a wrong proof confirms nothing', async () => {
    const { apiKeyId, ...agent } = await agentByKey(admin)
    const body = { proof: { type: 'password', password: 'not the password' } } as const
    expect(await server.api.refuse(confirmCreation, { ...confirm(agent), body })).toMatchObject({
      code: 'invalid-credentials',
    })
    await deleteKey(apiKeyId)
    expect(await mayRead(agent.creationId)).toBe(false)
  })

  test('what ended with its source comes back by no confirmation', async () => {
    const { apiKeyId, ...agent } = await agentByKey(admin)
    await deleteKey(apiKeyId)
    expect(await server.api.refuse(confirmCreation, confirm(agent))).toMatchObject({ code: 'not-found' })
    expect(await mayRead(agent.creationId)).toBe(false)
  })

  test('nobody sees or confirms what was made with the authority of another', async () => {
    const other = await server.user('admin')
    const agent = await agentByKey(other.token)
    expect((await creations()).map((each) => each.creationId)).not.toContain(agent.creationId)
    expect(await server.api.refuse(confirmCreation, confirm(agent))).toMatchObject({ code: 'not-found' })
    await server.api.call(confirmCreation, confirm(agent, other.token))
  })

  test('who may no longer make it confirms it no longer', async () => {
    const person = await server.user('admin')
    const agent = await agentByKey(person.token)
    const params = { userId: person.id }
    await server.api.call(setUserRole, { params, body: { role: 'viewer' }, token: admin })
    expect(await server.api.refuse(confirmCreation, confirm(agent, person.token))).toMatchObject({ code: 'forbidden' })
    const role = { name: nextName(), permissions: [{ permission: 'agent-iam/agents*:register' }] }
    const { roleId } = await server.api.call(createRole, { body: role, token: admin })
    await server.api.call(assignRole, { params: { roleId, identityId: person.id }, body: {}, token: admin })
    expect(await server.api.refuse(confirmCreation, confirm(agent, person.token))).toMatchObject({
      code: 'capability-exceeded',
    })
  })

  test('no application confirms for the person, whatever it was let do', async () => {
    const { config } = await registerApp(oauth, admin)
    const scope = [...consented, 'agent-iam/own-creations:*'].join(' ')
    const { access_token: token } = await tokensOf(oauth, config, { scope })
    const { id: creationId } = await bringAgent(token)
    expect(await server.api.refuse(confirmCreation, confirm({ creationId }, token))).toMatchObject({
      code: 'forbidden',
    })
  })

  test('the list goes on where a page ended', async () => {
    const { token } = await server.user('admin')
    const first = await agentByKey(token)
    const second = await bringAgent(first.key)
    const read = (cursor?: string | null) =>
      server.api.call(listCreations, { query: { limit: 1, ...(cursor && { cursor }) }, token })
    const page = await read()
    expect(page.creations.map((each) => each.creationId)).toEqual([second.id])
    const next = await read(page.nextCursor)
    expect(next).toMatchObject({ creations: [{ creationId: first.creationId }], nextCursor: null })
  })
})
