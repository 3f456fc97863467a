import { listAuditEvents } from '@agent-iam/contract/audit'
import { check } from '@agent-iam/contract/authorization'
import { delegateAgent } from '@agent-iam/contract/delegation'
import { grantAgentCapability, listAgentCapabilities, listPermissions, type NewGrant } from '@agent-iam/contract/grants'
import type { AgentId } from '@agent-iam/contract/ids'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { assignRole } from '../src/features/capabilities/service.ts'
import { reserve } from '../src/features/authorization/reservation.ts'
import { addSeconds } from '../src/platform/clock.ts'
import { inTransaction } from '../src/platform/context.ts'
import { createLog } from '../src/platform/log.ts'
import { redisState } from '../src/platform/redis-state.ts'
import { inProcessState } from '../src/platform/shared-state.ts'
import type { World } from '../src/app/world.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { databases, openPostgres } from './databases.ts'
import { startOwnRedis } from './redis.ts'
import { openServer, type TestServer } from './test-server.ts'

const delegating = 'agent-iam/agents*:delegate'

describe.each(databases)('quotas on %s', (kind, open) => {
  let server: TestServer
  let other: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
    // The embedded database is for one process.
    other = kind === 'PGlite' ? server : await server.beside()
  })
  beforeEach(async () => {
    admin = await server.admin()
    await atStartOfHour()
  })
  afterAll(() => server.close())

  /** So that no hour ends in the middle of a test. */
  async function atStartOfHour() {
    const msLeft = 3_600_000 - (server.clock.now().getTime() % 3_600_000)
    server.clock.advance(msLeft / 1000)
    admin = await server.admin()
  }

  const grant = (agentId: AgentId, body: z.input<typeof NewGrant>) =>
    server.api.call(grantAgentCapability, { params: { agentId }, body, token: admin })
  const ask = (agentId: AgentId, at = server, resource = 'file/a') =>
    at.api.call(check, { body: { agentId, resource, action: 'read' }, token: admin })
  const usesOf = async (agentId: AgentId) => {
    const { grants } = await server.api.call(listAgentCapabilities, { params: { agentId }, token: admin })
    return grants.map(({ quota }) => quota?.perHour?.used ?? quota?.perDay?.used)
  }
  const allowedOf = async (asked: ReadonlyArray<ReturnType<typeof ask>>) =>
    (await Promise.all(asked)).filter(({ allowed }) => allowed).length
  /** Two hundred at once, on two instances in turn. */
  const many = (agents: readonly AgentId[]) =>
    Array.from({ length: 200 }, (_, n) => ask(agents[n % agents.length] ?? 'agt_', n % 2 === 0 ? server : other))

  test(
    'of two hundred that ask at once, on all instances, as many are allowed as the quota says',
    { timeout: 60_000 },
    async () => {
      const { id } = await makeAgent(server, admin)
      await grant(id, { capability: 'file:read', conditions: { quota: { perHour: 100 } } })
      expect(await allowedOf(many([id]))).toBe(100)
      expect(await usesOf(id)).toEqual([100])
    },
  )

  test('what a parent may spend is the most that all its children spend together', { timeout: 60_000 }, async () => {
    const parent = await makeAgent(server, admin, [delegating])
    await grant(parent.id, { capability: 'file:read', conditions: { quota: { perHour: 30 } } })
    const { accessToken } = await loginAgent(server, parent)
    const made: AgentId[] = []
    for (const name of ['one', 'two', 'three']) {
      const body = { name: `${name} of ${parent.id}`, capabilities: ['file:read'] }
      const { agentId } = await server.api.call(delegateAgent, { body, token: accessToken })
      await grant(agentId, { capability: 'file:read', conditions: { quota: { perHour: 50 } } })
      made.push(agentId)
    }
    expect(await allowedOf(many(made))).toBe(30)
    expect(await usesOf(parent.id)).toContain(30)
    const spent = await Promise.all(made.map(usesOf))
    // Nothing of a child's own is spent where the parent's is.
    expect(spent.flat().reduce<number>((sum, used) => sum + (used ?? 0), 0)).toBe(30)
    const [child = 'agt_'] = made
    const denied = await ask(child)
    expect(denied).toMatchObject({
      decision: 'deny',
      reasons: [{ policyId: 'system:quota', effect: 'forbid', title: expect.stringContaining('file:read') }],
      deniedBy: { identityId: parent.id, hop: 1 },
    })
  })

  test('the log tells exactly as many allowed decisions as were spent', async () => {
    const { id } = await makeAgent(server, admin)
    await grant(id, { capability: 'ledger:read', conditions: { quota: { perDay: 5 } } })
    const resource = `ledger/${id}`
    await Promise.all(Array.from({ length: 12 }, (_, n) => ask(id, n % 2 === 0 ? server : other, resource)))
    const counted = await Promise.all(
      (['allow', 'deny'] as const).map(async (decision) => {
        const query = { type: 'decision.made', resource, decision, limit: 50 }
        return (await server.api.call(listAuditEvents, { query, token: admin })).events.length
      }),
    )
    expect(counted).toEqual([5, 7])
  })

  test('a quota is whole again with the next hour and the next day of UTC', async () => {
    const { id } = await makeAgent(server, admin)
    await grant(id, { capability: 'file:read', conditions: { quota: { perHour: 2, perDay: 3 } } })
    const inTurn = async (count: number) => {
      const outcomes: boolean[] = []
      for (let n = 0; n < count; n++) outcomes.push((await ask(id)).allowed)
      return outcomes
    }
    // To the first hour of a day.
    server.clock.advance((86_400_000 - (server.clock.now().getTime() % 86_400_000)) / 1000)
    admin = await server.admin()
    expect(await inTurn(3)).toEqual([true, true, false])
    const untilHour = (await ask(id)).reason
    server.clock.advance(3600)
    admin = await server.admin()
    expect(await inTurn(2)).toEqual([true, false])
    const untilDay = (await ask(id)).reason
    expect(Date.parse(/until (\S+)/.exec(untilDay)?.[1] ?? '')).toBeGreaterThan(
      Date.parse(/until (\S+)/.exec(untilHour)?.[1] ?? ''),
    )
    server.clock.advance(23 * 3600)
    admin = await server.admin()
    expect(await inTurn(3)).toEqual([true, true, false])
  })

  test('who waited into the next hour is counted in the hour that was held', async () => {
    const { id } = await makeAgent(server, admin)
    const { grantId } = await grant(id, { capability: 'file:read', conditions: { quota: { perHour: 5 } } })
    const held = [{ entry: 'file:read', grantId, conditions: { quota: { perHour: 5 } } }]
    let looks = 0
    // As if others had held it for an hour.
    const clock = { now: () => addSeconds(server.clock.now(), ++looks > 2 ? 3600 : 0) }
    const ctx = server.inTenant(server.app.defaultTenantId)
    expect(await inTransaction(ctx, (tx) => reserve({ ...tx, clock }, [held]))).toBeUndefined()
    expect(await usesOf(id)).toEqual([1])
  })

  test('of several grants any with room will do, and one without quota spends none', async () => {
    const { id } = await makeAgent(server, admin)
    await grant(id, { capability: 'file:read', conditions: { quota: { perHour: 1 } } })
    await grant(id, { capability: 'file/a:read', conditions: { quota: { perHour: 2 } } })
    expect(await allowedOf([ask(id), ask(id), ask(id), ask(id)])).toBe(3)
    await grant(id, { capability: 'file/*:read', conditions: { resourcePrefix: 'a' } })
    expect(await allowedOf([ask(id), ask(id)])).toBe(2)
    expect(new Set(await usesOf(id))).toEqual(new Set([1, 2, undefined]))
  })

  test('what something without a quota permits as well, a grant or a role, spends nothing', async () => {
    const { id } = await makeAgent(server, admin, ['file:read'])
    await grant(id, { capability: '*:read', conditions: { quota: { perHour: 1 } } })
    expect(await allowedOf([ask(id), ask(id), ask(id)])).toBe(3)
    const byRole = await makeAgent(server, admin)
    await grant(byRole.id, { capability: '*:read', conditions: { quota: { perHour: 1 } } })
    await inTransaction(server.inTenant(server.defaultTenant.id), (tx) => assignRole(tx, byRole.id, 'manager'))
    expect(await allowedOf([ask(byRole.id), ask(byRole.id), ask(byRole.id)])).toBe(3)
    expect([...(await usesOf(id)), ...(await usesOf(byRole.id))].filter((used) => used !== undefined)).toEqual([0, 0])
  })

  test('a question that is denied, or only looked at, spends nothing', async () => {
    const { id } = await makeAgent(server, admin)
    await grant(id, { capability: 'file/a:read', conditions: { quota: { perHour: 1 } } })
    expect((await ask(id, server, 'file/b')).allowed).toBe(false)
    const query = { agentId: id }
    const { permissions } = await server.api.call(listPermissions, { query, token: admin })
    expect(permissions).toMatchObject([{ quota: { perHour: { limit: 1, used: 0, left: 1 } } }])
    expect((await ask(id)).allowed).toBe(true)
  })

  test('granting anew keeps what is spent, and a smaller quota counts at once', async () => {
    const { id } = await makeAgent(server, admin)
    await grant(id, { capability: 'file:read', conditions: { quota: { perHour: 5 } } })
    expect(await allowedOf([ask(id), ask(id), ask(id)])).toBe(3)
    await grant(id, { capability: 'file:read', conditions: { quota: { perHour: 3 } } })
    expect((await ask(id)).allowed).toBe(false)
    await grant(id, { capability: 'file:read', conditions: { quota: { perHour: 4 } } })
    expect(await allowedOf([ask(id), ask(id)])).toBe(1)
  })

  test('what was counted in hours long past is forgotten', async () => {
    const { id } = await makeAgent(server, admin)
    await grant(id, { capability: 'file:read', conditions: { quota: { perHour: 5 } } })
    await ask(id)
    server.clock.advance(4 * 86_400)
    admin = await server.admin()
    const before = await server.database.ask('select count(*)::int as count from grant_uses where starts_at < $1', [
      new Date(server.clock.now().getTime() - 3 * 86_400_000),
    ])
    expect(before[0]?.['count']).toBeGreaterThan(0)
    await ask(id)
    const after = await server.database.ask('select count(*)::int as count from grant_uses where starts_at < $1', [
      new Date(server.clock.now().getTime() - 3 * 86_400_000),
    ])
    expect(after[0]?.['count']).toBe(0)
  })
})

test('a Redis that is killed in the middle changes no quota', { timeout: 60_000 }, async () => {
  const redis = await startOwnRedis()
  const replace = (world: World): World => ({
    ...world,
    sharedState: redisState(redis.url, inProcessState(world.clock), createLog('silent')),
  })
  const server = await openServer(await openPostgres(), { replace })
  const other = await server.beside({ replace })
  const token = await server.admin()
  const { id } = await makeAgent(server, token)
  const body = { capability: 'file:read', conditions: { quota: { perDay: 40 } } }
  await server.api.call(grantAgentCapability, { params: { agentId: id }, body, token })
  const ask = ({ api }: TestServer) =>
    api.call(check, { body: { agentId: id, resource: 'file/a', action: 'read' }, token })
  const twenty = () => Promise.all(Array.from({ length: 20 }, (_, n) => ask(n % 2 === 0 ? server : other)))
  const before = await twenty()
  const [during] = await Promise.all([twenty(), redis.kill()])
  await redis.restart()
  const after = await twenty()
  const allowed = [before, during, after].map((answers) => answers.filter((answer) => answer.allowed).length)
  expect(allowed).toEqual([20, 20, 0])
  await server.close()
  await redis.stop()
})
