import { createResource } from '@agent-iam/contract/clients'
import { createPolicy, deletePolicy, listPolicies } from '@agent-iam/contract/policies'
import { registerAgent } from '@agent-iam/contract/agents'
import { check, reportResult } from '@agent-iam/contract/authorization'
import { mintBiscuit } from '@agent-iam/contract/biscuits'
import { delegateAgent } from '@agent-iam/contract/delegation'
import type { IdentityId } from '@agent-iam/contract/ids'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../src/platform/database.ts'
import { startSession } from '../src/features/sessions/start.ts'
import { signTokens } from '../src/features/tokens/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { makeService } from './services.ts'
import { openServer, type TestServer } from './test-server.ts'

const policy = (name: string) => ({
  name,
  policy: 'forbid(principal, action, resource) when { resource.type == "x" };',
})

describe.each(databases)('Idempotency-Key on %s', (_name, open) => {
  let server: TestServer
  let token: string
  let rolledBack = 0
  const noting = (db: Database): Database => ({
    ...db,
    transaction: (tenantId, work) =>
      db.transaction(tenantId, work).catch((error: unknown) => {
        rolledBack += 1
        throw error
      }),
  })
  const keyed = (key: string) => ({ token, headers: { 'idempotency-key': key } })

  beforeAll(async () => {
    server = await openServer(await open(), { replace: (world) => ({ ...world, db: noting(world.db) }) })
    token = await server.admin()
  })
  afterAll(() => server.close())

  test('the same request again gets the first answer, and nothing is made twice', async () => {
    const first = await server.api.call(createPolicy, { body: policy('once'), ...keyed('a') })
    const again = await server.api.call(createPolicy, { body: policy('once'), ...keyed('a') })
    expect(again).toEqual(first)
    const { policies } = await server.api.call(listPolicies, { token })
    expect(policies.filter(({ name }) => name === 'once')).toHaveLength(1)
  })

  test('of ten at once one makes it, and all get its answer', async () => {
    const sent = Array.from({ length: 10 }, () =>
      server.api.call(createPolicy, { body: policy('race'), ...keyed('b') }),
    )
    const ids = (await Promise.all(sent)).map(({ policyId }) => policyId)
    expect(new Set(ids).size).toBe(1)
  })

  test('another request under the same key is refused', async () => {
    await server.api.call(createPolicy, { body: policy('mine'), ...keyed('c') })
    const refusal = await server.api.refuse(createPolicy, { body: policy('other'), ...keyed('c') })
    expect(refusal.code).toBe('idempotency-mismatch')
  })

  test('what signs tokens takes none: it does so once its transaction is over', async () => {
    const agent = await makeAgent(server, token, ['agent-iam/agents*:delegate'])
    const { accessToken } = await loginAgent(server, agent)
    // It has yet to read the keys that it signs with.
    const beside = await server.beside()
    const asAgent = { ...keyed('tokens'), token: accessToken }
    const first = await beside.api.call(mintBiscuit, { body: {}, ...asAgent })
    expect((await beside.api.call(mintBiscuit, { body: {}, ...asAgent })).token).not.toBe(first.token)
    await beside.api.call(delegateAgent, { body: { name: 'made once', biscuit: true }, ...asAgent })
    await beside.close()
  })

  test('who acts for two is told of neither what was made for the other', async () => {
    const service = await makeService(server, token, [
      'agent-iam/resource-servers:create',
      'agent-iam/resource-servers*:read',
    ])
    const made = []
    for (const person of [await server.user('admin'), await server.user('admin')]) {
      const as = await lentTo(server, person.id, service.serviceId)
      const body = { resource: 'https://lent.example', name: 'lent', scopes: ['read'] }
      made.push(await server.api.send(createResource, { body, ...keyed('lent'), token: as }))
    }
    // The name is taken, which is told of a request that is made anew.
    expect(made.map(({ status }) => status)).toEqual([201, 409])
  })

  test('a key is its caller’s own', async () => {
    const other = await server.user('admin')
    const first = await server.api.call(createPolicy, { body: policy('hers'), ...keyed('d') })
    const second = await server.api.call(createPolicy, { body: policy('his'), ...keyed('d'), token: other.token })
    expect(second.policyId).not.toBe(first.policyId)
  })

  test('a request that failed has not been made, so it may be mended under its key', async () => {
    const broken = { name: 'mended', policy: 'permit(' }
    expect((await server.api.refuse(createPolicy, { body: broken, ...keyed('e') })).code).toBe('policy-invalid')
    await server.api.call(createPolicy, { body: policy('mended'), ...keyed('e') })
  })

  test('a policy is checked before the transaction of its key begins: those who wait hold no connection', async () => {
    const before = rolledBack
    const body = { name: 'slow', policy: 'permit(' }
    expect((await server.api.refuse(createPolicy, { body, ...keyed('j') })).code).toBe('policy-invalid')
    expect(rolledBack).toBe(before)
  })

  test('an answer with a secret is not kept: it is told once', async () => {
    const body = { name: 'keyed agent' }
    const first = await server.api.call(registerAgent, { body, ...keyed('f') })
    expect(first.privateKey).toContain('PRIVATE KEY')
    const refusal = await server.api.refuse(registerAgent, { body, ...keyed('f') })
    expect(refusal.code).toBe('already-exists')
    const rows = await server.database.ask(`select response from idempotency_keys where key = 'f'`)
    expect(rows).toEqual([{ response: null }])
  })

  test('a day later the key is free again', async () => {
    const { policyId } = await server.api.call(createPolicy, { body: policy('daily'), ...keyed('g') })
    await server.api.call(deletePolicy, { params: { policyId }, token })
    server.clock.advance(86_401)
    token = await server.admin()
    const next = await server.api.call(createPolicy, { body: policy('daily'), ...keyed('g') })
    expect(next.policyId).not.toBe(policyId)
  })

  test('a record in the answer is the event’s own', async () => {
    const { decisionId } = await server.api.call(check, { body: { resource: 'file/x', action: 'read' }, token })
    const report = { params: { decisionId }, body: { outcome: 'success' as const, durationMs: 1 } }
    const first = await server.api.call(reportResult, { ...report, ...keyed('h') })
    const again = await server.api.call(reportResult, { ...report, ...keyed('h') })
    expect(again).toEqual(first)
  })

  test.each([
    ['too deep', `{"name":"deep","policy":${'['.repeat(20_000)}${']'.repeat(20_000)}}`],
    ['with half a character', '{"name":"half","policy":"\\ud800"}'],
    ['with a number beyond all numbers', '{"name":"endless","policy":1e999}'],
  ])('a body %s is refused with a key as without', async (_what, body) => {
    for (const input of [{ token }, keyed('i')]) {
      const refusal = await server.api.refuse(createPolicy, { body, ...input })
      expect(refusal.code).toMatch(/^(invalid-request|policy-invalid)$/)
    }
  })

  test('a key of other than visible characters is refused', async () => {
    const refusal = await server.api.refuse(createPolicy, { body: policy('odd'), ...keyed('a b') })
    expect(refusal.code).toBe('invalid-request')
  })
})

/** The access token of a session in which another acts for an identity. */
async function lentTo(server: TestServer, identityId: IdentityId, actor: IdentityId): Promise<string> {
  const ctx = server.inTenant(server.app.defaultTenantId)
  const start = {
    method: 'token-exchange',
    scope: ['agent-iam/resource-servers*:*', 'agent-iam/resource-servers:*'],
    actors: [actor],
  }
  const grant = await inTransaction(ctx, (tx) => startSession(tx, identityId, start))
  return (await signTokens(ctx, grant)).accessToken
}
