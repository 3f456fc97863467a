import { setTimeout as sleep } from 'node:timers/promises'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { validate } from '@agent-iam/contract/auth'
import { createService, createServiceSecret, deleteServiceSecret, suspendService } from '@agent-iam/contract/services'
import type { AgentId } from '@agent-iam/contract/ids'
import { issueToken } from '@agent-iam/contract/token'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { listAllKeys, revokeKeys } from '../src/features/credentials/service.ts'
import { findAgentForUpdate } from '../src/features/identities/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { assertion, makeAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import { asAgent, insecure } from './oauth-clients.ts'
import { listen, type OauthServer } from './oauth-server.ts'
import { type TestServer } from './test-server.ts'

let made = 0

describe.each(databases)('tokens for client credentials on %s', (_name, open) => {
  let database: TestDatabase
  let oauth: OauthServer
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    database = await open()
    oauth = await listen(database)
    server = oauth.server
  })
  beforeEach(async () => {
    admin = await server.admin()
  })
  afterAll(() => server.close())

  async function makeClient(capabilities = ['file/docs/*:read']) {
    const body = { name: `client ${++made}`, capabilities }
    const { serviceId } = await server.api.call(createService, { body, token: admin })
    const params = { serviceId }
    const { secret, secretId } = await server.api.call(createServiceSecret, { params, token: admin })
    const grant = { grant_type: 'client_credentials' as const, client_id: serviceId, client_secret: secret }
    return { params, secret, secretId, grant }
  }

  test('both token endpoints make the same claims', async () => {
    const { params, secret, grant } = await makeClient()
    const scope = 'file/docs/*:read'
    const ours = await server.api.call(issueToken, { body: { ...grant, scope } })
    const proof = client.ClientSecretPost(secret)
    const config = await client.discovery(new URL(oauth.issuer), params.serviceId, {}, proof, insecure)
    const theirs = await client.clientCredentialsGrant(config, { scope })
    const [a, b] = [decodeJwt(ours.access_token), decodeJwt(theirs.access_token)]
    expect(Object.keys(a).toSorted()).toEqual(Object.keys(b).toSorted())
    for (const claim of ['iss', 'sub', 'aud', 'client_id', 'tenant', 'scope']) expect(a[claim], claim).toEqual(b[claim])
    expect((a.exp ?? 0) - (a.iat ?? 0)).toBe((b.exp ?? 0) - (b.iat ?? 0))
    expect(a['sid']).not.toBe(b['sid'])
    expect(decodeProtectedHeader(ours.access_token)).toEqual(decodeProtectedHeader(theirs.access_token))
    expect(ours.expires_in).toBe(theirs.expires_in)
  })

  test('of many who ask at once, each gets its own answer and its own event', async () => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => makeClient()))
    const stopped = await makeClient()
    await server.api.call(suspendService, { params: stopped.params, token: admin })
    const bodies = [
      ...clients.map(({ grant }) => grant),
      ...clients.map(({ grant }) => ({ ...grant, client_secret: `${grant.client_secret}x` })),
      ...clients.map(({ grant }) => ({ ...grant, scope: 'file/*:read' })),
      stopped.grant,
      ...clients.map(({ grant }) => grant),
    ]
    const answers = await Promise.all(
      bodies.map((body, place) => server.api.send(issueToken, { body, from: `10.0.0.${place}` })),
    )
    const outcomes = answers.map(({ status, text }) => (status === 200 ? 'token' : String(JSON.parse(text).code)))
    expect(outcomes).toEqual([
      ...clients.map(() => 'token'),
      ...clients.map(() => 'invalid-credentials'),
      ...clients.map(() => 'capability-exceeded'),
      'identity-inactive',
      ...clients.map(() => 'token'),
    ])
    const tokens = answers.flatMap(({ status, text }) =>
      status === 200 ? [String(JSON.parse(text).access_token)] : [],
    )
    expect(tokens.map((token) => decodeJwt(token).sub)).toEqual(
      [...clients, ...clients].map(({ params }) => params.serviceId),
    )
    expect(new Set(tokens.map((token) => decodeJwt(token)['sid'])).size).toBe(16)
    const query = { actor: clients[0]?.params.serviceId ?? '', type: 'session.started' }
    const { events } = await server.api.call(listAuditEvents, { query, token: admin })
    expect(new Set(events.map(({ personal }) => personal?.['address']))).toEqual(new Set(['10.0.0.0', '10.0.0.25']))
    expect(new Set(events.map(({ requestId }) => requestId)).size).toBe(2)
  })

  test('a credential that ends while its token is being made has proved nothing, at either endpoint', async () => {
    const agent = await makeAgent(server, admin)
    const { credentials } = await assertion(agent, server, { claims: { aud: oauth.issuer } })
    const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' as const
    const proof = { client_assertion_type: type, client_assertion: credentials.token }
    const body = { grant_type: 'client_credentials' as const, client_id: agent.id, ...proof }
    const ours = await whileHeld(agent.id, () => server.api.refuse(issueToken, { body }))
    expect(ours).toMatchObject({ code: 'invalid-credentials' })

    const other = await makeAgent(server, admin)
    const config = await asAgent(oauth.issuer, other)
    // PGlite has one session, so there the provider looks only when all is over, and knows no key of the client.
    const refused = { error: expect.stringMatching(/^invalid_(grant|client)$/) }
    await whileHeld(other.id, () => expect(client.clientCredentialsGrant(config)).rejects.toMatchObject(refused))
  })

  /** The agent's keys are revoked by who holds it, while another has proved it already and waits to hold it too. */
  async function whileHeld<Result>(id: AgentId, ask: () => Promise<Result>): Promise<Result> {
    const asked = await inTransaction(server.inTenant(server.app.defaultTenantId), async (tx) => {
      await findAgentForUpdate(tx, id)
      const asking = ask()
      await sleep(500)
      await revokeKeys(
        tx,
        id,
        (await listAllKeys(tx, id, 10)).map(({ thumbprint }) => thumbprint),
      )
      return [asking]
    })
    const [asking = ask()] = asked
    return asking
  }

  test('no token outlives the secret that it was made with, on either of two instances', async () => {
    const other = await server.beside()
    const { params, secretId, grant } = await makeClient()
    const first = await server.api.call(issueToken, { body: grant })
    const asked = Array.from({ length: 40 }, (_, n) => (n % 2 ? other : server).api.send(issueToken, { body: grant }))
    const deleted = server.api.call(deleteServiceSecret, { params: { ...params, secretId }, token: admin })
    const answers = await Promise.all(asked)
    await deleted
    const tokens = answers.flatMap(({ status, text }) =>
      status === 200 ? [String(JSON.parse(text).access_token)] : [],
    )
    for (const token of [first.access_token, ...tokens])
      for (const each of [server, other])
        expect(await each.api.refuse(validate, { token })).toMatchObject({ code: 'token-revoked' })
    expect(await other.api.refuse(issueToken, { body: grant })).toMatchObject({ code: 'invalid-credentials' })
  })
})
