import { deleteAgent, registerAgent } from '@agent-iam/contract/agents'
import { createService } from '@agent-iam/contract/services'
import { getTenantUsage, setTenantLimits, updateOwnTenant } from '@agent-iam/contract/tenants'
import { importUsers } from '@agent-iam/contract/users'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inTransaction } from '../src/platform/context.ts'
import { foldAbove } from '../src/features/tenants/model.ts'
import { requireRoom } from '../src/features/tenants/service.ts'
import { databases } from './databases.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

type Limited = Awaited<ReturnType<TestServer['tenant']>>

describe.each(databases)('limits of a tenant on %s', (_name, open) => {
  let server: TestServer
  let operator: string
  let tenants = 0

  beforeAll(async () => {
    server = await openServer(await open())
    operator = await server.admin('platform')
  })
  afterAll(() => server.close())

  async function limited(limits: Record<string, number>): Promise<Limited> {
    const tenant = await server.tenant(`limited-${++tenants}`)
    await limit(tenant, limits)
    return tenant
  }

  async function limit(tenant: Limited, limits: Record<string, number>): Promise<void> {
    const answer = await server.api.call(setTenantLimits, {
      params: { tenantId: tenant.id },
      body: limits,
      token: operator,
    })
    expect(answer.limits).toMatchObject(limits)
  }

  const usage = ({ admin }: Limited) => server.api.call(getTenantUsage, { token: admin.token })
  const register = ({ admin }: Limited, name: string) =>
    server.api.send(registerAgent, { body: { name }, token: admin.token })

  test('a new tenant holds its administrator, and may have what every tenant may', async () => {
    expect(await usage(await server.tenant('fresh'))).toEqual({
      usage: { agents: 0, users: 1, services: 0 },
      limits: {
        agents: 1_000_000,
        users: 100_000,
        services: 10_000,
        children: 1000,
        delegationDepth: 10,
        bulkItems: 1000,
      },
    })
  })

  test('what is full takes no more until something ends, or the limit is raised', async () => {
    const tenant = await limited({ agents: 2 })
    const first = await server.api.call(registerAgent, { body: { name: 'one' }, token: tenant.admin.token })
    expect((await register(tenant, 'two')).status).toBe(201)
    const { status, text } = await register(tenant, 'three')
    expect([status, text]).toEqual([403, expect.stringContaining('quota-spent')])
    expect((await usage(tenant)).usage.agents).toBe(2)
    await server.api.call(deleteAgent, { params: { agentId: first.agentId }, token: tenant.admin.token })
    expect((await usage(tenant)).usage.agents).toBe(1)
    expect((await register(tenant, 'three')).status).toBe(201)
    await limit(tenant, { agents: 3 })
    expect((await register(tenant, 'four')).status).toBe(201)
    await limit(tenant, { agents: 1 })
    expect((await register(tenant, 'five')).status).toBe(403)
    expect((await usage(tenant)).usage.agents).toBe(3)
  })

  test('of many who race for the last places, on two instances, just so many get one', async () => {
    const tenant = await limited({ agents: 3 })
    const other = await server.beside()
    const tries = Array.from({ length: 8 }, (_, n) =>
      (n % 2 === 0 ? server : other).api.send(registerAgent, {
        body: { name: `racer ${n}` },
        token: tenant.admin.token,
      }),
    )
    const statuses = (await Promise.all(tries)).map(({ status }) => status)
    await other.close()
    expect(statuses.filter((status) => status === 201)).toHaveLength(3)
    expect(statuses.filter((status) => status === 403)).toHaveLength(5)
    expect((await usage(tenant)).usage.agents).toBe(3)
  })

  test('users and services have limits of their own, and an import is counted whole', async () => {
    const tenant = await limited({ users: 2, services: 1 })
    const { token } = tenant.admin
    const [user] = importUsers.example.body?.users ?? []
    const body = { users: [1, 2].map((n) => ({ ...user, email: `u${n}@example.com` })) }
    expect(await server.api.refuse(importUsers, { body, token })).toMatchObject({ code: 'quota-spent' })
    expect((await usage(tenant)).usage.users).toBe(1)
    await server.api.call(createService, { body: { name: 'only' }, token })
    expect(await server.api.refuse(createService, { body: { name: 'more' }, token })).toMatchObject({
      code: 'quota-spent',
    })
  })

  test('counts are right however many were made and ended, and stay few rows', async () => {
    const tenant = await limited({ agents: 5 })
    const uuid = uuidOf(tenant.id)
    await server.database.ask(
      `insert into identity_counts (tenant_id, kind, change)
         select $1, 'agent', case when n % 2 = 0 then 1 else -1 end from generate_series(1, $2::int) n`,
      [uuid, 2 * foldAbove],
    )
    for (const name of ['a', 'b', 'c', 'd', 'e']) expect((await register(tenant, name)).status).toBe(201)
    expect((await register(tenant, 'f')).status).toBe(403)
    const rows = await server.database.ask('select count(*)::int as rows from identity_counts where tenant_id = $1', [
      uuid,
    ])
    expect(rows[0]?.['rows']).toBeLessThan(foldAbove)
    expect((await usage(tenant)).usage.agents).toBe(5)
  })

  test('who counts while others fold loses none', async () => {
    const tenant = await limited({ agents: 20 })
    const uuid = uuidOf(tenant.id)
    const many = `insert into identity_counts (tenant_id, kind, change) select $1, 'agent', n % 2 * 2 - 1 from generate_series(1, $2::int) n`
    await server.database.ask(many, [uuid, 2 * foldAbove])
    const made = await Promise.all(Array.from({ length: 10 }, (_, n) => register(tenant, `folder ${n}`)))
    expect(made.map(({ status, text }) => (status === 201 ? '' : text)).join('')).toBe('')
    expect((await usage(tenant)).usage.agents).toBe(10)
  })

  test('a parent has only so many live children', async () => {
    const tenant = await limited({ children: 1 })
    const { agentId } = await server.api.call(registerAgent, { body: { name: 'child' }, token: tenant.admin.token })
    await server.database.ask(`update identities set parent_id = $1, parent_kind = 'user' where id = $2`, [
      uuidOf(tenant.admin.id),
      uuidOf(agentId),
    ])
    const ctx = server.inTenant(tenant.id)
    const room = () => inTransaction(ctx, (tx) => requireRoom(tx, 'children', { parent: tenant.admin.id }))
    await expect(room()).rejects.toMatchObject({ code: 'quota-spent' })
    await server.database.ask(`update identities set status = 'revoked' where id = $1`, [uuidOf(agentId)])
    await expect(room()).resolves.toBeUndefined()
  })

  test('an agent ends when the tenant says, where it has no end of its own', async () => {
    const { admin } = await server.tenant('mortal')
    const { token } = admin
    const { settings } = await server.api.call(updateOwnTenant, {
      body: { settings: { defaultAgentTtlSeconds: 3600 } },
      token,
    })
    expect(settings).toEqual({ defaultAgentTtlSeconds: 3600 })
    const mortal = await server.api.call(registerAgent, { body: { name: 'mortal' }, token })
    const livesSeconds = (Date.parse(mortal.expiresAt ?? '') - Date.parse(mortal.createdAt)) / 1000
    expect(Math.round(livesSeconds)).toBe(3600)
    await server.api.call(updateOwnTenant, { body: { settings: { defaultAgentTtlSeconds: null } }, token })
    expect(await server.api.call(registerAgent, { body: { name: 'lasting' }, token })).toMatchObject({
      expiresAt: null,
    })
  })
})
