import { verifyBiscuit } from '@agent-iam/contract/biscuits'
import { suspendAgent } from '@agent-iam/contract/agents'
import { check } from '@agent-iam/contract/authorization'
import { delegateAgent } from '@agent-iam/contract/delegation'
import { grantAgentCapability, revokeAgentCapability } from '@agent-iam/contract/grants'
import { createPolicy } from '@agent-iam/contract/policies'
import type { Restriction } from '@agent-iam/standards/biscuit/attenuate'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent } from './agents.ts'
import { carrier, mintFor, narrow } from './biscuits.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer } from './test-server.ts'

const entries = fc.constantFrom('file:read', 'file:*', 'file/a/*:read', 'file/a/b:write', 'mail:send', '*:read', '*:*')
const questions = fc.record({
  operation: fc.constantFrom('read', 'write', 'send', 'hide'),
  resource: fc.constantFrom('file', 'file/a', 'file/a/b', 'file/c', 'mail', 'mail/x', 'other/y'),
})
const restrictions: fc.Arbitrary<Restriction> = fc.record(
  {
    operations: fc.subarray(['read', 'write', 'send'], { minLength: 1 }),
    resourcePrefix: fc.constantFrom('file/', 'file/a/', 'mail/'),
  },
  { requiredKeys: [] },
)
const cases = fc.record({
  held: fc.uniqueArray(entries, { maxLength: 3 }),
  later: fc.option(entries),
  /** What the Biscuit is asked to be narrowed to: as much of it as is held. */
  isScoped: fc.boolean(),
  blocks: fc.array(
    restrictions.filter((each) => Object.keys(each).length > 0),
    { maxLength: 2 },
  ),
  asked: fc.array(questions, { minLength: 4, maxLength: 4 }),
})

describe.each(databases)('verification of Biscuits on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
    const policy = 'forbid(principal, action == AgentIam::Action::"hide", resource);'
    await server.api.call(createPolicy, { body: { name: 'nobody hides', policy }, token: admin })
  })
  afterAll(() => server.close())

  const verify = async (body: { token: string; operation?: string; resource?: string }) => {
    const verified = await server.api.call(verifyBiscuit, { body, token: admin })
    if (!verified.valid) throw new Error(`not valid: ${verified.reason}`)
    return verified
  }

  test('allows nothing of the platform to an agent that holds nothing of it, and names no such right', async () => {
    const { biscuit } = await carrier(server, admin, ['file:read'])
    for (const resource of ['agent-iam', 'agent-iam/agents', 'agent-iam/agents/agt_1', 'agent-iam/outbox'])
      for (const operation of ['delete', 'read', 'open', 'create'])
        expect(await verify({ token: biscuit.token, operation, resource })).toMatchObject({ allowed: false })
    expect(await verify({ token: biscuit.token })).toMatchObject({ rights: ['file:read'], allowed: null })
    const narrowed = await narrow(server, biscuit.token, { operations: ['delete', 'read'] })
    const asked = { token: narrowed, operation: 'delete', resource: 'agent-iam/agents' }
    expect(await verify(asked)).toMatchObject({ allowed: false, rights: ['file:read'] })
  })

  test('follows what the agent holds now, which was not so when the token was made', async () => {
    const { agent, biscuit } = await carrier(server, admin, [])
    const ask = () => verify({ token: biscuit.token, operation: 'read', resource: 'file/x' })
    expect(await ask()).toMatchObject({ allowed: false, rights: [] })
    const params = { agentId: agent.id }
    const given = { params, body: { capability: 'file:read' }, token: admin }
    const { grantId } = await server.api.call(grantAgentCapability, given)
    expect(await ask()).toMatchObject({ allowed: true, rights: ['file:read'] })
    await server.api.call(revokeAgentCapability, { params: { ...params, grantId }, token: admin })
    expect(await ask()).toMatchObject({ allowed: false, rights: [] })
  })

  test('follows the chain: what a parent does not hold, its child’s token does not allow', async () => {
    const parent = await makeAgent(server, admin, ['agent-iam/agents:delegate', 'file:read'])
    const { accessToken } = await loginAgent(server, parent)
    const body = { name: `child of ${parent.id}`, capabilities: ['file:read'], biscuit: true }
    const child = await server.api.call(delegateAgent, { body, token: accessToken })
    const token = child.biscuit?.token ?? ''
    const ask = { token, operation: 'read', resource: 'file/x' }
    expect(await verify(ask)).toMatchObject({ allowed: true, rights: ['file:read'] })
    await server.api.call(suspendAgent, { params: { agentId: parent.id }, body: {}, token: admin })
    expect(await server.api.call(verifyBiscuit, { body: ask, token: admin })).toMatchObject({ valid: false })
  })

  test('says which policy denies', async () => {
    const { biscuit } = await carrier(server, admin, ['*:*'])
    const answer = await verify({ token: biscuit.token, operation: 'hide', resource: 'file/x' })
    expect(answer).toMatchObject({ allowed: false, failed: [expect.stringContaining('nobody hides')] })
  })

  test(
    'agrees with a check by the same token, whatever is held, narrowed and asked',
    { timeout: 240_000 },
    async () => {
      const allowed = { yes: 0, no: 0 }
      const holds = async ({
        held,
        later,
        isScoped,
        blocks,
        asked,
      }: typeof cases extends fc.Arbitrary<infer C> ? C : never) => {
        const { agent, biscuit } = await carrier(
          server,
          admin,
          held,
          isScoped ? { capabilities: held.slice(0, 1) } : {},
        )
        if (later !== null && !held.includes(later)) {
          const given = { params: { agentId: agent.id }, body: { capability: later }, token: admin }
          await server.api.call(grantAgentCapability, given)
        }
        let { token } = biscuit
        for (const block of blocks) token = await narrow(server, token, block)
        for (const { operation, resource } of asked) {
          const verified = await verify({ token, operation, resource })
          const decision = await server.api.call(check, { body: { action: operation, resource }, token })
          expect(verified.allowed, JSON.stringify({ held, later, isScoped, blocks, operation, resource })).toBe(
            decision.allowed,
          )
          allowed[decision.allowed ? 'yes' : 'no'] += 1
        }
      }
      await fc.assert(fc.asyncProperty(cases, holds), { numRuns: 40 })
      expect(allowed.yes).toBeGreaterThan(10)
      expect(allowed.no).toBeGreaterThan(10)
    },
  )

  test('an agent that may ask for a Biscuit only may not use it for more', async () => {
    const agent = await makeAgent(server, admin, ['file/a/*:read', 'mail:send'])
    const { accessToken } = await loginAgent(server, agent)
    const { token } = await mintFor(server, accessToken, { capabilities: ['mail:send'] })
    expect(await verify({ token })).toMatchObject({ rights: ['mail:send'] })
    expect(await verify({ token, operation: 'read', resource: 'file/a/b' })).toMatchObject({ allowed: false })
  })
})
