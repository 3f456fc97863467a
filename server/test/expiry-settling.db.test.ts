import type { AgentId } from '@agent-iam/contract/ids'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Expiry } from '../src/features/expiry/service.ts'
import { queueSettling } from '../src/features/identities/store/settling.ts'
import { inTransaction } from '../src/platform/context.ts'
import { Lease } from '../src/platform/lease.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { databases, openPostgres } from './databases.ts'
import { Stored } from './stored.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

describe.each(databases)('settling on %s', (_kind, open) => {
  let server: TestServer
  let stored: Stored
  let token: string

  beforeAll(async () => {
    server = await openServer(await open())
    stored = new Stored(server)
    token = await server.admin()
  })
  afterAll(() => server.close())

  test('all below a revoked agent is revoked, down to the tenth, with what hangs on it; beside it nothing is', async () => {
    const chain = await stored.makeChain(token, 11)
    const [root = noAgent, child = noAgent] = chain
    const last = chain.at(-1) ?? noAgent
    const beside = await makeAgent(server, token)
    await server.database.ask(`insert into capability_grants values ($1, $2, 'file/docs:read', 'system', now())`, [
      uuidOf(server.app.defaultTenantId),
      uuidOf(last),
    ])
    await stop(server, root)
    await server.app.endExpired()
    expect(new Set(await Promise.all(chain.map((id) => stored.statusOf(id))))).toEqual(new Set(['revoked']))
    expect(await stored.statusOf(beside.id)).toBe('active')
    for (const id of chain.slice(1)) expect(await reasonsOf(id)).toEqual([root])
    expect(await reasonsOf(root)).toEqual([])
    expect(await stored.valuesOf('capability_grants', last, 'entry')).toEqual([])
    expect(await stored.valuesOf('agent_keys', child, 'status')).toEqual(['revoked'])
    expect(await stored.count('settling')).toBe(0)
  })

  test('a session below ends, and says why', async () => {
    const [root = noAgent] = await stored.makeChain(token, 1)
    const child = await makeAgent(server, token)
    await loginAgent(server, child)
    await stored.adopt(child.id, root)
    await stop(server, root)
    await server.app.endExpired()
    expect(await stored.valuesOf('sessions', child.id, 'end_reason')).toEqual(['ancestor ended'])
  })

  test('the reason is the nearest above that was stopped by itself', async () => {
    const [top = noAgent, middle = noAgent, bottom = noAgent] = await stored.makeChain(token, 3)
    await stop(server, middle)
    await stop(server, top)
    await server.app.endExpired()
    expect(await reasonsOf(bottom)).toEqual([middle])
    expect(await reasonsOf(middle)).toEqual([])
  })

  test('an agent that expires takes with it what lives below', async () => {
    const [top = noAgent, bottom = noAgent] = await stored.makeChain(token, 2)
    await stored.expireAt(top, server.clock.now())
    await server.app.endExpired()
    expect([await stored.statusOf(top), await stored.statusOf(bottom)]).toEqual(['revoked', 'revoked'])
    expect(await reasonsOf(bottom)).toEqual([top])
  })

  test('what is deleted already keeps its status, and is not told of', async () => {
    const [top = noAgent, deleted = noAgent] = await stored.makeChain(token, 2)
    await server.database.ask(`update identities set status = 'deleted' where id = $1`, [uuidOf(deleted)])
    await stop(server, top)
    await server.app.endExpired()
    await server.app.endExpired()
    expect(await stored.statusOf(deleted)).toBe('deleted')
    expect(await reasonsOf(deleted)).toEqual([])
  })

  test('a round that was cut short is gone on with by another instance, each agent told of once', async () => {
    const { id } = await makeAgent(server, token)
    const children = 450
    await stored.insertChildren(id, children)
    await stop(server, id)
    // Told after its batch was committed: as if the instance had been killed then.
    const cut = new Expiry(new Lease('cut short', 'one'), () => {
      throw new Error('killed')
    })
    await expect(cut.run(server.app.system)).rejects.toThrow('killed')
    const living = `identities where parent_id = '${uuidOf(id)}' and status = 'active'`
    expect(await stored.count(living)).toBe(children - 200)

    const other = await server.beside()
    await new Expiry(new Lease('gone on with', 'another'), () => {}).run(other.app.system)
    expect(await stored.count(living)).toBe(0)
    const told = (await stored.dataOf('agent.revoked')).filter(({ because }) => because === id)
    expect(new Set(told.map(({ resource }) => resource)).size).toBe(children)
    expect(told).toHaveLength(children)
    await other.close()
  })

  test('what has to be settled raises no epoch: it could not act any more', async () => {
    const [root = noAgent] = await stored.makeChain(token, 4)
    await stop(server, root)
    const head = `audit_heads where tenant_id = '${uuidOf(server.app.defaultTenantId)}'`
    const [before] = await server.database.ask(`select epoch from ${head}`)
    await server.app.endExpired()
    expect(await stored.count('settling')).toBe(0)
    expect(await server.database.ask(`select epoch from ${head}`)).toEqual([before])
  })

  /** What the events of its revocation say that it was because of. */
  async function reasonsOf(id: AgentId): Promise<unknown[]> {
    const told = await stored.dataOf('agent.revoked')
    return told.filter(({ resource }) => resource === `agent-iam/agents/${id}`).map(({ because }) => because)
  }
})

// PGlite has one session: nobody else can hold a row there.
test('an agent that somebody holds is left for later, and keeps no other', async () => {
  const server = await openServer(await openPostgres())
  const stored = new Stored(server)
  const { id } = await makeAgent(server, await server.admin())
  await stored.insertChildren(id, 2)
  await stop(server, id)
  const living = `identities where parent_id = '${uuidOf(id)}' and status = 'active'`

  await server.database.another().transaction(server.app.defaultTenantId, async (connection) => {
    await connection
      .selectFrom('identities')
      .select('id')
      .where('parent_id', '=', uuidOf(id))
      .limit(1)
      .forNoKeyUpdate()
      .execute()
    await server.app.endExpired()
    expect([await stored.count(living), await stored.count('settling')]).toEqual([1, 1])
  })
  await server.app.endExpired()
  expect([await stored.count(living), await stored.count('settling')]).toEqual([0, 0])
  await server.close()
})

/** As whoever revokes an identity does it. */
async function stop(server: TestServer, id: AgentId): Promise<void> {
  await server.database.ask(`update identities set status = 'revoked' where id = $1`, [uuidOf(id)])
  await inTransaction(server.inTenant(server.app.defaultTenantId), (tx) => queueSettling(tx, [id]))
}

const noAgent: AgentId = 'agt_'
