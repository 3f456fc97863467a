import { suspendAgent } from '@agent-iam/contract/agents'
import { createResource } from '@agent-iam/contract/clients'
import { createPrivateKey } from 'node:crypto'
import { registerAgent } from '@agent-iam/contract/agents'
import { StatusListVerifier } from '@agent-iam/sdk'
import { decodeJwt } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { asAgent, insecure } from './oauth-clients.ts'
import { listen, type OauthServer } from './oauth-server.ts'
import type { TestUser } from './test-server.ts'

const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
const files = 'https://files.example'

describe.each(databases)('tokens for other resource servers on %s', (_name, open) => {
  let oauth: OauthServer
  let admin: string
  let owner: TestUser
  let agent: TestAgent

  beforeAll(async () => {
    oauth = await listen(await open())
    admin = await oauth.server.admin()
    owner = await oauth.server.user('manager')
    const body = { name: 'an agent of a person' }
    const { agentId, privateKey = '' } = await oauth.server.api.call(registerAgent, { body, token: owner.token })
    agent = { id: agentId, name: body.name, privateKey: createPrivateKey(privateKey) }
    const resource = { resource: files, name: 'Files', scopes: ['files:read'], introspectedBy: [] }
    await oauth.server.api.call(createResource, { body: resource, token: admin })
  })
  afterAll(() => oauth.server.close())

  const verifier = () => new StatusListVerifier({ issuer: oauth.issuer, clock: oauth.server.clock })

  test('the issuer’s metadata says where its lists are', async () => {
    const config = await client.discovery(new URL(oauth.issuer), 'nobody', undefined, undefined, insecure)
    const place = `${oauth.issuer}/status-lists`
    expect(config.serverMetadata()).toMatchObject({ status_list_aggregation_endpoint: place })
    expect((await fetch(place)).status).toBe(200)
  })

  test('an exchanged token names its status, by which a resource server sees offline that its agent was stopped', async () => {
    const parameters = { subject_token: owner.token, subject_token_type: accessToken, resource: files }
    const { access_token: token } = await client.genericGrantRequest(
      await asAgent(oauth.issuer, agent),
      grant,
      parameters,
    )
    const claims = decodeJwt(token)
    expect(await verifier().statusOfToken(claims)).toBe('valid')
    const body = { reason: 'it read too much' }
    await oauth.server.api.call(suspendAgent, { params: { agentId: agent.id }, body, token: admin })
    oauth.server.clock.advance(16)
    expect(await verifier().statusOfToken(claims)).toBe('suspended')
  })

  test('a machine’s token for another names its status, one for our own API does not', async () => {
    const machine = await makeAgent(oauth.server, admin, ['files:read'])
    const config = await asAgent(oauth.issuer, machine)
    const { access_token: theirs } = await client.clientCredentialsGrant(config, { resource: files })
    expect(await verifier().statusOfToken(decodeJwt(theirs))).toBe('valid')
    const { access_token: ours } = await client.clientCredentialsGrant(config)
    expect(decodeJwt(ours)).not.toHaveProperty('status')
  })
})
