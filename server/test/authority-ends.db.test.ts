import { suspendUser } from '@agent-iam/contract/accounts'
import { registerAgent, suspendAgent, reactivateAgent } from '@agent-iam/contract/agents'
import { revokeAgent } from '@agent-iam/contract/agent-life'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { check } from '@agent-iam/contract/authorization'
import { delegateAgent, moveAgent } from '@agent-iam/contract/delegation'
import { createEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import {
  grantAgentCapability,
  grantIdentityCapability,
  listAgentCapabilities,
  revokeAgentCapability,
} from '@agent-iam/contract/grants'
import type { AgentId } from '@agent-iam/contract/ids'
import { setUserRole } from '@agent-iam/contract/members'
import { createServiceSecret } from '@agent-iam/contract/services'
import { issueToken } from '@agent-iam/contract/token'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { listen, type OauthServer } from './oauth-server.ts'
import { bySecret, makeService } from './services.ts'
import { uuidOf, type TestServer } from './test-server.ts'

const grantOwn = 'agent-iam/capabilities*:grant'
const delegateOwn = 'agent-iam/agents*:delegate'

describe.each(databases)('authority ends with its source, on %s', (_kind, open) => {
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

  const inSeconds = (seconds: number) => new Date(server.clock.now().getTime() + seconds * 1000).toISOString()
  const nextName = () => `made ${++made}`

  /** Whether an agent may read a file of a folder, asked by an administrator. */
  const mayRead = async (agentId: AgentId, resource = 'file/p/a') =>
    (await server.api.call(check, { body: { agentId, resource, action: 'read' }, token: admin })).allowed

  const grantTo = (agentId: AgentId, token: string, rest: object = {}) => ({
    params: { agentId },
    body: { capability: 'file/p/*:read', ...rest },
    token,
  })

  /** A root agent, its child of a minute, and an agent that belongs to neither. */
  const family = async (ttlSeconds = 60) => {
    const parent = await makeAgent(server, admin, ['file/p/*:read', grantOwn, delegateOwn, 'agent-iam/agents*:*'])
    const { accessToken } = await loginAgent(server, parent)
    const capabilities = ['file/p/*:read', grantOwn, 'agent-iam/agents*:*']
    const body = { name: nextName(), capabilities, ttlSeconds }
    const child = await server.api.call(delegateAgent, { body, token: accessToken })
    const outsider = await makeAgent(server, admin)
    return { parent, child: { id: child.agentId, token: child.token.accessToken }, outsider }
  }

  test('a child grants nothing beyond its own end', async () => {
    const { child, outsider } = await family()
    expect(await server.api.refuse(grantAgentCapability, grantTo(outsider.id, child.token))).toMatchObject({
      code: 'capability-exceeded',
      detail: expect.stringContaining(child.id),
    })
    const late = grantTo(outsider.id, child.token, { expiresAt: inSeconds(3600) })
    expect(await server.api.refuse(grantAgentCapability, late)).toMatchObject({ code: 'capability-exceeded' })
    await server.api.call(grantAgentCapability, grantTo(outsider.id, child.token, { expiresAt: inSeconds(50) }))
    expect(await mayRead(outsider.id)).toBe(true)
  })

  test('nor does a root agent that expires', async () => {
    const agent = await makeAgent(server, admin, ['file/p/*:read', grantOwn, 'agent-iam/agents*:read'])
    const outsider = await makeAgent(server, admin)
    await server.database.ask(`update identities set expires_at = $1 where id = $2`, [inSeconds(120), uuidOf(agent.id)])
    await server.changedBehindItsBack()
    const { accessToken: token } = await loginAgent(server, agent)
    expect(await server.api.refuse(grantAgentCapability, grantTo(outsider.id, token))).toMatchObject({
      code: 'capability-exceeded',
    })
    await server.api.call(grantAgentCapability, grantTo(outsider.id, token, { expiresAt: inSeconds(100) }))
  })

  test('what a child granted ends with the revocation of any link above it', async () => {
    const { parent, child, outsider } = await family()
    await server.api.call(grantAgentCapability, grantTo(outsider.id, child.token, { expiresAt: inSeconds(50) }))
    await server.api.call(suspendAgent, { params: { agentId: parent.id }, body: {}, token: admin })
    expect(await mayRead(outsider.id)).toBe(false)
    await server.api.call(reactivateAgent, { params: { agentId: parent.id }, body: {}, token: admin })
    expect(await mayRead(outsider.id)).toBe(true)
    await server.api.call(revokeAgent, { params: { agentId: parent.id }, body: {}, token: admin })
    expect(await mayRead(outsider.id)).toBe(false)
    expect(
      (await server.api.call(listAgentCapabilities, { params: { agentId: outsider.id }, token: admin })).grants,
    ).toEqual([])
  })

  test('and with the loss of what it was granted from', async () => {
    const { parent, child, outsider } = await family()
    await server.api.call(grantAgentCapability, grantTo(outsider.id, child.token, { expiresAt: inSeconds(50) }))
    const { grants } = await server.api.call(listAgentCapabilities, { params: { agentId: parent.id }, token: admin })
    const grantId = grants.find(({ capability }) => capability === 'file/p/*:read')?.grantId ?? 'gnt_'
    await server.api.call(revokeAgentCapability, { params: { agentId: parent.id, grantId }, token: admin })
    expect(await mayRead(outsider.id)).toBe(false)
  })

  test('an agent takes no grant that stands by itself into its own end', async () => {
    const { child, outsider } = await family()
    await server.api.call(grantAgentCapability, grantTo(outsider.id, admin))
    const changed = grantTo(outsider.id, child.token, { expiresAt: inSeconds(50) })
    expect(await server.api.refuse(grantAgentCapability, changed)).toMatchObject({ code: 'wrong-state' })
  })

  test('what a person grants of rights of their own replaces what an agent granted', async () => {
    const { parent, child, outsider } = await family()
    await server.api.call(grantAgentCapability, grantTo(outsider.id, child.token, { expiresAt: inSeconds(50) }))
    await server.api.call(grantAgentCapability, grantTo(outsider.id, admin))
    await server.api.call(revokeAgent, { params: { agentId: parent.id }, body: {}, token: admin })
    expect(await mayRead(outsider.id)).toBe(true)
  })

  test('a child does not move itself from under its parent', async () => {
    const { child } = await family()
    const move = { params: { agentId: child.id }, body: { parent: null, capabilities: ['file/p/*:read'] } }
    expect(await server.api.refuse(moveAgent, { ...move, token: child.token })).toMatchObject({ code: 'forbidden' })
  })

  test('moving needs the right at the new place too', async () => {
    const { parent, child } = await family(3600)
    const other = await makeAgent(server, admin, ['file/p/*:read', grantOwn])
    const mover = await makeAgent(server, admin, ['file/p/*:read', grantOwn])
    const right = { capability: `agent-iam/agents/${child.id}:move` }
    for (const body of [right, { capability: 'agent-iam/agents*:read' }])
      await server.api.call(grantAgentCapability, { params: { agentId: mover.id }, body, token: admin })
    const { accessToken: token } = await loginAgent(server, mover)
    for (const place of [null, other.id]) {
      const body = { parent: place, capabilities: ['file/p/*:read'] }
      const refused = await server.api.refuse(moveAgent, { params: { agentId: child.id }, body, token })
      expect(refused).toMatchObject({ code: 'forbidden' })
    }
    expect(parent.id).not.toBe(other.id)
  })

  test('what is held now and again later, with a gap, is not granted through it', async () => {
    const grantor = await server.user('manager')
    const outsider = await makeAgent(server, admin)
    for (const body of [
      { capability: grantOwn },
      { capability: 'vault:open', expiresAt: inSeconds(600) },
      { capability: 'vault:*', validFrom: inSeconds(1200) },
    ])
      await server.api.call(grantIdentityCapability, { params: { identityId: grantor.id }, body, token: admin })
    await server.api.call(setUserRole, { params: { userId: grantor.id }, body: { role: 'member' }, token: admin })
    const body = { capability: 'vault:open' }
    const forEver = { params: { agentId: outsider.id }, body, token: grantor.token }
    expect(await server.api.refuse(grantAgentCapability, forEver)).toMatchObject({ code: 'capability-exceeded' })
    await server.api.call(grantAgentCapability, { ...forEver, body: { ...body, expiresAt: inSeconds(500) } })
  })

  test('an enrolment token hands out no more than its owner may now, and nothing once the owner is suspended', async () => {
    const owner = await server.user('admin')
    const ceiling = ['*:*', 'agent-iam/agents*:*']
    const enrolment = { name: nextName(), ceiling, quota: 5, ttlSeconds: 3600 }
    const { token } = await server.api.call(createEnrolmentToken, { body: enrolment, token: owner.token })
    const register = (capabilities: string[]) => ({ body: { name: nextName(), capabilities }, token })
    await server.api.call(registerAgent, register(['*:*']))
    await server.api.call(setUserRole, { params: { userId: owner.id }, body: { role: 'member' }, token: admin })
    for (const capability of ceiling)
      expect(await server.api.refuse(registerAgent, register([capability]))).toMatchObject({
        code: 'capability-exceeded',
      })
    await server.api.call(registerAgent, register(['agent-iam/agents*:read']))
    await server.api.call(suspendUser, { params: { userId: owner.id }, body: {}, token: admin })
    expect(await server.api.refuse(registerAgent, register([]))).toMatchObject({ code: 'invalid-token' })
  })

  test('a key or secret of another reaches no more than who created it, and ends with their suspension', async () => {
    const owner = await server.user('admin')
    const { serviceId } = await makeService(server, owner.token, ['file/p/*:read'])
    const { secret } = await server.api.call(createServiceSecret, { params: { serviceId }, token: owner.token })
    const { key } = await server.api.call(createApiKey, {
      body: { name: nextName(), for: serviceId },
      token: owner.token,
    })
    const { access_token: bySecretToken } = await server.api.call(issueToken, { body: bySecret(serviceId, secret) })
    const reads = async () => {
      const body = { resource: 'file/p/a', action: 'read' }
      const answers = [bySecretToken, key].map((token) => server.api.send(check, { body, token }))
      return (await Promise.all(answers)).map(({ status, text }) =>
        status === 200 ? JSON.parse(text).allowed : status,
      )
    }
    expect(await reads()).toEqual([true, true])
    await server.api.call(setUserRole, { params: { userId: owner.id }, body: { role: 'viewer' }, token: admin })
    expect(await reads()).toEqual([false, false])
    await server.api.call(setUserRole, { params: { userId: owner.id }, body: { role: 'admin' }, token: admin })
    expect(await reads()).toEqual([true, true])
    await server.api.call(suspendUser, { params: { userId: owner.id }, body: {}, token: admin })
    expect(await reads()).toEqual([401, 401])
  })
})
