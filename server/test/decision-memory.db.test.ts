import { AsyncLocalStorage } from 'node:async_hooks'
import { check } from '@agent-iam/contract/authorization'
import { createPolicy } from '@agent-iam/contract/policies'
import { setPolicyPack } from '@agent-iam/contract/policy-templates'
import { retirePolicy } from '@agent-iam/contract/policy-versions'
import type { KyselyPlugin, QueryId } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../src/platform/database.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { databases, openPostgres } from './databases.ts'
import { dpopHeaders, proofKey } from './proofs.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

describe.each(databases)('who asked before on %s', (_name, open) => {
  let server: TestServer
  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  test('a token bound to no key is refused with a proof, whether its caller is known already or not', async () => {
    const agent = await makeAgent(server, await server.admin(), ['file:read'])
    const { accessToken: token } = await loginAgent(server, agent)
    const body = { resource: 'file/a', action: 'read' }
    const key = proofKey()
    const path = '/api/v1/authz/check'
    const proved = async () => {
      const headers = await dpopHeaders(server, key, { method: 'POST', path, token })
      return (await server.api.send(check, { body, headers })).status
    }
    expect(await proved()).toBe(401)
    await server.api.call(check, { body, token })
    expect(await proved()).toBe(401)
  })
})

describe('what an instance remembers while another changes it', () => {
  let server: TestServer
  let other: TestServer
  let onFacts: (() => Promise<void>) | undefined

  beforeAll(async () => {
    const afterFacts = (db: Database): Database => ({
      ...db,
      transaction: (tenantId, work, source) =>
        db.transaction(
          tenantId,
          (connection) => work(connection.withPlugin(new AfterFacts(() => onFacts?.()))),
          source,
        ),
    })
    server = await openServer(await openPostgres(), { replace: (world) => ({ ...world, db: afterFacts(world.db) }) })
    other = await server.beside()
  })
  afterAll(() => server.close())

  test('what was undone is not taken for what came in its place', async () => {
    const { id, admin } = await server.tenant('undone')
    const { token } = admin
    const agent = await makeAgent(server, token, ['other:read'])
    const body = { agentId: agent.id, resource: 'file/a', action: 'read' }
    const ask = async (at: TestServer) => (await at.api.call(check, { body, token })).decision
    const policy = 'permit(principal is AgentIam::Agent, action == AgentIam::Action::"read", resource);'
    const { policyId } = await server.api.call(createPolicy, { body: { name: 'reading', policy }, token })
    const pack = (enabled: boolean) => ({
      params: { pack: 'trust-floor' as const },
      body: { enabled, parameters: enabled ? { floors: { pii: 0.9, phi: 0.9 } } : {} },
      token,
    })
    for (const enabled of [true, false]) await server.api.call(setPolicyPack, pack(enabled))
    await fillUnscoped(id)
    server.clock.advance(2)
    expect(await ask(server)).toBe('allow')
    // Too much in the end, after its first policies were stored, and its last ones authorised.
    expect(await server.api.refuse(setPolicyPack, pack(true))).toMatchObject({ code: 'quota-spent' })
    await other.api.call(retirePolicy, { params: { policyId }, body: {}, token })
    expect(await ask(other)).toBe('deny')
    expect(await ask(server)).toBe('deny')
  })

  test('who asks for another is remembered with the rules of the same moment', async () => {
    const { admin } = await server.tenant('same-moment')
    const { token } = admin
    const agent = await makeAgent(server, token, ['file:read'])
    const own = { resource: 'file/a', action: 'read' }
    const policy = 'forbid(principal is AgentIam::User, action == AgentIam::Action::"read", resource);'
    expect(await server.api.call(check, { body: own, token })).toMatchObject({ decision: 'allow' })
    server.clock.advance(2)
    let looks = 0
    let meanwhile: string | undefined
    onFacts = async () => {
      // The first look is at the agent, the second at who asks, to see whether it may.
      if (++looks === 2) await other.api.call(createPolicy, { body: { name: 'nobody reads', policy }, token })
      if (looks !== 4) return
      // The third was kept; the log refused the answer, which is decided again.
      onFacts = undefined
      server.clock.advance(2)
      meanwhile = (await server.api.call(check, { body: own, token })).decision
    }
    try {
      await server.api.call(check, { body: { agentId: agent.id, ...own }, token })
    } finally {
      onFacts = undefined
    }
    expect(meanwhile).toBe('deny')
  })

  /** One more policy whose scope is everything than a tenant may have, straight into the table. */
  async function fillUnscoped(tenantId: string) {
    const tenant = [uuidOf(tenantId)]
    await server.database.ask(
      `insert into policies select $1, gen_random_uuid(), 'filler ' || n, '', 'forbid',
         'forbid(principal, action, resource) when { resource.type == "x" };', 'x', now(), true
         from generate_series(1, 51) n`,
      tenant,
    )
    await server.database.ask('update policy_versions set version = version + 1 where tenant_id = $1', tenant)
  }
})

/** Somebody else's request is not part of the transaction that waits for it. */
const runAsSomebodyElse = AsyncLocalStorage.snapshot()

/** Waits for something after each look at what decisions rest on, before anything goes on. */
class AfterFacts implements KyselyPlugin {
  readonly #looks = new WeakSet<QueryId>()
  readonly #then: () => Promise<void> | undefined

  constructor(then: () => Promise<void> | undefined) {
    this.#then = then
  }

  transformQuery({ node, queryId }: Parameters<KyselyPlugin['transformQuery']>[0]) {
    const isLook = node.kind === 'RawNode' && node.sqlFragments.some((text) => text.includes('read_decision_basis'))
    if (isLook) this.#looks.add(queryId)
    return node
  }

  async transformResult({ result, queryId }: Parameters<KyselyPlugin['transformResult']>[0]) {
    if (this.#looks.has(queryId)) await runAsSomebodyElse(this.#then)
    return result
  }
}
