import { setTimeout as sleep } from 'node:timers/promises'
import { updateAgent } from '@agent-iam/contract/agents'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { pinAgentCertificate } from '@agent-iam/contract/certificates'
import { createEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import { rotateAgentKey } from '@agent-iam/contract/agent-keys'
import { listSessions } from '@agent-iam/contract/sessions'
import { metrics } from '@agent-iam/contract/system'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Expiry } from '../src/features/expiry/service.ts'
import { addSeconds } from '../src/platform/clock.ts'
import { Lease } from '../src/platform/lease.ts'
import { loginAgent, makeAgent, type TestAgent } from './agents.ts'
import { selfSigned } from './certificates.ts'
import { databases } from './databases.ts'
import { makeServiceWithSecret } from './services.ts'
import { Stored } from './stored.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

const day = 86_400

describe.each(databases)('expiry on %s', (_kind, open) => {
  let server: TestServer
  let stored: Stored
  let token: string

  beforeAll(async () => {
    server = await openServer(await open())
    stored = new Stored(server)
    token = await server.admin()
  })
  afterAll(() => server.close())

  test('an agent that has expired is revoked, with its sessions, keys and grants, and that is on record', async () => {
    const agent = await makeAgent(server, token, ['file/docs/*:read'])
    await loginAgent(server, agent)
    await stored.expireAt(agent.id, later(60))
    await server.app.endExpired()
    expect(await stored.statusOf(agent.id)).toBe('active')

    server.clock.advance(61)
    await server.app.endExpired()
    expect(await stored.statusOf(agent.id)).toBe('revoked')
    expect(await stored.valuesOf('sessions', agent.id, 'end_reason')).toEqual(['agent expired'])
    expect(await stored.valuesOf('agent_keys', agent.id, 'status')).toEqual(['revoked'])
    expect(await stored.valuesOf('capability_grants', agent.id, 'entry')).toEqual([])
    expect(await stored.eventsAbout(agent.id)).toEqual(['agent.registered', 'agent.expired'])
    expect(await stored.count('settling')).toBe(0)
  })

  test('before it is revoked, too, no later end brings it back', async () => {
    const { id: agentId } = await makeAgent(server, token)
    await stored.expireAt(agentId, later(1))
    server.clock.advance(1)
    const problem = await server.api.refuse(updateAgent, { params: { agentId }, body: { expiresAt: null }, token })
    expect(problem.code).toBe('wrong-state')
  })

  test('grants that have run out are gone; the others stay', async () => {
    const agent = await makeAgent(server, token, ['file/docs/*:read', 'file/docs/*:write', 'db/a:read'])
    await server.database.ask(
      `update capability_grants set expires_at = $2 where identity_id = $1 and entry like 'file/%'`,
      [uuidOf(agent.id), later(60).toISOString()],
    )
    server.clock.advance(61)
    await server.app.endExpired()
    expect(await stored.valuesOf('capability_grants', agent.id, 'entry')).toEqual(['db/a:read'])
    const told = await stored.dataOf('capability.expired')
    expect(told).toMatchObject([{ identityId: agent.id, capabilities: ['file/docs/*:read', 'file/docs/*:write'] }])
  })

  test('sessions end at the instant at which they ran out, one event for all, and are shown as expired', async () => {
    const agent = await makeAgent(server, token)
    await loginAgent(server, agent)
    await loginAgent(server, agent)
    await server.database.ask('update sessions set expires_at = $2 where identity_id = $1', [
      uuidOf(agent.id),
      later(60).toISOString(),
    ])
    server.clock.advance(61)
    await server.app.endExpired()
    expect(await stored.valuesOf('sessions', agent.id, 'ended_at = expires_at')).toEqual([true, true])
    const { sessions } = await server.api.call(listSessions, { query: { identityId: agent.id }, token })
    expect(sessions.map(({ status, endReason }) => [status, endReason])).toEqual([
      ['expired', 'expired'],
      ['expired', 'expired'],
    ])
    const ids = sessions.map(({ sessionId }) => sessionId)
    const told = (await stored.dataOf('session.expired')).map((data) => JSON.stringify(data['sessions']))
    expect(told.map((text) => ids.filter((id) => text.includes(id)).length).filter((found) => found > 0)).toEqual([2])
  })

  test('keys, secrets, certificates and enrolment tokens end once, with an event each', async () => {
    const agent = await makeAgent(server, token)
    const params = { agentId: agent.id }
    await server.api.call(rotateAgentKey, { params, body: { graceSeconds: 3600 }, token })
    await server.api.call(createApiKey, { body: { name: 'short', expiresInDays: 1 }, token })
    await makeServiceWithSecret(server, token)
    await server.api.call(createEnrolmentToken, { body: { name: 'short' }, token })
    const { pem: certificate } = await selfSigned('agent', { notAfter: later(day) })
    await server.api.call(pinAgentCertificate, { params, body: { certificate }, token })
    const before = await countEnds()
    server.clock.advance(400 * day)
    await server.app.endExpired()
    await server.app.endExpired()
    const after = await countEnds()
    expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([1, 1, 1, 1, 1])
    expect(await stored.valuesOf('agent_keys', agent.id, 'status')).toEqual(['active', 'expired'])
    expect(await stored.valuesOf('certificates', agent.id, 'thumbprint')).toEqual([])
    token = await server.admin()
  })

  test('/metrics tells how late it was, and who does it', async () => {
    const agent = await expiredAgent()
    await server.app.endExpired()
    expect(await stored.statusOf(agent.id)).toBe('revoked')
    const body = await server.api.call(metrics)
    expect(body).toMatch(/^agent_iam_expiry_lateness_seconds_count\{kind="agents"\} [1-9]/m)
    expect(body).toMatch(/^agent_iam_expiry_lease_held 1$/m)
    expect(body).toMatch(/^agent_iam_expiry_failures_total 0$/m)
  })

  test('while one instance has the lease, another ends nothing; once it is closed, the other does at once', async () => {
    const first = await server.beside()
    const second = await server.beside()
    const agent = await makeAgent(server, token)
    await expiredAgent()
    await takeLeaseAway()
    await first.app.endExpired()
    await stored.expireAt(agent.id, later(-1))
    await second.app.endExpired()
    expect(await stored.statusOf(agent.id)).toBe('active')
    await first.close()
    await second.app.endExpired()
    expect(await stored.statusOf(agent.id)).toBe('revoked')
    await second.close()
  })

  test('what a silent instance left is ended by another, though not at once', async () => {
    const silent = await server.beside()
    const other = await server.beside()
    const agent = await makeAgent(server, token)
    await expiredAgent()
    await takeLeaseAway()
    await silent.app.endExpired()
    await stored.expireAt(agent.id, later(-1))
    const began = performance.now()
    while ((await stored.statusOf(agent.id)) !== 'revoked') {
      await other.app.endExpired()
      await sleep(100)
    }
    const seconds = (performance.now() - began) / 1000
    expect(seconds).toBeGreaterThan(0.5)
    expect(seconds).toBeLessThan(5)
    await other.close()
    await silent.close()
  })

  test('of two that both believe to have the lease, neither ends anything twice', async () => {
    const other = await server.beside()
    const agents: TestAgent[] = []
    while (agents.length < 30) agents.push(await expiredAgent())
    const rounds = [server, other].map(({ app }, index) =>
      new Expiry(new Lease(`work ${index}`, `holder ${index}`), () => {}).run(app.system),
    )
    await Promise.all(rounds)
    for (const { id } of agents) expect(await stored.eventsAbout(id)).toEqual(['agent.registered', 'agent.expired'])
    await other.close()
  })

  test('a tenant in which nothing can be recorded keeps no other waiting', async () => {
    const broken = await server.tenant('broken')
    const [tenant, admin] = [uuidOf(broken.id), uuidOf(broken.admin.id)]
    await server.database.ask(`create table kept as select * from audit_heads where tenant_id = '${tenant}'`)
    await server.database.ask('delete from audit_heads where tenant_id = $1', [tenant])
    await server.database.ask('update sessions set expires_at = now() where identity_id = $1', [admin])
    const agent = await expiredAgent()
    await takeLeaseAway()
    await expect(server.app.endExpired()).rejects.toThrow('no result')
    expect(await stored.statusOf(agent.id)).toBe('revoked')

    await server.database.ask('insert into audit_heads select * from kept')
    await server.database.ask('drop table kept')
    await server.app.endExpired()
    expect(await stored.valuesOf('sessions', broken.admin.id, 'end_reason')).toEqual(['expired'])
  })

  async function expiredAgent(): Promise<TestAgent> {
    const agent = await makeAgent(server, token)
    await stored.expireAt(agent.id, later(-1))
    return agent
  }

  function later(seconds: number): Date {
    return addSeconds(server.clock.now(), seconds)
  }

  async function countEnds(): Promise<number[]> {
    const types = ['agent.key', 'api-key', 'service.secret', 'certificate', 'enrolment-token']
    const spelt = types.map((type) => (type.includes('.') ? `${type}-expired` : `${type}.expired`))
    return Promise.all(spelt.map(async (type) => (await stored.dataOf(type)).length))
  }

  /** As if whoever had it had closed. */
  async function takeLeaseAway(): Promise<void> {
    await server.database.ask('delete from leases')
  }
})
