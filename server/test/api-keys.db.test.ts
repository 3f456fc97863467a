import {
  apiKeysMax,
  createApiKey,
  deleteApiKey,
  disableApiKey,
  enableApiKey,
  getApiKey,
  listApiKeys,
  rotateApiKey,
} from '@agent-iam/contract/api-keys'
import { listAgents, registerAgent, suspendAgent, reactivateAgent } from '@agent-iam/contract/agents'
import { validate } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import { createSdkToken } from '@agent-iam/contract/sdk-tokens'
import { createService, createServiceSecret, suspendService } from '@agent-iam/contract/services'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { aKey, makeAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import { openServer, type TestServer } from './test-server.ts'

let made = 0

describe.each(databases)('API keys on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
  })
  beforeEach(async () => {
    admin = await server.admin()
  })
  afterAll(() => server.close())

  const make = (token: string, more: object = {}) =>
    server.api.call(createApiKey, { body: { name: `key ${++made}`, ...more }, token })
  const works = (key: string) => server.api.call(validate, { token: key })
  const refusal = async (key: string) => (await server.api.refuse(validate, { token: key })).code

  test('a key acts as who made it, in either header but not in both', async () => {
    const user = await server.user('viewer')
    const { key, prefix, apiKeyId, status } = await make(user.token)
    expect([key.slice(0, 12), prefix.length, status]).toEqual([prefix, 12, 'active'])
    expect(await works(key)).toMatchObject({ userId: user.id })
    const headers = { 'x-api-key': key }
    expect(await server.api.call(validate, { headers })).toMatchObject({ userId: user.id })
    expect(await server.api.refuse(validate, { headers, token: key })).toMatchObject({ code: 'invalid-request' })
    expect(await server.api.refuse(validate, { headers, token: user.token })).toMatchObject({ code: 'invalid-request' })
    expect(await server.api.refuse(validate, { headers: { authorization: `DPoP ${key}` } })).toMatchObject({
      status: 401,
    })
    const shown = await server.api.call(getApiKey, { params: { apiKeyId }, token: user.token })
    expect(JSON.stringify(shown)).not.toContain(key)
  })

  test('what is no key is refused, whatever it is', async () => {
    const { key } = await make(admin)
    const near = key.slice(0, -1) + (key.endsWith('A') ? 'B' : 'A')
    for (const wrong of [near, 'aik_', 'aik_nonsense', key.slice(0, 12), key.toUpperCase(), `${key}A`])
      for (const headers of [{ 'x-api-key': wrong }, { authorization: `Bearer ${wrong}` }])
        expect(await server.api.refuse(validate, { headers }), wrong).toMatchObject({ status: 401 })
    expect(await server.api.refuse(validate, { headers: { 'x-api-key': '' } })).toMatchObject({ code: 'invalid-token' })
  })

  test('only digests are kept', async () => {
    const { key } = await make(admin)
    const tables = ['api_keys', 'api_key_secrets', 'sessions']
    const dumps = tables.map((table) => `select t::text as text from ${table} t`)
    const text = JSON.stringify(await database.ask(dumps.join(' union all ')))
    expect(text).toContain(key.slice(0, 12))
    expect(text).not.toContain(key.slice(12))
  })

  test('its scopes narrow it, at checks and at the platform alike', async () => {
    const { key } = await make(admin, { scopes: ['agent-iam/agents*:read', 'file/docs/*:read'] })
    await server.api.call(listAgents, { token: key })
    const body = { name: 'no such agent', publicKey: aKey().publicKey }
    const refused = await server.api.refuse(registerAgent, { body, token: key })
    expect(refused).toMatchObject({ status: 403, code: 'insufficient-scope' })
    const ask = async (action: string) =>
      (await server.api.call(check, { body: { resource: 'file/docs/a', action }, token: key })).decision
    expect([await ask('read'), await ask('write')]).toEqual(['allow', 'deny'])
  })

  test('nobody makes a key that can do more than it can', async () => {
    const member = await server.user('member')
    const body = { name: `key ${++made}`, scopes: ['agent-iam/agents*:register'] }
    expect(await server.api.refuse(createApiKey, { body, token: member.token })).toMatchObject({
      code: 'capability-exceeded',
    })
    await make(member.token, { scopes: ['agent-iam/agents*:read'] })
  })

  test('a key makes and changes no credentials, not even its own', async () => {
    const { key, apiKeyId } = await make(admin)
    const { serviceId } = await server.api.call(createService, { body: { name: `service ${++made}` }, token: admin })
    const params = { apiKeyId }
    const attempts = [
      server.api.refuse(createApiKey, { body: { name: 'another' }, token: key }),
      server.api.refuse(createServiceSecret, { params: { serviceId }, token: key }),
      server.api.refuse(createService, { body: { name: `service ${++made}` }, token: key }),
      server.api.refuse(rotateApiKey, { params, token: key }),
      server.api.refuse(disableApiKey, { params, token: key }),
      server.api.refuse(deleteApiKey, { params, token: key }),
    ]
    for (const problem of await Promise.all(attempts)) expect(problem).toMatchObject({ status: 403, code: 'forbidden' })
    await server.api.call(getApiKey, { params, token: key })
    await works(key)
  })

  test('the secret of a person’s key is learnt by that person alone; an administrator can stop it', async () => {
    const user = await server.user('viewer')
    const { key, apiKeyId } = await make(user.token)
    const params = { apiKeyId }
    expect(await server.api.refuse(rotateApiKey, { params, token: admin })).toMatchObject({ code: 'forbidden' })
    expect(await works(key)).toMatchObject({ userId: user.id })
    await server.api.call(disableApiKey, { params, token: admin })
    expect(await refusal(key)).toBe('token-revoked')
    await server.api.call(enableApiKey, { params, token: user.token })
    const { key: next } = await server.api.call(rotateApiKey, { params, token: user.token })
    expect(await works(next)).toMatchObject({ userId: user.id })
  })

  test('an SDK token makes no key that outlives it, and learns the secret of none', async () => {
    const user = await server.user('viewer')
    const { apiKeyId } = await make(user.token)
    const device = await server.api.call(createSdkToken, { body: { device: 'a laptop' }, token: user.token })
    const attempts = [
      server.api.refuse(createApiKey, { body: { name: `key ${++made}` }, token: device.accessToken }),
      server.api.refuse(rotateApiKey, { params: { apiKeyId }, token: device.accessToken }),
    ]
    for (const problem of await Promise.all(attempts)) expect(problem).toMatchObject({ code: 'forbidden' })
  })

  test('what a narrowed session makes for another stays narrow when that is given more', async () => {
    const agent = await makeAgent(server, admin, ['file/docs/*:read'])
    const scopes = ['agent-iam/api-keys:create', 'agent-iam/agents*:*', 'file/*:*']
    const narrow = await server.api.call(createSdkToken, { body: { device: 'narrow', scopes }, token: admin })
    const narrowed = await make(narrow.accessToken, { for: agent.id })
    expect(narrowed.scopes).toEqual(['file/docs/*:read'])
  })

  test('the owner makes keys for its agents and services, and they act as those', async () => {
    const agent = await makeAgent(server, admin, ['file/docs/*:read'])
    const { key } = await make(admin, { for: agent.id, scopes: ['file/docs/a:read'] })
    expect(await works(key)).toMatchObject({ agentId: agent.id })
    const { serviceId } = await server.api.call(createService, { body: { name: `service ${++made}` }, token: admin })
    const ofService = await make(admin, { for: serviceId })
    expect(await works(ofService.key)).toMatchObject({ identityId: serviceId })
    const more = { name: `key ${++made}`, for: agent.id, scopes: ['file/*:read'] }
    expect(await server.api.refuse(createApiKey, { body: more, token: admin })).toMatchObject({
      code: 'capability-exceeded',
    })
  })

  test('a stranger makes no keys for an agent, and another tenant’s administrator does not learn that it is', async () => {
    const agent = await makeAgent(server, admin)
    const body = { name: `key ${++made}`, for: agent.id }
    const viewer = await server.user('viewer')
    const nobody = await server.user()
    const foreign = await server.tenant(`tenant-${++made}`)
    expect(await server.api.refuse(createApiKey, { body, token: viewer.token })).toMatchObject({ code: 'forbidden' })
    expect(await server.api.refuse(createApiKey, { body, token: nobody.token })).toMatchObject({ code: 'not-found' })
    expect(await server.api.refuse(createApiKey, { body, token: foreign.admin.token })).toMatchObject({
      code: 'not-found',
    })
  })

  test('the key of a suspended identity does not work, and works again with it', async () => {
    const agent = await makeAgent(server, admin)
    const { key } = await make(admin, { for: agent.id })
    const params = { agentId: agent.id }
    await server.api.call(suspendAgent, { params, token: admin })
    expect(await refusal(key)).toBe('identity-inactive')
    expect(
      await server.api.refuse(createApiKey, { body: { name: 'more', for: agent.id }, token: admin }),
    ).toMatchObject({ code: 'identity-inactive' })
    await server.api.call(reactivateAgent, { params, token: admin })
    await works(key)
    const { serviceId } = await server.api.call(createService, { body: { name: `service ${++made}` }, token: admin })
    const ofService = await make(admin, { for: serviceId })
    await server.api.call(suspendService, { params: { serviceId }, token: admin })
    expect(await refusal(ofService.key)).toBe('identity-inactive')
  })

  test('disabled it does not work, enabled it does, deleted never again', async () => {
    const { key, apiKeyId } = await make(admin)
    const params = { apiKeyId }
    expect(await server.api.call(disableApiKey, { params, token: admin })).toMatchObject({ status: 'disabled' })
    expect(await refusal(key)).toBe('token-revoked')
    expect(await server.api.refuse(disableApiKey, { params, token: admin })).toMatchObject({ code: 'wrong-state' })
    expect(await server.api.refuse(rotateApiKey, { params, token: admin })).toMatchObject({ code: 'wrong-state' })
    await server.api.call(enableApiKey, { params, token: admin })
    await works(key)
    await server.api.call(deleteApiKey, { params, token: admin })
    expect(await refusal(key)).toBe('invalid-token')
    expect(await server.api.refuse(enableApiKey, { params, token: admin })).toMatchObject({ code: 'not-found' })
  })

  test('rotated without a grace, the secret before ends at once; with one, when it is over', async () => {
    const first = await make(admin)
    const params = { apiKeyId: first.apiKeyId }
    const second = await server.api.call(rotateApiKey, { params, token: admin })
    expect(await refusal(first.key)).toBe('invalid-token')
    await works(second.key)
    const third = await server.api.call(rotateApiKey, { params, body: { graceSeconds: 600 }, token: admin })
    expect(third.prefix).toBe(third.key.slice(0, 12))
    await Promise.all([works(second.key), works(third.key)])
    server.clock.advance(601)
    expect(await refusal(second.key)).toBe('token-revoked')
    await works(third.key)
  })

  test('a second rotation within the grace leaves one secret before, and a disabled key none', async () => {
    const first = await make(admin)
    const params = { apiKeyId: first.apiKeyId }
    const rotate = () => server.api.call(rotateApiKey, { params, body: { graceSeconds: 600 }, token: admin })
    const second = await rotate()
    const third = await rotate()
    expect(await refusal(first.key)).toBe('invalid-token')
    await works(second.key)
    await server.api.call(disableApiKey, { params, token: admin })
    await server.api.call(enableApiKey, { params, token: admin })
    expect(await refusal(second.key)).toBe('invalid-token')
    await works(third.key)
  })

  test('it ends with its time', async () => {
    const { key, apiKeyId } = await make(admin, { expiresInDays: 1 })
    server.clock.advance(86_401)
    expect(await refusal(key)).toBe('token-revoked')
    const token = await server.admin()
    const params = { apiKeyId }
    expect(await server.api.call(getApiKey, { params, token })).toMatchObject({ status: 'expired' })
    expect(await server.api.refuse(rotateApiKey, { params, token })).toMatchObject({ code: 'wrong-state' })
  })

  test('each sees its own keys and those it made; all of them, who may', async () => {
    const user = await server.user()
    const agent = await makeAgent(server, admin)
    const own = await make(user.token)
    const forAgent = await make(admin, { for: agent.id })
    const list = async (token: string, whose: 'own' | 'all' = 'own') =>
      (await server.api.call(listApiKeys, { query: { whose, limit: 200 }, token })).apiKeys.map(
        ({ apiKeyId }) => apiKeyId,
      )
    expect(await list(user.token)).toEqual([own.apiKeyId])
    expect(await list(forAgent.key)).toEqual([forAgent.apiKeyId])
    expect(await list(admin)).toContain(forAgent.apiKeyId)
    expect(await list(admin)).not.toContain(own.apiKeyId)
    expect(await list(admin, 'all')).toContain(own.apiKeyId)
    const all = { query: { whose: 'all' as const }, token: user.token }
    expect(await server.api.refuse(listApiKeys, all)).toMatchObject({ code: 'forbidden' })
    expect(
      await server.api.refuse(getApiKey, { params: { apiKeyId: forAgent.apiKeyId }, token: user.token }),
    ).toMatchObject({ code: 'not-found' })
    await server.api.call(disableApiKey, { params: { apiKeyId: own.apiKeyId }, token: user.token })
  })

  test('its last use is written down, once a minute', async () => {
    const { key, apiKeyId, lastUsedAt } = await make(admin)
    const last = async () => (await server.api.call(getApiKey, { params: { apiKeyId }, token: admin })).lastUsedAt
    expect(lastUsedAt).toBeNull()
    await works(key)
    const first = await last()
    await works(key)
    expect(await last()).toBe(first)
    server.clock.advance(61)
    await works(key)
    expect(Date.parse((await last()) ?? '')).toBeGreaterThan(Date.parse(first ?? ''))
  })

  test('an identity has so many keys and no more, however many are made at once', async () => {
    const user = await server.user()
    for (let n = 0; n < apiKeysMax - 2; n++) await make(user.token)
    const body = { name: 'one of five' }
    const answers = await Promise.all(
      [1, 2, 3, 4, 5].map(() => server.api.send(createApiKey, { body, token: user.token })),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(2)
  })

  test('disabled on one instance, it is refused on the other at once', async () => {
    const { key, apiKeyId } = await make(admin)
    const other = await server.beside()
    await other.api.call(validate, { token: key })
    await server.api.call(disableApiKey, { params: { apiKeyId }, token: admin })
    expect(await other.api.refuse(validate, { token: key })).toMatchObject({ code: 'token-revoked' })
  })
})
