import { registerAgent, setAgentTrust } from '@agent-iam/contract/agents'
import { check } from '@agent-iam/contract/authorization'
import type { AgentId } from '@agent-iam/contract/ids'
import * as policies from '@agent-iam/contract/policies'
import * as templates from '@agent-iam/contract/policy-templates'
import { activatePolicy, retirePolicy, rollbackPolicy } from '@agent-iam/contract/policy-versions'
import { createResourceType } from '@agent-iam/contract/resource-types'
import { putResource } from '@agent-iam/contract/resources'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer, type TestUser } from './test-server.ts'

describe.each(databases)('packs and templates of policies on %s', (_name, open) => {
  let server: TestServer
  let admin: TestUser
  let token: string
  let agentId: AgentId
  let tenants = 0
  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())
  beforeEach(async () => {
    admin = (await server.tenant(`packs-${++tenants}`)).admin
    token = admin.token
    const body = { name: 'an agent', type: 'worker', capabilities: ['file:read', 'file:write'] }
    agentId = (await server.api.call(registerAgent, { body, token })).agentId
  })

  const set = (pack: templates.PackName, enabled: boolean, parameters = {}) =>
    server.api.call(templates.setPolicyPack, { params: { pack }, body: { enabled, parameters }, token })
  const make = (template: string, parameters: templates.Parameters) =>
    server.api.call(templates.createPolicyFromTemplate, { body: { template, name: template, parameters }, token })
  const decide = async (resource = 'file/a', { action = 'read', from = '127.0.0.1' } = {}) => {
    const answer = await server.api.call(check, { body: { agentId, resource, action }, token, from })
    return answer.decision === 'allow' ? 'allow' : answer.reasons[0]?.title
  }

  test('a pack is in force while it is on', async () => {
    expect(await set('address-allow-list', true, { addresses: ['10.0.0.0/8'] })).toMatchObject({
      enabled: true,
      policies: [{ name: 'address-allow-list' }],
    })
    expect(await decide()).toBe('address-allow-list')
    expect(await decide('file/a', { from: '10.1.2.3' })).toBe('allow')
    await set('address-allow-list', true, { addresses: ['10.0.0.0/8', '127.0.0.0/8'] })
    expect(await decide()).toBe('allow')
    expect(await set('address-allow-list', false)).toMatchObject({ enabled: false, policies: [] })
    expect(await decide('file/a', { from: '192.0.2.1' })).toBe('allow')
    await set('address-allow-list', true, { addresses: ['10.0.0.0/8'] })
    const listed = await server.api.call(policies.listPolicies, { query: { pack: 'address-allow-list' }, token })
    expect(listed.policies).toMatchObject([{ status: 'active', version: 3, pack: 'address-allow-list' }])
  })

  test('who switches a pack off may retire what it brought', async () => {
    await set('address-allow-list', true, { addresses: ['10.0.0.0/8'] })
    const may = ['agent-iam/policies*:activate', 'agent-iam/policies*:read']
    const { accessToken } = await loginAgent(server, await makeAgent(server, token, may))
    const off = { params: { pack: 'address-allow-list' }, body: { enabled: false } }
    expect(await server.api.refuse(templates.setPolicyPack, { ...off, token: accessToken })).toMatchObject({
      code: 'forbidden',
    })
    expect(await decide()).toBe('address-allow-list')
  })

  test('business hours are told by the clock, over midnight too', async () => {
    /** At the next such time: days count from Sunday, the nought. */
    const at = async (day: number, hours: number, minutes = 0) => {
      const now = server.clock.now()
      const then = Date.UTC(
        now.getUTCFullYear(),
        now.getUTCMonth(),
        now.getUTCDate() + day - now.getUTCDay(),
        hours,
        minutes,
      )
      const weekMs = 7 * 24 * 3600 * 1000
      server.clock.advance(((then - now.getTime() + weekMs) % weekMs) / 1000)
      token = (await server.user('admin', { id: admin.tenantId, slug: admin.tenant })).token
      return decide()
    }
    await set('business-hours', true, { from: '09:00', to: '17:00' })
    expect([await at(1, 8, 59), await at(1, 9), await at(1, 17)]).toEqual(['business-hours', 'allow', 'business-hours'])
    expect([await at(5, 16, 59), await at(6, 12)]).toEqual(['allow', 'business-hours'])
    await set('business-hours', true, { from: '22:00', to: '06:00', days: ['sat', 'sun'] })
    expect([await at(6, 21, 59), await at(6, 22), await at(0, 5)]).toEqual(['business-hours', 'allow', 'allow'])
    expect(await at(1, 5)).toBe('business-hours')
  })

  test('trust floors hold for what is labelled so, a policy each', async () => {
    await server.api.call(createResourceType, { body: { name: 'file' }, token })
    await server.api.call(putResource, { query: { resource: 'file/people' }, body: { labels: ['pii'] }, token })
    expect((await set('trust-floor', true)).policies).toHaveLength(4)
    expect([await decide('file/people'), await decide('file/other')]).toEqual(['trust-floor: pii', 'allow'])
    await server.api.call(setAgentTrust, { params: { agentId }, body: { trustScore: 0.9 }, token })
    expect(await decide('file/people')).toBe('allow')
    const floors = await set('trust-floor', true, { floors: { pii: 0.95 } })
    expect(floors.policies).toMatchObject([{ name: 'trust-floor: pii' }])
    expect(await decide('file/people')).toBe('trust-floor: pii')
  })

  test('what is on is listed with what it takes', async () => {
    await set('business-hours', true)
    const { packs } = await server.api.call(templates.listPolicyPacks, { token })
    expect(packs.map(({ pack, enabled }) => [pack, enabled])).toEqual([
      ['business-hours', true],
      ['address-allow-list', false],
      ['trust-floor', false],
    ])
    const found = await server.api.call(templates.listPolicyTemplates, { token })
    expect(found.templates).toHaveLength(6)
  })

  test('a template makes a policy with its parameters', async () => {
    await make('read-only-agents', { agentType: 'worker', actions: ['read'] })
    expect([await decide('file/a'), await decide('file/a', { action: 'write' })]).toEqual(['allow', 'read-only-agents'])
    await make('deny-resource-type', { type: 'file' })
    expect(await decide('file/a')).toBe('deny-resource-type')
  })

  test.each([
    ['an unknown template', 'no-such', {}, 'not-found'],
    ['a parameter that is missing', 'deny-resource-type', {}, 'invalid-request'],
    ['a parameter that is none', 'deny-resource-type', { type: 'x', more: 'y' }, 'invalid-request'],
    ['one named as nothing may be', 'deny-resource-type', { ['__proto__']: 'x' }, 'invalid-request'],
    ['a value of another kind', 'business-hours', { from: 9 }, 'invalid-request'],
    ['a text that cannot be shown', 'deny-resource-type', { type: 'a\u202eb' }, 'policy-invalid'],
  ])('%s is refused', async (_what, template, parameters, code) => {
    const body = { template, name: 'x', parameters }
    const sent = { body: JSON.stringify(body), token }
    expect(await server.api.refuse(templates.createPolicyFromTemplate, sent)).toMatchObject({ code })
  })

  test('text stays text, whatever it says', async () => {
    const type = 'x" };\npermit(principal, action, resource); // $type'
    const { policy } = await make('deny-resource-type', { type })
    expect(policy).toContain('resource.type == "x\\" };\\u{a}permit(principal, action, resource); // $type"')
    expect(await decide('payroll/x')).toBe('Nothing permits it')
  })

  test('a policy that forbids everything leaves an administrator what mends it', async () => {
    const forbid = 'forbid(principal, action, resource);'
    const harmless = { name: 'shut', policy: 'forbid(principal, action, resource) when { resource.type == "none" };' }
    const { policyId } = await server.api.call(policies.createPolicy, { body: harmless, token })
    const params = { policyId }
    await server.api.call(policies.updatePolicy, { params, body: { name: 'shut', policy: forbid }, token })
    for (const refused of [policies.createPolicy, policies.updatePolicy])
      expect(await server.api.refuse(refused, { params, body: harmless, token })).toMatchObject({ code: 'forbidden' })
    expect((await server.api.call(policies.listPolicies, { token })).policies).toHaveLength(1)
    await server.api.call(rollbackPolicy, { params, body: { version: 1 }, token })
    await server.api.call(policies.updatePolicy, { params, body: { name: 'shut', policy: forbid }, token })
    await server.api.call(retirePolicy, { params, token })
    const all = await server.api.call(policies.createPolicy, { body: { name: 'again', policy: forbid }, token })
    await server.api.call(policies.deletePolicy, { params: { policyId: all.policyId }, token })
    expect(await decide()).toBe('allow')
  })

  test('only who may activate brings anything into force', async () => {
    const may = ['create', 'update', 'read'].map((verb) => `agent-iam/policies*:${verb}`)
    const { accessToken } = await loginAgent(server, await makeAgent(server, token, may))
    const as = { token: accessToken }
    const body = { name: 'mine', policy: 'permit(principal, action == AgentIam::Action::"x", resource);' }
    expect(await server.api.refuse(policies.createPolicy, { body, ...as })).toMatchObject({ code: 'forbidden' })
    const { policyId } = await server.api.call(policies.createPolicy, { body: { ...body, status: 'draft' }, ...as })
    const params = { policyId }
    await server.api.call(policies.updatePolicy, {
      params,
      body: { ...body, policy: body.policy.replace('"x"', '"y"') },
      ...as,
    })
    for (const refused of [activatePolicy, retirePolicy, policies.deletePolicy])
      expect(await server.api.refuse(refused, { params, ...as })).toMatchObject({ code: 'forbidden' })
    await server.api.call(activatePolicy, { params, token })
    expect(await server.api.refuse(policies.updatePolicy, { params, body, ...as })).toMatchObject({ code: 'forbidden' })
    const waiting = { ...body, activate: false }
    expect(await server.api.call(policies.updatePolicy, { params, body: waiting, ...as })).toMatchObject({
      version: 3,
      activeVersion: 2,
    })
    // With the same text again, and at once: that too would bring it into force.
    expect(await server.api.refuse(policies.updatePolicy, { params, body, ...as })).toMatchObject({ code: 'forbidden' })
    // Nor by way of an earlier text, which perhaps nobody ever brought into force.
    const writer = await loginAgent(server, await makeAgent(server, token, [...may, 'agent-iam/policies*:rollback']))
    const back = { params, body: { version: 1 } }
    expect(await server.api.refuse(rollbackPolicy, { ...back, token: writer.accessToken })).toMatchObject({
      code: 'capability-exceeded',
    })
    expect(await server.api.call(rollbackPolicy, { params, body: { version: 2 }, token })).toMatchObject({
      version: 4,
      activeVersion: 4,
    })
  })
})
