import { validate } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import {
  createService,
  createServiceSecret,
  deleteService,
  getService,
  listServices,
  reactivateService,
  suspendService,
} from '@agent-iam/contract/services'
import { issueToken } from '@agent-iam/contract/token'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import { bySecret, makeService, makeServiceWithSecret } from './services.ts'
import { openServer, publicUrl, type TestServer, uuidOf } from './test-server.ts'

describe.each(databases)('services on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
    admin = await server.admin()
  })
  afterAll(() => server.close())

  test('a service is made, owned by its maker, listed, and proved by its secret', async () => {
    const { body, serviceId } = await makeServiceWithSecret(server, admin)
    const answer = await server.api.call(issueToken, { body })
    expect(answer).toMatchObject({ token_type: 'Bearer', expires_in: 900, scope: 'file/docs/*:read' })
    expect(await server.api.call(validate, { token: answer.access_token })).toMatchObject({ identityId: serviceId })
    expect(decodeJwt(answer.access_token)).toMatchObject({
      iss: publicUrl,
      sub: serviceId,
      client_id: serviceId,
      aud: `${publicUrl}/api`,
    })
    const { services } = await server.api.call(listServices, { query: { limit: 200 }, token: admin })
    expect(services.find((each) => each.serviceId === serviceId)).toMatchObject({
      status: 'active',
      capabilities: ['file/docs/*:read'],
    })
  })

  test('a scope narrows the token, at checks and at the platform alike; more than is held is refused', async () => {
    const { body } = await makeServiceWithSecret(server, admin, [
      'file/docs/*:read',
      'file/docs/*:write',
      'agent-iam/agents*:read',
      'agent-iam/policies*:read',
    ])
    const scope = 'file/docs/*:read agent-iam/agents*:read'
    const answer = await server.api.call(issueToken, { body: { ...body, scope } })
    expect(answer.scope).toBe(scope)
    const token = answer.access_token
    const ask = async (action: string) =>
      (await server.api.call(check, { body: { resource: 'file/docs/a', action }, token })).decision
    expect([await ask('read'), await ask('write')]).toEqual(['allow', 'deny'])
    expect(
      await server.api.refuse(createServiceSecret, { params: { serviceId: body.client_id }, token }),
    ).toMatchObject({ status: 404 })
    const more = { ...body, scope: 'file/*:read' }
    expect(await server.api.refuse(issueToken, { body: more })).toMatchObject({ code: 'capability-exceeded' })
    const label = { ...body, scope: 'everything' }
    expect(await server.api.refuse(issueToken, { body: label })).toMatchObject({ code: 'invalid-request' })
  })

  test('without a scope the default scopes count', async () => {
    const { body } = await makeServiceWithSecret(server, admin, ['a:read', 'a:write'], { defaultScopes: ['a:read'] })
    const { scope, access_token: token } = await server.api.call(issueToken, { body })
    expect(scope).toBe('a:read')
    const { decision } = await server.api.call(check, { body: { resource: 'a/1', action: 'write' }, token })
    expect(decision).toBe('deny')
    const outside = { name: 'outside', capabilities: ['a:read'], defaultScopes: ['a:write'] }
    expect(await server.api.refuse(createService, { body: outside, token: admin })).toMatchObject({
      code: 'capability-exceeded',
    })
  })

  test('a token for another resource is not given, and the answer says which it could be', async () => {
    const { body } = await makeServiceWithSecret(server, admin)
    await server.api.call(issueToken, { body: { ...body, resource: `${publicUrl}/api` } })
    const problem = await server.api.refuse(issueToken, { body: { ...body, resource: 'https://elsewhere.example' } })
    expect(problem).toMatchObject({ code: 'invalid-request', detail: expect.stringMatching(`${publicUrl}/api`) })
  })

  test('suspended, a service gets no token and those it has are worth nothing; reactivated, the old ones stay so', async () => {
    const { body, params } = await makeServiceWithSecret(server, admin)
    const { access_token: token } = await server.api.call(issueToken, { body })
    await server.api.call(suspendService, { params, token: admin })
    expect(await server.api.refuse(issueToken, { body })).toMatchObject({ code: 'identity-inactive' })
    expect(await server.api.refuse(validate, { token })).toMatchObject({ status: 401, code: 'token-revoked' })
    await server.api.call(reactivateService, { params, token: admin })
    await server.api.call(issueToken, { body })
    expect(await server.api.refuse(validate, { token })).toMatchObject({ code: 'token-revoked' })
    await server.api.call(deleteService, { params, token: admin })
    expect(await server.api.refuse(issueToken, { body })).toMatchObject({ code: 'invalid-credentials' })
    expect(await server.api.refuse(reactivateService, { params, token: admin })).toMatchObject({ code: 'wrong-state' })
  })

  test('the owner looks after a service without any role, and nobody makes a secret that can do more than its maker', async () => {
    const manager = await server.user('manager')
    const service = await server.api.call(createService, { body: { name: 'of another' }, token: admin })
    const strong = await makeService(server, admin, ['agent-iam:*'])
    await database.ask(`update identities set owner_id = $1 where id = $2`, [
      uuidOf(manager.id),
      uuidOf(strong.serviceId),
    ])
    await database.ask(`delete from role_assignments where identity_id = $1`, [uuidOf(manager.id)])
    const params = { serviceId: strong.serviceId }
    await server.api.call(getService, { params, token: manager.token })
    expect(await server.api.refuse(createServiceSecret, { params, token: manager.token })).toMatchObject({
      code: 'capability-exceeded',
    })
    expect(
      await server.api.refuse(getService, { params: { serviceId: service.serviceId }, token: manager.token }),
    ).toMatchObject({ status: 404 })
    await server.api.call(suspendService, { params, token: manager.token })
    await server.api.call(deleteService, { params, token: manager.token })
  })

  test('names are taken for agents and services alike', async () => {
    const { name } = await makeService(server, admin)
    expect(await server.api.refuse(createService, { body: { name }, token: admin })).toMatchObject({
      code: 'already-exists',
    })
    const agent = await makeAgent(server, admin)
    expect(await server.api.refuse(createService, { body: { name: agent.name }, token: admin })).toMatchObject({
      code: 'already-exists',
    })
  })

  test('a client of another tenant is proved there, and its token is of that issuer', async () => {
    const { admin: foreign, id } = await server.tenant('foreign')
    const service = await server.api.call(createService, { body: { name: 'foreign' }, token: foreign.token })
    const params = { serviceId: service.serviceId }
    const { secret } = await server.api.call(createServiceSecret, { params, token: foreign.token })
    const answer = await server.api.call(issueToken, { body: bySecret(service.serviceId, secret) })
    expect(decodeJwt(answer.access_token)).toMatchObject({ iss: `${publicUrl}/t/${id}`, tenant: id })
    expect(await server.api.refuse(getService, { params, token: admin })).toMatchObject({ status: 404 })
  })
})
