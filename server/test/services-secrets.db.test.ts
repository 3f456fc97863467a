import { validate } from '@agent-iam/contract/auth'
import { createServiceSecret, deleteServiceSecret, listServiceSecrets } from '@agent-iam/contract/services'
import { issueToken } from '@agent-iam/contract/token'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import { makeService, makeServiceWithSecret } from './services.ts'
import { openServer, type TestServer } from './test-server.ts'

describe.each(databases)('the secrets of services on %s', (_name, open) => {
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

  test('HTTP Basic proves as the body does, and both at once are refused', async () => {
    const { body, serviceId } = await makeServiceWithSecret(server, admin)
    const headers = { authorization: `Basic ${Buffer.from(`${serviceId}:${body.client_secret}`).toString('base64')}` }
    const grant = { grant_type: 'client_credentials' as const }
    await server.api.call(issueToken, { body: grant, headers })
    expect(await server.api.refuse(issueToken, { body, headers })).toMatchObject({ code: 'invalid-request' })
    const garbled = { authorization: `Basic ${Buffer.from('no colon').toString('base64')}` }
    expect(await server.api.refuse(issueToken, { body: grant, headers: garbled })).toMatchObject({
      code: 'invalid-request',
    })
  })

  test('an unknown client and a wrong secret are told in the same words', async () => {
    const { body } = await makeServiceWithSecret(server, admin)
    const agent = await makeAgent(server, admin)
    const wrong = [
      { ...body, client_secret: 'ais_wrong' },
      { ...body, client_id: `svc_${'1'.repeat(32)}` },
      { ...body, client_id: agent.id },
    ]
    const answers = await Promise.all(wrong.map((each) => server.api.refuse(issueToken, { body: each })))
    expect(new Set(answers.map(({ code, detail }) => `${code} ${detail}`)).size).toBe(1)
    expect(answers[0]?.code).toBe('invalid-credentials')
  })

  test('of two secrets each works, there is no third, and one that is deleted takes its tokens along', async () => {
    const { body, params, secretId } = await makeServiceWithSecret(server, admin)
    const second = await server.api.call(createServiceSecret, { params, token: admin })
    expect(await server.api.refuse(createServiceSecret, { params, token: admin })).toMatchObject({
      code: 'quota-spent',
    })
    const first = await server.api.call(issueToken, { body })
    const other = await server.api.call(issueToken, { body: { ...body, client_secret: second.secret } })
    const { secrets } = await server.api.call(listServiceSecrets, { params, token: admin })
    expect(secrets.map((each) => each.secretId)).toEqual([secretId, second.secretId])
    expect(JSON.stringify(secrets)).not.toContain(second.secret)
    const ended = await server.api.call(deleteServiceSecret, { params: { ...params, secretId }, token: admin })
    expect(ended).toEqual({ secretId, endedSessions: 1 })
    expect(await server.api.refuse(validate, { token: first.access_token })).toMatchObject({ code: 'token-revoked' })
    expect(await server.api.refuse(issueToken, { body })).toMatchObject({ code: 'invalid-credentials' })
    await server.api.call(validate, { token: other.access_token })
    expect(
      await server.api.refuse(deleteServiceSecret, { params: { ...params, secretId }, token: admin }),
    ).toMatchObject({ status: 404 })
  })

  test('of ten who make a secret at once, two do', async () => {
    const { serviceId } = await makeService(server, admin)
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => server.api.send(createServiceSecret, { params: { serviceId }, token: admin })),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(2)
  })

  test('a secret ends with its time', async () => {
    const { body } = await makeServiceWithSecret(server, admin)
    server.clock.advance(91 * 86_400)
    expect(await server.api.refuse(issueToken, { body })).toMatchObject({ code: 'invalid-credentials' })
  })

  test('only the digest of a secret is kept', async () => {
    const { body } = await makeServiceWithSecret(server, admin)
    const dump = await database.ask(`select t::text as text from service_secrets t`)
    expect(JSON.stringify(dump)).not.toContain(body.client_secret)
    expect(JSON.stringify(dump)).not.toContain(body.client_secret.slice(12))
  })

  test('what is deleted on one instance is refused on the other at once', async () => {
    const { body, params, secretId } = await makeServiceWithSecret(server, admin)
    const { access_token: token } = await server.api.call(issueToken, { body })
    const other = await server.beside()
    await other.api.call(validate, { token })
    await server.api.call(deleteServiceSecret, { params: { ...params, secretId }, token: admin })
    expect(await other.api.refuse(validate, { token })).toMatchObject({ code: 'token-revoked' })
    expect(await other.api.refuse(issueToken, { body })).toMatchObject({ code: 'invalid-credentials' })
  })
})
