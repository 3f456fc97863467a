import { validate } from '@agent-iam/contract/auth'
import * as contract from '@agent-iam/contract/biscuits'
import { suspendAgent, reactivateAgent } from '@agent-iam/contract/agents'
import { endSession, getSession } from '@agent-iam/contract/sessions'
import { verify } from '@agent-iam/standards/biscuit/verify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { biscuitLibrary } from '../src/features/biscuits/library.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { carrier, mintFor, narrow } from './biscuits.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer } from './test-server.ts'

describe.each(databases)('Biscuits on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
  })
  afterAll(() => server.close())

  test('an agent gets a Biscuit, which the published keys verify and which is a token of its own session', async () => {
    const { agent, biscuit } = await carrier(server, admin)
    const { keys, issuer } = await server.api.call(contract.biscuitKeys)
    const read = verify(
      await biscuitLibrary(),
      biscuit.token,
      (id) => keys.find((key) => key.rootKeyId === id)?.publicKey,
    )
    expect(read.facts).toMatchObject({ issuer, agent: agent.id, session: biscuit.sessionId, audience: `${issuer}/api` })
    expect(read.revocationIds).toEqual([biscuit.revocationId])
    const shown = await server.api.call(validate, { token: biscuit.token })
    expect(shown).toMatchObject({ agentId: agent.id, sessionId: biscuit.sessionId, expiresAt: biscuit.expiresAt })
  })

  test('it reaches what the session does, and no more than was asked for', async () => {
    const { accessToken, biscuit } = await carrier(server, admin, ['file:read', 'database/one/*:query'])
    expect(biscuit.rights.toSorted()).toEqual(['database/one/*:query', 'file:read'])
    const narrower = await mintFor(server, accessToken, { capabilities: ['file/docs/*:read'] })
    expect(narrower.rights).toEqual(['file/docs/*:read'])
    const body = { capabilities: ['file:write'] }
    const refused = await server.api.refuse(contract.mintBiscuit, { body, token: accessToken })
    expect(refused).toMatchObject({ code: 'capability-exceeded' })
    // Of the narrower one nothing wider is made.
    const wide = await server.api.refuse(contract.mintBiscuit, {
      body: { capabilities: ['file:read'] },
      token: narrower.token,
    })
    expect(wide).toMatchObject({ code: 'insufficient-scope' })
  })

  test('it never outlives the session that it was begun with', async () => {
    const { biscuit, accessToken } = await carrier(server, admin, [], { expiresInSeconds: 86_400 })
    const { sessionId } = await server.api.call(validate, { token: accessToken })
    const parent = await server.api.call(getSession, { params: { sessionId }, token: admin })
    expect(Date.parse(biscuit.expiresAt)).toBeLessThanOrEqual(Date.parse(parent.expiresAt))
  })

  test('whoever is no agent gets none', async () => {
    expect(await server.api.refuse(contract.mintBiscuit, { token: admin })).toMatchObject({ code: 'forbidden' })
  })

  test('the end of its session ends it and all that was made of it, and stands in the list', async () => {
    const { biscuit } = await carrier(server, admin)
    const narrowed = await narrow(server, biscuit.token, { operations: ['read'] })
    await server.api.call(validate, { token: narrowed })
    await server.api.call(endSession, { params: { sessionId: biscuit.sessionId }, token: admin })
    for (const token of [biscuit.token, narrowed])
      expect(await server.api.refuse(validate, { token })).toMatchObject({ code: 'token-revoked' })
    expect(await revoked()).toContain(biscuit.revocationId)
  })

  test('a suspended agent’s Biscuits stop and come back with it', async () => {
    const { agent, biscuit } = await carrier(server, admin)
    const params = { agentId: agent.id }
    await server.api.call(suspendAgent, { params, body: {}, token: admin })
    expect(await server.api.refuse(validate, { token: biscuit.token })).toBeTruthy()
    expect(await revoked()).toContain(biscuit.revocationId)
    await server.api.call(reactivateAgent, { params, body: {}, token: admin })
    const after = await server.api.send(validate, { token: biscuit.token })
    expect([after.status === 200, (await revoked()).includes(biscuit.revocationId)]).toEqual(
      after.status === 200 ? [true, false] : [false, true],
    )
  })

  test('who revokes the authority block ends the session; a later block is refused from then on', async () => {
    const { biscuit } = await carrier(server, admin)
    const narrowed = await narrow(server, biscuit.token, { operations: ['read'] })
    const checked = await server.api.call(contract.verifyBiscuit, { body: { token: narrowed }, token: admin })
    const later = checked.valid ? (checked.revocationIds[1] ?? '') : ''
    await server.api.call(contract.revokeBiscuit, { body: { revocationId: later }, token: admin })
    expect(await server.api.refuse(validate, { token: narrowed })).toMatchObject({ code: 'token-revoked' })
    await server.api.call(validate, { token: biscuit.token })
    expect(await revoked()).toContain(later)
    const answer = await server.api.call(contract.revokeBiscuit, {
      body: { revocationId: biscuit.revocationId },
      token: admin,
    })
    expect(answer.sessionId).toBe(biscuit.sessionId)
    expect(await server.api.refuse(validate, { token: biscuit.token })).toMatchObject({ code: 'token-revoked' })
  })

  test('verification says what is allowed, and why a token is not good', async () => {
    const { biscuit } = await carrier(server, admin)
    const narrowed = await narrow(server, biscuit.token, { resourcePrefix: 'file/docs/a/' })
    const ask = async (token: string, resource: string) => {
      const body = { token, operation: 'read', resource }
      return server.api.call(contract.verifyBiscuit, { body, token: admin })
    }
    expect(await ask(biscuit.token, 'file/docs/b')).toMatchObject({ valid: true, allowed: true, blocks: 1 })
    expect(await ask(narrowed, 'file/docs/b')).toMatchObject({ valid: true, allowed: false, blocks: 2 })
    expect(await ask(narrowed, 'file/docs/a/b')).toMatchObject({ valid: true, allowed: true })
    expect(await ask('nonsense', 'file/docs/a/b')).toEqual({ valid: false, reason: 'malformed' })
    const foreign = await server.tenant(`t${Date.now() % 1000}${_name.length}`)
    expect(
      await server.api.call(contract.verifyBiscuit, { body: { token: narrowed }, token: foreign.admin.token }),
    ).toEqual({ valid: false, reason: 'unknown-issuer' })
  })

  test('an attenuated token gets no other', async () => {
    const agent = await makeAgent(server, admin, ['file:read'])
    const { accessToken } = await loginAgent(server, agent)
    const { token } = await mintFor(server, accessToken)
    await mintFor(server, token)
    const narrowed = await narrow(server, token, { resourcePrefix: 'agent-iam/' })
    expect(await server.api.refuse(contract.mintBiscuit, { token: narrowed })).toMatchObject({ code: 'forbidden' })
  })

  async function revoked(): Promise<string[]> {
    server.clock.advance(1)
    return (await server.api.call(contract.biscuitRevocations)).revocationIds
  }
})
