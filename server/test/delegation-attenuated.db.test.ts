import { rotateAgentKey } from '@agent-iam/contract/agent-keys'
import { getAgent, updateAgent } from '@agent-iam/contract/agents'
import { validate } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import { mintBiscuit, revokeBiscuit, verifyBiscuit } from '@agent-iam/contract/biscuits'
import { delegateAgent } from '@agent-iam/contract/delegation'
import type { Restriction } from '@agent-iam/standards/biscuit/attenuate'
import { decodeJwt } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent, newKey, type TestAgent } from './agents.ts'
import { narrow } from './biscuits.ts'
import { databases } from './databases.ts'
import { asAgent } from './oauth-clients.ts'
import { listen, type OauthServer } from './oauth-server.ts'

const delegate = 'agent-iam/agents*:delegate'
const update = 'agent-iam/agents*:update'
const held = [delegate, 'file/docs/*:read', 'file/docs/*:write']
const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'

describe.each(databases)('what is made with an attenuated token on %s', (_name, open) => {
  let oauth: OauthServer
  let agent: TestAgent
  let whole: string
  let made = 0

  beforeAll(async () => {
    oauth = await listen(await open())
    agent = await makeAgent(oauth.server, await oauth.server.admin(), held)
    const { accessToken } = await loginAgent(oauth.server, agent)
    whole = (await oauth.server.api.call(mintBiscuit, { body: {}, token: accessToken })).token
  })
  afterAll(() => oauth.server.close())

  const child = (token: string, wanted: object = {}) =>
    oauth.server.api.call(delegateAgent, {
      body: { name: `child ${++made}`, capabilities: ['file/docs/*:read', 'file/docs/*:write'], ...wanted },
      token,
    })
  const attenuated = (restriction: Restriction) => narrow(oauth.server, whole, restriction)
  const ask = (token: string, action: string, resource = 'file/docs/a') =>
    oauth.server.api.call(check, { body: { resource, action }, token })

  test('a child comes with a Biscuit of its own session, if one is asked for', async () => {
    const { agentId, biscuit, token } = await child(whole, { biscuit: true, taskId: 'task-7' })
    if (!biscuit) throw new Error('the child got no Biscuit')
    const [byJwt, byBiscuit] = await Promise.all(
      [token.accessToken, biscuit.token].map((each) => oauth.server.api.call(validate, { token: each })),
    )
    expect(byBiscuit).toMatchObject({ agentId, sessionId: byJwt?.sessionId })
    expect(await ask(biscuit.token, 'read')).toMatchObject({ allowed: true, chain: [agent.id, agentId] })
    const narrower = await narrow(oauth.server, biscuit.token, { operations: ['read'] })
    expect(await ask(narrower, 'read')).toMatchObject({ allowed: true })
    const denied = await ask(narrower, 'write')
    expect(denied).toMatchObject({ allowed: false, deniedBy: { identityId: agentId, hop: 0 } })
    expect(denied.reasons).toMatchObject([{ policyId: 'system:guard-attenuation' }])
  })

  test('the blocks bind a child, whatever it was granted and however it logs in', async () => {
    const token = await attenuated({ operations: ['delegate', 'read'] })
    const bound = await child(token)
    expect(await ask(bound.token.accessToken, 'read')).toMatchObject({ allowed: true })
    const denied = await ask(bound.token.accessToken, 'write')
    expect(denied).toMatchObject({ allowed: false, deniedBy: { identityId: bound.agentId, hop: 0 } })
    expect(denied.reasons).toContainEqual(expect.objectContaining({ policyId: 'system:guard-attenuation' }))
    // A Biscuit of its own would not tell others of the blocks.
    const wider = { body: { name: 'bound', biscuit: true, capabilities: [] }, token }
    expect(await oauth.server.api.refuse(delegateAgent, wider)).toMatchObject({ code: 'capability-exceeded' })
    const admin = await oauth.server.admin()
    const asked = { agentId: bound.agentId, resource: 'file/docs/a', action: 'write' }
    expect(await oauth.server.api.call(check, { body: asked, token: admin })).toMatchObject({ allowed: false })
  })

  test('blocks that do not let it delegate let it make no child', async () => {
    for (const restriction of [{ operations: ['read'] }, { resourcePrefix: 'file/docs/' }]) {
      const token = await attenuated(restriction)
      const body = { name: `child ${++made}`, capabilities: [] }
      expect(await oauth.server.api.refuse(delegateAgent, { body, token })).toMatchObject({ status: 403 })
    }
  })

  test('it is exchanged only within its blocks, and only for our own API', async () => {
    const token = await attenuated({ operations: ['read'] })
    const config = await asAgent(oauth.issuer, agent)
    const parameters = { subject_token: token, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' }
    const exchanged = await client.genericGrantRequest(config, exchange, parameters)
    expect(decodeJwt(exchanged.access_token)).toMatchObject({ sub: agent.id, aud: `${oauth.issuer}/api` })
    expect(await ask(exchanged.access_token, 'read')).toMatchObject({ allowed: true })
    expect(await ask(exchanged.access_token, 'write')).toMatchObject({ allowed: false })
    const params = { agentId: agent.id }
    expect(await oauth.server.api.refuse(mintBiscuit, { body: {}, token: exchanged.access_token })).toMatchObject({
      status: 403,
    })
    expect(await oauth.server.api.refuse(getAgent, { params, token: exchanged.access_token })).toMatchObject({
      status: 403,
    })
  })

  test('who was made within blocks grants nothing that they would not bind', async () => {
    const admin = await oauth.server.admin()
    const other = await makeAgent(oauth.server, admin)
    const maker = await makeAgent(oauth.server, admin, [...held, update])
    const { accessToken } = await loginAgent(oauth.server, maker)
    const { token: own } = await oauth.server.api.call(mintBiscuit, { body: {}, token: accessToken })
    const token = await narrow(oauth.server, own, { operations: ['delegate', 'read', 'rotate-key', 'update'] })
    const limited = await child(token, { capabilities: [...held, update] })
    const bound = limited.token.accessToken
    const below = (await child(bound, { capabilities: [update, 'file/docs/*:write'] })).token.accessToken
    const change = { params: { agentId: other.id }, body: { capabilities: ['file/docs/*:write'] } }
    // Who may not even see the other agent finds none.
    for (const each of [token, bound, below])
      expect([403, 404]).toContain((await oauth.server.api.refuse(updateAgent, { ...change, token: each })).status)
    await oauth.server.api.call(updateAgent, { ...change, token: accessToken })
    // Its own key it replaces: that gives nobody anything.
    const body = newKey(oauth.server, limited.agentId)
    await oauth.server.api.call(rotateAgentKey, { params: { agentId: limited.agentId }, body, token: bound })
  })

  test('a block that is revoked is so for what was exchanged or made with it', async () => {
    const admin = await oauth.server.admin()
    const token = await attenuated({ operations: ['delegate', 'read'] })
    const bound = await child(token)
    const config = await asAgent(oauth.issuer, agent)
    const parameters = { subject_token: token, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' }
    const exchanged = await client.genericGrantRequest(config, exchange, parameters)
    const read = await oauth.server.api.call(verifyBiscuit, { body: { token }, token: admin })
    const revocationId = read.valid ? read.revocationIds[1] : undefined
    await oauth.server.api.call(revokeBiscuit, { body: { revocationId: revocationId ?? '' }, token: admin })
    const asked = { body: { resource: 'file/docs/a', action: 'read' }, token: exchanged.access_token }
    expect(await oauth.server.api.refuse(check, asked)).toMatchObject({ code: 'token-revoked' })
    expect(await ask(bound.token.accessToken, 'read')).toMatchObject({ allowed: false })
    expect(await ask(whole, 'read')).toMatchObject({ allowed: true })
  })
})
