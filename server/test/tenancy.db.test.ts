import { registerAgent } from '@agent-iam/contract/agents'
import { login, refresh } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { createEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import { platformTenantId, type TenantId } from '@agent-iam/contract/ids'
import { acceptInvitation } from '@agent-iam/contract/invitations'
import { registerUser } from '@agent-iam/contract/registrations'
import * as contract from '@agent-iam/contract/tenants'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { openServer, password, uuidOf, type TestServer } from './test-server.ts'

const { createTenant, getTenant, inviteTenantAdministrator, listTenants } = contract
const { reactivateTenant, suspendTenant, setTenantLimits } = contract

describe.each(databases)('tenancy on %s', (_name, open) => {
  let server: TestServer
  let operator: string
  let slugs = 0

  beforeAll(async () => {
    server = await openServer(await open())
    operator = await server.admin('platform')
  })
  afterAll(() => server.close())

  /** A tenant made by an operator, whose invited administrator has come. */
  async function inhabited() {
    const { slug, tenantId, invitationLink } = await make()
    await accept(invitationLink)
    const tokens = await server.api.call(login, { body: { email: `ada@${slug}.example`, password, tenant: slug } })
    return { ...tokens, slug, tenantId, token: tokens.accessToken }
  }

  async function make(limits = {}) {
    const slug = `tenant-${++slugs}`
    const administrator = { email: `ada@${slug}.example`, name: 'Ada' }
    const body = { slug, name: 'A tenant', administrator, limits }
    return server.api.call(createTenant, { body, token: operator })
  }

  async function accept(link: string | null) {
    const token = link?.split('#token=')[1] ?? ''
    return server.api.call(acceptInvitation, { body: { token, password } })
  }

  /** The types of the events of a tenant's log, with who did them. */
  async function logOf(tenantId: TenantId) {
    const rows = await server.database.ask(
      'select type, actor from audit_events where tenant_id = $1 order by sequence',
      [uuidOf(tenantId)],
    )
    return rows.map(({ type, actor }) => [String(type), String(actor)] as const)
  }

  test('a tenant that an operator made has a log, keys and an administrator of its own', async () => {
    const { tenantId, slug, token } = await inhabited()
    const { agentId } = await server.api.call(registerAgent, { body: { name: 'first' }, token })
    expect(agentId).toMatch(/^agt_/)
    const own = await server.api.call(contract.getOwnTenant, { token })
    expect(own).toMatchObject({ tenantId, slug, status: 'active', issuer: `http://localhost:9000/t/${tenantId}` })
    const types = (await logOf(tenantId)).map(([type]) => type)
    expect(types).toEqual(expect.arrayContaining(['log.opened', 'tenant.created', 'invitation.accepted']))
    const made = (await logOf(platformTenantId)).filter(([type]) => type === 'tenant.created')
    expect(made.every(([, actor]) => actor.startsWith('usr_'))).toBe(true)
    const view = await server.api.call(getTenant, { params: { tenantId }, token: operator })
    expect(view).toMatchObject({ usage: { agents: 1, users: 1, services: 0 }, limits: { children: 1000 } })
  })

  test('of two who make a tenant of one slug at once, one does', async () => {
    const body = { slug: 'contested', name: 'A', administrator: { email: 'a@contested.example' } }
    const both = await Promise.all([1, 2].map(() => server.api.send(createTenant, { body, token: operator })))
    expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409])
    const rows = await server.database.ask(`select 1 from tenants where slug = 'contested'`)
    expect(rows).toHaveLength(1)
    const heads = await server.database.ask(
      'select (select count(*) from tenants) = (select count(*) from audit_heads) as same',
    )
    expect(heads).toEqual([{ same: true }])
  })

  test.each(['default', 'platform', 'api', 'oauth', 't', 'Acme', '-acme', 'acme-', 'xn--acme', 'a', 'аcme'])(
    'nobody makes a tenant with the slug %s',
    async (slug) => {
      const body = { slug, name: 'A', administrator: { email: 'a@b.example' } }
      expect(await server.api.refuse(createTenant, { body, token: operator })).toMatchObject({
        code: 'invalid-request',
      })
    },
  )

  test('an operator invites again until somebody came, and not after that', async () => {
    const { tenantId, slug, invitationLink } = await make()
    const params = { tenantId }
    const body = { email: `grace@${slug}.example` }
    const again = await server.api.call(inviteTenantAdministrator, { params, body, token: operator })
    const first = { token: invitationLink?.split('#token=')[1] ?? '', password }
    expect(await server.api.refuse(acceptInvitation, { body: first })).toMatchObject({ code: 'invalid-token' })
    expect(await accept(again.invitationLink)).toMatchObject({ tenant: slug })
    const refused = await server.api.refuse(inviteTenantAdministrator, { params, body, token: operator })
    expect(refused).toMatchObject({ code: 'wrong-state' })
  })

  test('a key for repeating is not taken: what is done is of another tenant than it would be', async () => {
    const [slug, email] = [`tenant-${++slugs}`, 'ada@keyed.example']
    const keyed = { token: operator, headers: { 'idempotency-key': 'once' } }
    const making = { body: { slug, name: 'Keyed', administrator: { email } }, ...keyed }
    const { tenantId } = await server.api.call(createTenant, making)
    expect(await server.api.refuse(createTenant, making)).toMatchObject({ code: 'already-exists' })
    await server.api.call(inviteTenantAdministrator, { params: { tenantId }, body: { email }, ...keyed })
  })

  test('an administrator of any other tenant has nothing of it', async () => {
    const { tenantId, token } = await inhabited()
    const example = createTenant.example
    for (const stranger of [token, await server.admin()]) {
      expect(await server.api.refuse(createTenant, { ...example, token: stranger })).toMatchObject({
        code: 'forbidden',
      })
      expect(await server.api.refuse(listTenants, { token: stranger })).toMatchObject({ code: 'forbidden' })
      for (const operation of [suspendTenant, reactivateTenant, getTenant, setTenantLimits]) {
        const input = { ...operation.example, params: { tenantId }, token: stranger }
        expect(await server.api.refuse(operation, input)).toMatchObject({ code: 'not-found' })
      }
    }
  })

  test('an operator who may only look changes nothing', async () => {
    const { tenantId } = await make()
    const { token } = await server.user('viewer', { id: platformTenantId, slug: 'platform' })
    expect(await server.api.call(getTenant, { params: { tenantId }, token })).toMatchObject({ tenantId })
    expect(await server.api.refuse(suspendTenant, { params: { tenantId }, token })).toMatchObject({ code: 'forbidden' })
  })

  test('an operator sees of tenants how much they hold, page by page, and nothing of what', async () => {
    const { tenantId, token } = await inhabited()
    await server.api.call(registerAgent, { body: { name: 'a very secret agent' }, token })
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const query = { limit: 2, ...(cursor !== undefined && { cursor }) }
      const { text } = await server.api.send(listTenants, { query, token: operator })
      expect(text).not.toContain('secret')
      const page = listTenants.response.parse(JSON.parse(text))
      seen.push(...page.tenants.map((tenant) => tenant.tenantId))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(seen).toContain(tenantId)
    const rows = await server.database.ask('select count(*)::int as count from tenants')
    expect(rows).toEqual([{ count: seen.length }])
    expect(new Set(seen).size).toBe(seen.length)
  })

  test('neither the platform nor the default tenant is ever suspended', async () => {
    for (const tenantId of [platformTenantId, server.app.defaultTenantId]) {
      const refused = await server.api.refuse(suspendTenant, { params: { tenantId }, token: operator })
      expect(refused).toMatchObject({ code: 'wrong-state' })
    }
  })

  test('a suspended tenant is stopped on every instance at once, and goes on as it was', async () => {
    const { tenantId, slug, token, refreshToken } = await inhabited()
    const other = await server.beside()
    const asked = { body: { resource: 'file/a', action: 'read' }, token }
    const credentials = { email: `ada@${slug}.example`, password, tenant: slug }
    const { key } = await server.api.call(createApiKey, { body: { name: 'key' }, token })
    const enrolment = await server.api.call(createEnrolmentToken, { body: { name: 'enrolment' }, token })
    expect(await other.api.call(check, asked)).toMatchObject({ decision: 'allow' })
    const epoch = await epochOf(tenantId)

    await server.api.call(suspendTenant, { params: { tenantId }, body: { reason: 'not paid' }, token: operator })
    for (const { api } of [server, other]) {
      expect(await api.refuse(check, asked)).toMatchObject({ code: 'identity-inactive' })
      expect(await api.refuse(check, { ...asked, token: key })).toMatchObject({ code: 'identity-inactive' })
      expect(await api.refuse(login, { body: credentials })).toMatchObject({ code: 'identity-inactive' })
      expect(await api.refuse(refresh, { body: { refreshToken } })).toMatchObject({ code: 'identity-inactive' })
      const enrolling = { body: { name: 'late' }, token: enrolment.token }
      expect(await api.refuse(registerAgent, enrolling)).toMatchObject({ code: 'identity-inactive' })
      const stranger = { email: 'x@y.example', name: 'X', password, tenant: slug }
      expect(await api.refuse(registerUser, { body: stranger })).toMatchObject({ code: 'forbidden' })
      expect((await oauth(api, tenantId)).status).toBe(403)
    }
    expect(await epochOf(tenantId)).toBeGreaterThan(epoch)

    const again = await server.api.refuse(suspendTenant, { params: { tenantId }, token: operator })
    expect(again).toMatchObject({ code: 'wrong-state' })
    await other.api.call(reactivateTenant, { params: { tenantId }, token: operator })
    expect(await server.api.call(check, asked)).toMatchObject({ decision: 'allow' })
    expect((await oauth(server.api, tenantId)).status).toBe(200)
    const types = (await logOf(tenantId)).filter(([type]) => /^tenant\.(suspended|reactivated)$/.test(type))
    expect(types.map(([type]) => type)).toEqual(['tenant.suspended', 'tenant.reactivated'])
    expect(types.every(([, actor]) => actor.startsWith('usr_'))).toBe(true)
  })

  test('no decision is allowed after the suspension, however many were under way', async () => {
    const { tenantId, token } = await inhabited()
    const other = await server.beside()
    const asked = { body: { resource: 'file/a', action: 'read' }, token }
    const asking = async (api: TestServer['api']) => {
      const statuses: number[] = []
      // Until it is refused, so that the suspension comes between, however fast the machine is.
      while (!statuses.some((status) => status !== 200)) statuses.push((await api.send(check, asked)).status)
      for (let n = 0; n < 3; n++) statuses.push((await api.send(check, asked)).status)
      return statuses
    }
    await other.api.call(check, asked)
    const askers = [server, other, server, other].map(({ api }) => asking(api))
    await other.api.call(check, asked)
    await server.api.call(suspendTenant, { params: { tenantId }, token: operator })
    const statuses = (await Promise.all(askers)).flat()
    await other.close()
    // 401 is what a decision is told that the suspension overtook; 403, whoever comes after.
    expect(statuses.every((status) => [200, 401, 403].includes(status))).toBe(true)
    expect(statuses).toEqual(expect.arrayContaining([200, 403]))
    const late = await server.database.ask(
      `select 1 from audit_events where tenant_id = $1 and type = 'decision.made' and decision = 'allow' and sequence >
         (select sequence from audit_events where tenant_id = $1 and type = 'tenant.suspended')`,
      [uuidOf(tenantId)],
    )
    expect(late).toEqual([])
  })

  test('the reason of a suspension is in no log in clear', async () => {
    const { tenantId } = await make()
    await server.api.call(suspendTenant, { params: { tenantId }, body: { reason: 'Ada owes us' }, token: operator })
    const found = await server.database.ask(
      `select 1 from audit_events where position('owes us' in encode(leaf, 'escape')) > 0`,
    )
    expect(found).toEqual([])
  })

  async function epochOf(tenantId: TenantId): Promise<number> {
    const rows = await server.database.ask('select epoch::int as epoch from audit_heads where tenant_id = $1', [
      uuidOf(tenantId),
    ])
    return Number(rows[0]?.['epoch'])
  }

  async function oauth(api: TestServer['api'], tenantId: TenantId) {
    return api.raw({ method: 'GET', url: `/t/${tenantId}/.well-known/openid-configuration` })
  }
})
