import { sign, type KeyObject } from 'node:crypto'
import { listAgentKeys, revokeAgentKey, rotateAgentKey } from '@agent-iam/contract/agent-keys'
import { rotationText } from '@agent-iam/contract/agent-proofs'
import { getAgent, registerAgent, suspendAgent, updateAgent } from '@agent-iam/contract/agents'
import { getChallenge, login, validate } from '@agent-iam/contract/auth'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { thumbprint } from '@agent-iam/standards/ed25519-key'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createPrivateKey } from 'node:crypto'
import { aKey, assertion, loginAgent, makeAgent, signed, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { openServer, publicUrl, type TestServer } from './test-server.ts'

const hour = 3600

describe.each(databases)('rotating an agent’s key on %s', (_name, open) => {
  let server: TestServer
  let admin: string
  beforeAll(async () => {
    server = await openServer(await open())
  })
  beforeEach(async () => {
    admin = await server.admin()
  })
  afterAll(() => server.close())

  /** The agent with a key that it was given in the place of its own. */
  async function rotate(agent: TestAgent, body = {}, token = admin): Promise<TestAgent> {
    const params = { agentId: agent.id }
    const { privateKey = '' } = await server.api.call(rotateAgentKey, { params, body, token })
    return { ...agent, privateKey: createPrivateKey(privateKey) }
  }

  async function refusedLogin(agent: TestAgent): Promise<string> {
    const { challenge } = await server.api.call(getChallenge, { params: { agentId: agent.id } })
    return (await server.api.refuse(login, { body: signed(agent, challenge) })).code
  }

  test('both keys log in inside the grace, by challenge and by assertion; the old one not after', async () => {
    const old = await makeAgent(server, admin)
    const renewed = await rotate(old, { graceSeconds: hour })
    for (const agent of [old, renewed]) {
      await loginAgent(server, agent)
      await server.api.call(login, { body: await assertion(agent, server) })
    }
    // The clock of the tests goes on by itself: a second would pass on a busy machine.
    server.clock.advance(hour - 60)
    await loginAgent(server, old)
    server.clock.advance(60)
    expect(await refusedLogin(old)).toBe('invalid-credentials')
    expect((await server.api.refuse(login, { body: await assertion(old, server) })).code).toBe('invalid-credentials')
    await loginAgent(server, renewed)
  })

  test('the kid of an assertion chooses the key, and no other is tried', async () => {
    const old = await makeAgent(server, admin)
    const renewed = await rotate(old)
    const kidOf = async (agent: TestAgent) => thumbprintOf(agent.privateKey)
    const right = { header: { kid: await kidOf(renewed) } }
    await server.api.call(login, { body: await assertion(renewed, server, right) })
    for (const kid of [await kidOf(old), 'of nobody']) {
      const body = await assertion(renewed, server, { header: { kid } })
      expect((await server.api.refuse(login, { body })).code).toBe('invalid-credentials')
    }
  })

  test('the agent names its new key itself, with a proof that it holds it', async () => {
    const agent = await makeAgent(server, admin)
    const { accessToken: token } = await loginAgent(server, agent)
    const params = { agentId: agent.id }
    const { privateKey, publicKey } = aKey()
    const proof = proofOf(agent, privateKey)
    for (const wrong of [
      undefined,
      proofOf(agent, aKey().privateKey),
      proofOf({ ...agent, id: `agt_${'1'.repeat(32)}` }, privateKey),
    ]) {
      const problem = await server.api.refuse(rotateAgentKey, { params, body: { publicKey, proof: wrong }, token })
      expect(problem).toMatchObject({ code: 'invalid-request', errors: [{ field: 'proof' }] })
    }
    const {
      key,
      replaced,
      privateKey: told,
    } = await server.api.call(rotateAgentKey, {
      params,
      body: { publicKey, proof },
      token,
    })
    expect(told).toBeUndefined()
    expect(key).toMatchObject({ publicKey, status: 'active', expiresAt: null })
    expect(replaced).toMatchObject({ thumbprint: thumbprintOf(agent.privateKey), status: 'retiring' })
    await loginAgent(server, { ...agent, privateKey })
    expect((await server.api.call(getAgent, { params, token })).keyThumbprint).toBe(key.thumbprint)
  })

  /** A proof by a key, as the SDK makes it. */
  function proofOf({ id }: TestAgent, privateKey: KeyObject, issuedAt = server.clock.now().toISOString()) {
    const text = rotationText(publicUrl, id, thumbprintOf(privateKey), issuedAt)
    return { issuedAt, signature: sign(null, Buffer.from(text), privateKey).toString('base64url') }
  }

  test('a proof from another hour is none', async () => {
    const agent = await makeAgent(server, admin)
    const { privateKey, publicKey } = aKey()
    const issuedAt = new Date(server.clock.now().getTime() - hour * 1000).toISOString()
    const body = { publicKey, proof: proofOf(agent, privateKey, issuedAt) }
    const problem = await server.api.refuse(rotateAgentKey, { params: { agentId: agent.id }, body, token: admin })
    expect(problem.code).toBe('invalid-request')
  })

  test('sessions go on after a rotation, and end at once when the old key is not to be trusted', async () => {
    const agent = await makeAgent(server, admin)
    const { accessToken: token } = await loginAgent(server, agent)
    const renewed = await rotate(agent)
    await server.api.call(validate, { token })
    const again = await rotate(renewed, { revokeOld: true })
    expect((await server.api.refuse(validate, { token })).code).toBe('token-revoked')
    for (const old of [agent, renewed]) expect(await refusedLogin(old)).toBe('invalid-credentials')
    await loginAgent(server, again)
    await expectEvent('agent.key-rotated', agent.id)
  })

  test('a third key ends the first at once: never are more than two about', async () => {
    const first = await makeAgent(server, admin)
    const second = await rotate(first, { graceSeconds: 7 * 24 * hour })
    const third = await rotate(second, { graceSeconds: 60 })
    expect(await refusedLogin(first)).toBe('invalid-credentials')
    await loginAgent(server, second)
    await loginAgent(server, third)
  })

  test('a key that is revoked logs in no more and takes every session with it', async () => {
    const old = await makeAgent(server, admin)
    const { accessToken: token } = await loginAgent(server, old)
    const renewed = await rotate(old)
    const params = { agentId: old.id, thumbprint: thumbprintOf(old.privateKey) }
    const revoked = await server.api.call(revokeAgentKey, { params, token: admin })
    expect(revoked.status).toBe('revoked')
    expect((await server.api.refuse(validate, { token })).code).toBe('token-revoked')
    expect(await refusedLogin(old)).toBe('invalid-credentials')
    expect((await server.api.refuse(revokeAgentKey, { params, token: admin })).code).toBe('wrong-state')
    await loginAgent(server, renewed)
    await expectEvent('agent.key-revoked', old.id)
  })

  test('an agent whose only key was revoked gets in again with a new one', async () => {
    const agent = await makeAgent(server, admin)
    const params = { agentId: agent.id, thumbprint: thumbprintOf(agent.privateKey) }
    await server.api.call(revokeAgentKey, { params, token: admin })
    expect(await refusedLogin(agent)).toBe('invalid-credentials')
    await loginAgent(server, await rotate(agent))
  })

  test('the list shows each key with its end, and how often they were rotated', async () => {
    const agent = await makeAgent(server, admin)
    await rotate(agent, { graceSeconds: 60 })
    server.clock.advance(61)
    const before = server.clock.now().getTime()
    const renewed = await rotate(agent, { graceSeconds: hour })
    const { keys, rotations } = await server.api.call(listAgentKeys, { params: { agentId: agent.id }, token: admin })
    expect(rotations).toBe(2)
    expect(keys.map(({ status }) => status)).toEqual(['active', 'retiring', 'expired'])
    expect(keys[0]?.thumbprint).toBe(thumbprintOf(renewed.privateKey))
    const graceMs = Date.parse(keys[1]?.expiresAt ?? '') - before
    expect(graceMs).toBeGreaterThanOrEqual(hour * 1000)
    expect(graceMs).toBeLessThan((hour + 60) * 1000)
    expect(JSON.stringify(keys)).not.toContain('PRIVATE')
  })

  test('a key that was an agent’s once is never another’s, nor the same one’s again', async () => {
    const agent = await makeAgent(server, admin)
    const renewed = await rotate(agent)
    const { x: publicKey = '' } = agent.privateKey.export({ format: 'jwk' })
    const body = { publicKey, proof: proofOf(agent, agent.privateKey) }
    const problem = await server.api.refuse(rotateAgentKey, { params: { agentId: agent.id }, body, token: admin })
    expect(problem.code).toBe('already-exists')
    // Refused as a whole: both keys are what they were.
    await loginAgent(server, agent)
    await loginAgent(server, renewed)
  })

  test('of two rotations at once on two instances each leaves one key of the agent’s own', async () => {
    const agent = await makeAgent(server, admin)
    const other = await server.beside()
    const input = { params: { agentId: agent.id }, body: {}, token: admin }
    const made = await Promise.all([server, other, server, other].map(({ api }) => api.call(rotateAgentKey, input)))
    const { keys } = await other.api.call(listAgentKeys, { params: input.params, token: admin })
    expect(keys.map(({ status }) => status).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'active',
      'retiring',
      'revoked',
      'revoked',
      'revoked',
    ])
    const active = keys.find(({ status }) => status === 'active')?.thumbprint
    const { privateKey = '' } = made.find(({ key }) => key.thumbprint === active) ?? {}
    await loginAgent(other, { ...agent, privateKey: createPrivateKey(privateKey) })
  })

  test('who owns an agent rotates its key, but not to get at rights that he may not grant', async () => {
    const owner = await server.user('manager')
    const { agentId } = await server.api.call(registerAgent, { body: { name: 'of a manager' }, token: owner.token })
    const params = { agentId }
    await server.api.call(rotateAgentKey, { params, body: {}, token: owner.token })
    await server.api.call(updateAgent, { params, body: { capabilities: ['agent-iam/policies*:create'] }, token: admin })
    expect((await server.api.refuse(rotateAgentKey, { params, body: {}, token: owner.token })).code).toBe(
      'capability-exceeded',
    )
  })

  test('neither another agent nor a member rotates a key', async () => {
    const agent = await makeAgent(server, admin)
    const stranger = (await loginAgent(server, await makeAgent(server, admin))).accessToken
    const member = (await server.user('member')).token
    const params = { agentId: agent.id }
    expect((await server.api.refuse(rotateAgentKey, { params, body: {}, token: stranger })).code).toBe('not-found')
    expect((await server.api.refuse(rotateAgentKey, { params, body: {}, token: member })).code).toBe('forbidden')
  })

  test('a suspended agent’s key is replaced, and the agent stays suspended', async () => {
    const agent = await makeAgent(server, admin)
    await server.api.call(suspendAgent, { params: { agentId: agent.id }, token: admin })
    expect(await refusedLogin(await rotate(agent))).toBe('identity-inactive')
  })

  async function expectEvent(type: 'agent.key-rotated' | 'agent.key-revoked', agentId: string): Promise<void> {
    const { events } = await server.api.call(listAuditEvents, { query: { type, limit: 1 }, token: admin })
    expect(events).toMatchObject([{ type, resource: `agent-iam/agents/${agentId}` }])
  }
})

function thumbprintOf(privateKey: KeyObject): string {
  return thumbprint(Buffer.from(privateKey.export({ format: 'jwk' }).x ?? '', 'base64url'))
}
