import { validate, validateToken } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import * as contract from '@agent-iam/contract/biscuits'
import { revokeSigningKey, listSigningKeys } from '@agent-iam/contract/signing-keys'
import { mint } from '@agent-iam/standards/biscuit/mint'
import { verify } from '@agent-iam/standards/biscuit/verify'
import type { AuthorityFacts } from '@agent-iam/standards/biscuit/facts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fieldsOf, tokenOf } from '../../standards/test/biscuit-blocks.ts'
import { biscuitLibrary } from '../src/features/biscuits/library.ts'
import { append, bomb, carrier, mintFor, narrow } from './biscuits.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer } from './test-server.ts'

const none = new Uint8Array()

describe.each(databases)('Biscuits in bad hands on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
  })
  afterAll(() => server.close())

  const codeFor = async (token: string) => (await server.api.refuse(validate, { token })).code
  const reasonFor = async (token: string) => server.api.call(contract.verifyBiscuit, { body: { token }, token: admin })
  const isAllowed = async (token: string, action: string, resource: string) =>
    (await server.api.call(check, { body: { action, resource }, token })).decision === 'allow'

  test('a block cut off, moved, doubled or of another token is refused', async () => {
    const { biscuit } = await carrier(server, admin)
    const token = await narrow(server, await narrow(server, biscuit.token, { operations: ['read'] }), {
      resourcePrefix: 'file/docs/a',
    })
    const [id = none, authority = none, first = none, second = none, proof = none] = fieldsOf(token)
    expect((await server.api.send(validate, { token: tokenOf([id, authority, first, second, proof]) })).status).toBe(
      200,
    )
    for (const fields of [
      [id, authority, proof],
      [id, authority, first, proof],
      [id, authority, second, first, proof],
      [id, authority, first, first, second, proof],
      [id, authority, fieldsOf(biscuit.token).at(-1) ?? none, first, second],
    ])
      expect(await codeFor(tokenOf(fields))).toBe('invalid-token')
  })

  test('what another key signed is refused, whichever root it names and whatever it says', async () => {
    const { biscuit } = await carrier(server, admin)
    const { facts, rootKeyId } = await factsOf(biscuit.token)
    const library = await biscuitLibrary()
    const forged = mint(library, { rootPrivateKey: new Uint8Array(32).fill(9), rootKeyId, facts })
    expect(await codeFor(forged)).toBe('invalid-token')
    expect(await reasonFor(forged)).toEqual({ valid: false, reason: 'bad-signature' })
    const unknown = mint(library, { rootPrivateKey: new Uint8Array(32).fill(9), rootKeyId: 4_294_967_295, facts })
    expect(await reasonFor(unknown)).toEqual({ valid: false, reason: 'unknown-issuer' })
  })

  test('another tenant’s root signs for nobody here', async () => {
    const { biscuit } = await carrier(server, admin)
    const { facts } = await factsOf(biscuit.token)
    const foreign = await server.tenant(`foreign${_name.length}`)
    const { rootKeyId, privateKey } = await server.app.system.keys.signingRootKey(foreign.id)
    const issuer = server.app.system.keys.issuerOf(foreign.id)
    const signed = async (changes: Partial<AuthorityFacts>) =>
      mint(await biscuitLibrary(), {
        rootPrivateKey: Buffer.from(privateKey, 'hex'),
        rootKeyId,
        facts: { ...facts, ...changes },
      })
    // As of here; as of there, of a session of here.
    expect(await codeFor(await signed({}))).toBe('invalid-token')
    const there = { issuer, tenant: foreign.id, audience: `${issuer}/api` }
    expect(await codeFor(await signed(there))).toBe('token-revoked')
    for (const wrong of [
      { ...there, audience: 'https://elsewhere.example' },
      { ...there, tenant: facts.tenant },
    ])
      expect(await codeFor(await signed(wrong))).toBe('invalid-token')
  })

  test('a JWT is no Biscuit, and a Biscuit no JWT', async () => {
    const { accessToken, biscuit } = await carrier(server, admin)
    expect(await reasonFor(accessToken)).toEqual({ valid: false, reason: 'malformed' })
    expect(await codeFor(accessToken.replaceAll('.', ''))).toBe('invalid-token')
    expect(await codeFor(`${biscuit.token}.${biscuit.token}.x`)).toBe('invalid-token')
    const shown = await server.api.call(validateToken, { body: { token: biscuit.token.slice(0, 200) }, token: admin })
    expect(shown).toEqual({ valid: false })
  })

  test('9 KB and 17 blocks are refused', async () => {
    const { biscuit } = await carrier(server, admin)
    expect(await reasonFor(await append(server, biscuit.token, `note("${'x'.repeat(7000)}");`))).toEqual({
      valid: false,
      reason: 'too-large',
    })
    let token = biscuit.token
    for (let blocks = 1; blocks < 16; blocks++) token = await append(server, token, 'check if true;')
    expect((await server.api.send(validate, { token })).status).toBe(200)
    expect(await reasonFor(await append(server, token, 'check if true;'))).toEqual({
      valid: false,
      reason: 'too-many-blocks',
    })
  })

  test('a block that brings rights of its own brings none', async () => {
    const { biscuit } = await carrier(server, admin, ['file/docs/*:read'])
    const token = await append(
      server,
      biscuit.token,
      `right("*", "any", "", "*"); right("agent-iam", "any", "", "*"); operation("read"); resource("file/docs/a");`,
    )
    expect(await isAllowed(token, 'read', 'file/docs/a')).toBe(true)
    expect(await isAllowed(token, 'write', 'file/docs/a')).toBe(false)
    expect(await isAllowed(token, 'read', 'database/a')).toBe(false)
  })

  test('a decision is made within the blocks, for who presents the token and for who has it checked', async () => {
    const { biscuit } = await carrier(server, admin, ['file:read', 'file:write'])
    const token = await narrow(server, biscuit.token, { operations: ['read'], resourcePrefix: 'file/docs/' })
    expect(await isAllowed(biscuit.token, 'write', 'file/docs/a')).toBe(true)
    expect(await isAllowed(token, 'read', 'file/docs/a')).toBe(true)
    expect(await isAllowed(token, 'write', 'file/docs/a')).toBe(false)
    expect(await isAllowed(token, 'read', 'file/other')).toBe(false)
    const body = { subjectToken: token, action: 'read', resource: 'file/other' }
    expect(await server.api.call(check, { body, token: admin })).toMatchObject({ decision: 'deny', basis: 'token' })
  })

  test('it ends on time, and leaves the list of what ended before', async () => {
    const { biscuit } = await carrier(server, admin, [], { expiresInSeconds: 60 })
    server.clock.advance(61)
    expect(await codeFor(biscuit.token)).toBe('invalid-token')
    admin = await server.admin()
    expect(await reasonFor(biscuit.token)).toEqual({ valid: false, reason: 'expired' })
    expect((await server.api.call(contract.biscuitRevocations)).revocationIds).not.toContain(biscuit.revocationId)
  })

  test('a token that keeps the server busy gets no answer, soon none at all, and costs nobody else one', async () => {
    const [bad, good] = [await carrier(server, admin), await carrier(server, admin)]
    const heavy = await append(server, bad.biscuit.token, bomb)
    const light = await narrow(server, good.biscuit.token, { operations: ['read'] })
    const ask = (token: string) => {
      const body = { token, operation: 'read', resource: 'file/docs/a' }
      return server.api.send(contract.verifyBiscuit, { body, token: admin })
    }
    expect((await ask(light)).status).toBe(200)
    // One after another: what waits behind one that took too long is given up with it, and counts once.
    const all = inTurn(3, () => ask(heavy))
    for (let turn = 0; turn < 20; turn++) expect(JSON.parse((await ask(light)).text)).toMatchObject({ allowed: true })
    expect((await all).map(({ status }) => status)).toEqual([503, 503, 503])
    const last = await ask(heavy)
    expect([last.status, Number(last.headers['retry-after']) > 0]).toEqual([429, true])
    // Presented to our own API it is no better; what its agent has beside it is as good as ever.
    const body = { action: 'read', resource: 'file/docs/a' }
    expect(await server.api.refuse(check, { body, token: heavy })).toMatchObject({ code: 'too-many-attempts' })
    expect(await isAllowed(bad.accessToken, 'read', 'file/docs/a')).toBe(true)
    server.clock.advance(61)
    expect((await ask(await narrow(server, bad.biscuit.token, { operations: ['read'] }))).status).toBe(200)
  }, 60_000)

  test('what a revoked root key signed is refused, on an instance that held the key too', async () => {
    const { biscuit, accessToken } = await carrier(server, admin)
    const other = await server.beside()
    expect((await other.api.send(validate, { token: biscuit.token })).status).toBe(200)
    const { signingKeys } = await server.api.call(listSigningKeys, { token: admin })
    const { keyId = 'key_' } =
      signingKeys.find(({ purpose, state }) => purpose === 'biscuit' && state === 'active') ?? {}
    await server.api.call(revokeSigningKey, { params: { keyId }, token: admin })
    for (const each of [server, other])
      expect(await each.api.refuse(validate, { token: biscuit.token })).toMatchObject({ code: 'invalid-token' })
    const next = await mintFor(server, accessToken)
    for (const each of [server, other]) expect((await each.api.send(validate, { token: next.token })).status).toBe(200)
  })

  async function factsOf(token: string) {
    const { keys } = await server.api.call(contract.biscuitKeys)
    return verify(await biscuitLibrary(), token, (id) => keys.find(({ rootKeyId }) => rootKeyId === id)?.publicKey)
  }
})

async function inTurn<Result>(times: number, work: () => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  for (let time = 0; time < times; time++) results.push(await work())
  return results
}
