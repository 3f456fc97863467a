import { getChallenge, login, logout, validate } from '@agent-iam/contract/auth'
import * as contract from '@agent-iam/contract/biscuits'
import { suspendAgent, reactivateAgent } from '@agent-iam/contract/agents'
import { delegateAgent } from '@agent-iam/contract/delegation'
import { endSession, getSession } from '@agent-iam/contract/sessions'
import { rotateSigningKeys } from '@agent-iam/contract/signing-keys'
import { verify } from '@agent-iam/standards/biscuit/verify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { biscuitLibrary } from '../src/features/biscuits/library.ts'
import { loginAgent, makeAgent, signed } from './agents.ts'
import { carrier, mintFor, narrow } from './biscuits.ts'
import { databases } from './databases.ts'
import { dpopHeaders, proofKey, proofOf, thumbprintOf } from './proofs.ts'
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
    expect(await server.api.refuse(validate, { token: biscuit.token })).toMatchObject({ code: 'identity-inactive' })
    expect(await revoked()).toContain(biscuit.revocationId)
    await server.api.call(reactivateAgent, { params, body: {}, token: admin })
    await server.api.call(validate, { token: biscuit.token })
    expect(await revoked()).not.toContain(biscuit.revocationId)
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
    expect(await server.api.refuse(contract.mintBiscuit, { token: narrowed })).toMatchObject({
      code: 'insufficient-scope',
    })
  })

  test('the list says of each Biscuit in a chain what its use says, whoever up there is stopped', async () => {
    const agents = [await makeAgent(server, admin, ['agent-iam/agents:delegate', 'file:read'])]
    const tokens = [(await loginAgent(server, agents[0] ?? fail())).accessToken]
    for (let depth = 1; depth <= 2; depth++) {
      const body = { name: `at depth ${depth}`, capabilities: ['agent-iam/agents:delegate', 'file:read'] }
      const child = await server.api.call(delegateAgent, { body, token: tokens.at(-1) ?? '' })
      agents.push({ ...(agents[0] ?? fail()), id: child.agentId })
      tokens.push(child.token.accessToken)
    }
    const biscuits = await Promise.all(tokens.map((token) => mintFor(server, token)))
    const stopped = async () => {
      const list = await revoked()
      const told = biscuits.map(({ revocationId }) => list.includes(revocationId))
      const used = await Promise.all(biscuits.map(({ token }) => server.api.send(validate, { token })))
      expect(told).toEqual(used.map(({ status }) => status !== 200))
      return told
    }
    expect(await stopped()).toEqual([false, false, false])
    for (const [depth, { id: agentId }] of agents.entries()) {
      await server.api.call(suspendAgent, { params: { agentId }, body: {}, token: admin })
      expect(await stopped()).toEqual([0, 1, 2].map((each) => each >= depth))
      await server.api.call(reactivateAgent, { params: { agentId }, body: {}, token: admin })
    }
    // Of the second, the session that its Biscuit was got with.
    await server.api.call(logout, { token: tokens[1] ?? '' })
    expect(await stopped()).toEqual([false, true, false])
  })

  test('a Biscuit got with a bound token is bound to the same key, and so is all that is made of it', async () => {
    const agent = await makeAgent(server, admin, ['file:read'])
    const key = proofKey()
    const { challenge } = await server.api.call(getChallenge, { params: { agentId: agent.id } })
    const proof = await proofOf(server, key, { path: '/api/v1/auth/login' })
    const { accessToken } = await server.api.call(login, { body: signed(agent, challenge), headers: { dpop: proof } })
    const minting = { path: '/api/v1/tokens/biscuit', token: accessToken }
    const { token } = await server.api.call(contract.mintBiscuit, { headers: await dpopHeaders(server, key, minting) })
    const narrowed = await narrow(server, token, { operations: ['read'] })
    for (const each of [token, narrowed]) {
      const using = { method: 'GET', path: '/api/v1/auth/validate', token: each }
      await server.api.call(validate, { headers: await dpopHeaders(server, key, using) })
      expect(await server.api.refuse(validate, { token: each })).toMatchObject({ code: 'invalid-token' })
      const another = { headers: await dpopHeaders(server, proofKey(), using) }
      expect(await server.api.refuse(validate, another)).toMatchObject({ code: 'invalid-token' })
    }
    const ask = async (confirmation?: { jkt: string }) => {
      const asked = { token: narrowed, operation: 'read', resource: 'file/a' }
      const body = confirmation ? { ...asked, confirmation } : asked
      return server.api.call(contract.verifyBiscuit, { body, token: admin })
    }
    expect(await ask()).toEqual({ valid: false, reason: 'not-bound' })
    expect(await ask({ jkt: await thumbprintOf(proofKey()) })).toEqual({ valid: false, reason: 'not-bound' })
    expect(await ask({ jkt: await thumbprintOf(key) })).toMatchObject({ valid: true, allowed: true })
  })

  test('a Biscuit whose session ended on one instance is refused by the other at once', async () => {
    const other = await server.beside()
    const { biscuit } = await carrier(server, admin)
    const narrowed = await narrow(server, biscuit.token, { operations: ['read'] })
    for (const token of [biscuit.token, narrowed]) await other.api.call(validate, { token })
    await server.api.call(contract.revokeBiscuit, { body: { revocationId: biscuit.revocationId }, token: admin })
    for (const token of [biscuit.token, narrowed])
      expect(await other.api.refuse(validate, { token })).toMatchObject({ code: 'token-revoked' })
  })

  test('another root key signs after a rotation, and what the one before signed is good still', async () => {
    const { biscuit, accessToken } = await carrier(server, admin)
    const before = await server.api.call(contract.biscuitKeys)
    const body = { purpose: 'biscuit' as const, immediately: true }
    await server.api.call(rotateSigningKeys, { body, token: admin })
    const next = await mintFor(server, accessToken)
    const { keys } = await server.api.call(contract.biscuitKeys)
    const rootOf = async (token: string) => {
      const publicKeyOf = (id: number) => keys.find(({ rootKeyId }) => rootKeyId === id)?.publicKey
      return verify(await biscuitLibrary(), token, publicKeyOf).rootKeyId
    }
    expect(before.keys.map(({ rootKeyId }) => rootKeyId)).not.toContain(await rootOf(next.token))
    expect(await rootOf(biscuit.token)).not.toBe(await rootOf(next.token))
    for (const { token } of [biscuit, next]) await server.api.call(validate, { token })
    const wrong = { body: { ...body, algorithm: 'RS256' }, token: admin }
    expect(await server.api.refuse(rotateSigningKeys, wrong)).toMatchObject({ code: 'invalid-request' })
  })

  test('the published keys and revocations carry a tag, and say how long they may be kept', async () => {
    for (const [operation, seconds] of [
      [contract.biscuitKeys, 300],
      [contract.biscuitRevocations, 5],
    ] as const) {
      const first = await server.api.send(operation)
      expect(first.headers['cache-control']).toBe(`public, max-age=${seconds}`)
      const again = await server.api.send(operation, { headers: { 'if-none-match': String(first.headers['etag']) } })
      expect([again.status, again.text]).toEqual([304, ''])
    }
    const params = { tenantId: server.app.defaultTenantId }
    expect(await server.api.call(contract.tenantBiscuitKeys, { params })).toEqual(
      await server.api.call(contract.biscuitKeys),
    )
    const absent = { params: { tenantId: `ten_${'0'.repeat(32)}` } }
    expect(await server.api.refuse(contract.tenantBiscuitRevocations, absent)).toMatchObject({ code: 'not-found' })
  })

  async function revoked(): Promise<string[]> {
    server.clock.advance(1)
    return (await server.api.call(contract.biscuitRevocations)).revocationIds
  }
})

function fail(): never {
  throw new Error('there is no such agent')
}
