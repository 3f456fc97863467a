import { registerAgent, setAgentTrust } from '@agent-iam/contract/agents'
import { check } from '@agent-iam/contract/authorization'
import { createPolicy } from '@agent-iam/contract/policies'
import { validatePolicy } from '@agent-iam/contract/policy-checks'
import * as types from '@agent-iam/contract/resource-types'
import { putResource } from '@agent-iam/contract/resources'
import * as thresholds from '@agent-iam/contract/trust-thresholds'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadCedar } from '../src/features/policies/cedar-instance.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer } from './test-server.ts'

describe.each(databases)('resource types on %s', (_name, open) => {
  let server: TestServer
  let token: string

  beforeAll(async () => {
    server = await openServer(await open())
    token = await server.admin()
  })
  afterAll(() => server.close())

  const create = (name: string, attributes: Record<string, { type: string; required?: boolean }> = {}, actions = {}) =>
    server.api.call(types.createResourceType, { body: { name, attributes, ...actions }, token })
  const update = (resourceType: string, attributes: Record<string, { type: string; required?: boolean }>) =>
    server.api.send(types.updateResourceType, { params: { resourceType }, body: { attributes }, token })
  const codeOf = ({ text }: { text: string }): unknown => Object(JSON.parse(text))['code']

  test('a type is shown as it was declared', async () => {
    const attributes = {
      plain: { type: 'string', required: true },
      deep: { type: 'set<record{name: string, tags?: set<long>}>', required: false },
    }
    const made = await create('shown', attributes)
    expect(made).toMatchObject({ name: 'shown', attributes, actions: [], revision: 1 })
    expect(await server.api.call(types.getResourceType, { params: { resourceType: 'shown' }, token })).toEqual(made)
    const { resourceTypes } = await server.api.call(types.listResourceTypes, { token })
    expect(resourceTypes).toContainEqual(made)
  })

  test.each([
    ['the platform itself', { name: 'agent-iam' }],
    ['a type that is none', { name: 'a', attributes: { x: { type: 'text' } } }],
    ['a type that goes on', { name: 'a', attributes: { x: { type: 'long long' } } }],
    ['a set of nothing', { name: 'a', attributes: { x: { type: 'set<>' } } }],
    ['a type five deep', { name: 'a', attributes: { x: { type: 'set<set<set<set<long>>>>' } } }],
    ['an attribute twice', { name: 'a', attributes: { x: { type: 'record{a: long, a: long}' } } }],
    ['a name of every object', { name: 'a', attributes: { constructor: { type: 'long' } } }],
    ['a name of Cedar’s', { name: 'a', attributes: { __extn: { type: 'long' } } }],
    ['a name of every object inside', { name: 'a', attributes: { x: { type: 'record{toString: long}' } } }],
    ['an action of the platform’s form', { name: 'a', actions: [{ name: 'agents:read' }] }],
    ['an action twice', { name: 'a', actions: [{ name: 'read' }, { name: 'read', risk: 'high' }] }],
    ['a risk that is none', { name: 'a', actions: [{ name: 'read', risk: 'some' }] }],
    [
      '51 attributes',
      { name: 'a', attributes: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`a${n}`, { type: 'long' }])) },
    ],
    ['101 actions', { name: 'a', actions: Array.from({ length: 101 }, (_, n) => ({ name: `a${n}` })) }],
  ])('%s is refused', async (_case, body) => {
    expect((await server.api.refuse(types.createResourceType, { body, token })).code).toBe('invalid-request')
  })

  test('one name has one type in all of a tenant’s types', async () => {
    await create('first', { shared: { type: 'record{a: long, b?: string}' } })
    await create('second', { shared: { type: 'record{b?: string, a: long}', required: true } })
    const body = { name: 'third', attributes: { shared: { type: 'string' } } }
    const problem = await server.api.refuse(types.createResourceType, { body, token })
    expect(problem).toMatchObject({ code: 'wrong-state', errors: [{ field: 'attributes.shared' }] })
    expect(problem.detail).toMatch(/in resource type first; one name has one type$/)
    expect(codeOf(await update('second', { shared: { type: 'long' } }))).toBe('wrong-state')
    // In another tenant it is another name.
    const { admin } = await server.tenant('elsewhere')
    await server.api.call(types.createResourceType, { body, token: admin.token })
  })

  test('what registered resources have stays declared', async () => {
    await create('used', { kept: { type: 'long' }, unused: { type: 'long' } })
    const query = { resource: 'used/a' }
    await server.api.call(putResource, { query, body: { attributes: { kept: 1 } }, token })
    expect((await update('used', { unused: { type: 'long' } })).text).toMatch(/used\/a has one of kept/)
    expect(codeOf(await update('used', { kept: { type: 'string' } }))).toBe('wrong-state')
    expect((await update('used', { kept: { type: 'long' }, more: { type: 'long', required: true } })).text).toMatch(
      /used\/a lacks one of more/,
    )
    expect((await update('used', { kept: { type: 'long', required: true }, unused: { type: 'string' } })).status).toBe(
      200,
    )
    const params = { resourceType: 'used' }
    expect(await server.api.refuse(types.deleteResourceType, { params, token })).toMatchObject({
      code: 'wrong-state',
      detail: 'used/a is of this type; remove it first',
    })
  })

  test('of two who declare a type at once, one does', async () => {
    const other = await server.beside()
    const body = { name: 'raced' }
    const answers = await Promise.all(
      [server, other].map((each) => each.api.send(types.createResourceType, { body, token })),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 409]))
  })

  test('who has not seen the last change overwrites nothing', async () => {
    await create('revised')
    expect((await update('revised', { a: { type: 'long' } })).headers['etag']).toBe('"2"')
    const input = { params: { resourceType: 'revised' }, body: {}, token, headers: { 'if-match': '"1"' } }
    expect((await server.api.refuse(types.updateResourceType, input)).code).toBe('precondition-failed')
  })

  test('policies are checked by what is declared, with line and column, and warned of what is not', async () => {
    await create('checked', { weight: { type: 'long' } })
    const text = (attribute: string, literal: string) => `permit(principal, action, resource)
  when { resource has attributes.${attribute} && resource.attributes.${attribute} == ${literal} };`
    const validate = async (policy: string) => server.api.call(validatePolicy, { body: { policy }, token })
    expect(await validate(text('weight', '3'))).toMatchObject({ valid: true, warnings: [] })
    expect(await validate(text('weight', '"heavy"'))).toMatchObject({
      valid: false,
      errors: [{ line: 2, column: expect.any(Number) }],
    })
    expect(await validate(text('colour', '"red"'))).toMatchObject({
      valid: true,
      warnings: [{ message: 'no resource type declares the attribute colour', line: 2, column: 34 }],
    })
    const body = { name: 'heavy ones', policy: text('weight', '"heavy"') }
    const problem = await server.api.refuse(createPolicy, { body, token })
    expect(problem.errors?.[0]?.field).toMatch(/^policy:2:\d+$/)
  })

  test('the published schema holds what the tenant declares, in both spellings', async () => {
    await create('published', { depth: { type: 'long' } }, { actions: [{ name: 'dig "deep"' }] })
    const policy = `permit(principal, action == AgentIam::Action::"dig \\"deep\\"", resource)
      when { resource has attributes.depth && resource.attributes.depth < 3 };`
    const cedar = loadCedar()
    for (const format of ['json', 'cedar'] as const) {
      const { schema } = await server.api.call(types.getSchema, { query: { format }, token })
      const text = typeof schema === 'string' ? schema : JSON.stringify(schema)
      const parsed: unknown = typeof schema === 'string' ? schema : JSON.parse(text)
      expect(text).toContain('depth')
      const answer = cedar.checkParseSchema(typeof parsed === 'string' ? parsed : Object(parsed))
      expect(answer.type).toBe('success')
      const validated = cedar.validate({
        schema: typeof parsed === 'string' ? parsed : Object(parsed),
        policies: { staticPolicies: { policy } },
        validationSettings: { mode: 'strict' },
      })
      expect(validated).toMatchObject({ type: 'success', validationErrors: [] })
    }
  })

  describe('thresholds of trust', () => {
    const set = (body: unknown, headers = {}) =>
      server.api.send(thresholds.setTrustThresholds, { body, token, headers })
    let agentId: string
    const reasons = async (resource: string, action: string) => {
      const body = { agentId, resource, action }
      const answer = await server.api.send(check, { body, token })
      const { decision, reasons: found } = check.response.parse(JSON.parse(answer.text))
      return [decision, ...found.map(({ policyId }) => policyId)]
    }

    test('nothing is asked for at first', async () => {
      expect(await server.api.call(thresholds.getTrustThresholds, { token })).toEqual({
        byLabel: {},
        byRisk: {},
        revision: 1,
        updatedAt: null,
      })
    })

    test('an agent needs the highest of what the labels and the risk ask for, at once', async () => {
      await create('asset', {}, { actions: [{ name: 'wipe', risk: 'critical' }, { name: 'read' }] })
      const label = (resource: string, labels: string[]) =>
        server.api.call(putResource, { query: { resource }, body: { labels }, token })
      await label('asset/plain', [])
      await label('asset/person', ['pii'])
      const body = { name: 'a trusted one', capabilities: ['asset:*'] }
      agentId = (await server.api.call(registerAgent, { body, token })).agentId
      const allowed = ['allow', 'system:capability']
      const denied = ['deny', 'system:guard-sensitivity']

      expect(await reasons('asset/person', 'read')).toEqual(allowed)
      const first = await set({ byLabel: { pii: 0.6 }, byRisk: { critical: 0.8 } }, { 'if-match': '"1"' })
      expect([first.status, first.headers['etag']]).toEqual([200, '"2"'])
      expect(await reasons('asset/person', 'read')).toEqual(denied)
      expect(await reasons('asset/plain', 'read')).toEqual(allowed)
      expect(await reasons('asset/plain', 'wipe')).toEqual(denied)
      expect(await reasons('asset/never-told', 'wipe')).toEqual(denied)

      const trust = (score: number) =>
        server.api.send(setAgentTrust, {
          params: { agentId },
          body: { trustScore: score, reason: 'for a test' },
          token,
        })
      expect((await trust(0.6)).status).toBe(200)
      expect(await reasons('asset/person', 'read')).toEqual(allowed)
      expect(await reasons('asset/person', 'wipe')).toEqual(denied)
      await trust(0.8)
      expect(await reasons('asset/person', 'wipe')).toEqual(allowed)
    })

    test.each([
      [{ byLabel: { pii: 1.1 } }],
      [{ byLabel: { pii: 0.12345 } }],
      [{ byLabel: { 'Not A Label': 0.5 } }],
      [{ byRisk: { some: 0.5 } }],
    ])('%j is refused', async (body) => {
      expect((await server.api.refuse(thresholds.setTrustThresholds, { body, token })).code).toBe('invalid-request')
    })

    // A policy may forbid by `context.trustMin`, so asking for less takes something from somebody too.
    test('asking for more or for less overtakes decisions', async () => {
      const epoch = async () => {
        const rows = await server.database.ask('select max(epoch) as epoch from audit_heads')
        return Number(rows[0]?.['epoch'])
      }
      await set({ byLabel: { pii: 0.6 } })
      const before = await epoch()
      await set({ byLabel: { pii: 0.5 } })
      expect(await epoch()).toBe(before + 1)
      await set({ byLabel: { pii: 0.5, phi: 0.1 } })
      expect(await epoch()).toBe(before + 2)
    })

    test('who has not seen the last change overwrites nothing', async () => {
      expect(codeOf(await set({}, { 'if-match': '"1"' }))).toBe('precondition-failed')
    })
  })
})
