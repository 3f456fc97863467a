import { updateAgent } from '@agent-iam/contract/agents'
import { logout } from '@agent-iam/contract/auth'
import { evaluate, evaluateAll, searchActions, searchSubjects } from '@agent-iam/contract/authzen'
import { bulkCheck, whoCan } from '@agent-iam/contract/authorization'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { createPolicy } from '@agent-iam/contract/policies'
import { createResourceType } from '@agent-iam/contract/resource-types'
import { putResources } from '@agent-iam/contract/resources'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { emptySearches, evaluationVectors, searchVectors, type Vector } from '../../test/conformance/authzen-vectors.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { openServer, type TestServer, type TestUser } from './test-server.ts'

/** Archived is a record of which that is told, or registered. */
const archived = `(
  (context.request has resource && context.request.resource has status && context.request.resource.status == "archived")
  || (resource has attributes && resource.attributes has status && resource.attributes.status == "archived")
)`
const policiesOf = (alice: string, bob: string) => [
  `permit(principal, action == AgentIam::Action::"read", resource) when { resource.type == "record" };`,
  `permit(principal == AgentIam::User::"${alice}", action == AgentIam::Action::"write", resource)
    when { resource.type == "record" && !${archived} };`,
  `permit(principal, action == AgentIam::Action::"write", resource) when { resource.type == "record" && ${archived}
    && (principal == AgentIam::User::"${bob}"
      || (context.request has subject && context.request.subject has role && context.request.subject.role == "admin")) };`,
  `permit(principal == AgentIam::User::"${alice}", action == AgentIam::Action::"delete", resource)
    when { context.request has action && context.request.action has soft && context.request.action.soft };`,
]

const cases = (vectors: readonly Vector[], status: Vector['status']) =>
  vectors.filter((each) => each.status === status).map((vector) => [vector.path, vector.name, vector] as const)

describe.each(databases)('AuthZEN on %s', (_name, open) => {
  let server: TestServer
  let admin: string
  let alice: TestUser
  let bob: TestUser

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
    alice = await server.user()
    bob = await server.user()
    const type = { name: 'record', attributes: { status: { type: 'string' as const } } }
    await server.api.call(createResourceType, { body: type, token: admin })
    const resources = [
      { resource: 'record/record-1', attributes: { status: 'active' } },
      { resource: 'record/record-2', attributes: { status: 'archived' } },
    ]
    await server.api.call(putResources, { body: { resources }, token: admin })
    for (const [n, policy] of policiesOf(alice.id, bob.id).entries())
      await server.api.call(createPolicy, { body: { name: `rule ${n}`, policy }, token: admin })
  })
  afterAll(() => server.close())

  const named = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value).replaceAll('$alice', alice.id).replaceAll('$bob', bob.id))

  const ask = (path: string, body: unknown, headers: Record<string, string> = {}, token = admin) =>
    server.api.raw({ method: 'POST', url: path, payload: JSON.stringify(named(body)) }, { token, headers })

  test.each(cases(evaluationVectors, 200))('%s: %s', async (path, _case, { body, answer }) => {
    const { text, status } = await ask(path, body)
    expect(status, text).toBe(200)
    expect(JSON.parse(text)).toMatchObject(Object(named(answer)))
  })

  test.each(cases(searchVectors, 200))('%s: %s', async (path, _case, { body, answer }) => {
    const { text, status } = await ask(path, body)
    expect(status, text).toBe(200)
    const { page, results } = JSON.parse(text)
    expect(page).toEqual({ next_token: '', count: results.length })
    for (const each of Object(named(answer)).results) expect(results).toContainEqual(each)
  })

  test.each(cases([...evaluationVectors, ...searchVectors], 400))('%s: 400: %s', async (path, _case, { body }) => {
    const { text, status, headers } = await ask(path, body)
    expect([status, headers['content-type']], text).toEqual([400, 'text/plain; charset=utf-8'])
    expect(text).toMatch(/^[\w.]+: \S/)
  })

  test.each(cases(emptySearches, 200))('%s: nothing is found: %s', async (path, _case, { body }) => {
    const { text, ...got } = await ask(path, body)
    expect([got.status, JSON.parse(text)]).toEqual([200, { page: { next_token: '', count: 0 }, results: [] }])
  })

  test('the answer calls a request as its sender did, be it allowed, refused or unreadable', async () => {
    const headers = { 'x-request-id': 'bfe9eb29 äöü' }
    const good = { subject: { type: 'user', id: '$alice' }, action: { name: 'read' }, resource: { type: 'a', id: 'b' } }
    const url = '/access/v1/evaluation'
    const answers = [
      await ask(url, good, headers),
      await ask(url, {}, headers),
      await server.api.raw({ method: 'POST', url, payload: '{"cut": ' }, { token: admin, headers }),
      await server.api.raw({ method: 'POST', url, payload: '{}' }, { headers }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 400, 400, 401])
    for (const answer of answers) expect(answer.headers['x-request-id']).toBe('bfe9eb29 äöü')
    expect((await ask(url, good)).headers['x-request-id']).toMatch(/^req_/)
  })

  test('a body of another type, none, or no JSON is 400 in plain text; who accepts a problem document gets one', async () => {
    const url = '/access/v1/evaluation'
    for (const [payload, type] of [
      ['subject=alice', 'application/x-www-form-urlencoded'],
      ['', 'application/json'],
      ['{"subject"', 'application/json'],
    ]) {
      const headers = { 'content-type': type ?? '', accept: '*/*' }
      const answer = await server.api.raw({ method: 'POST', url, payload: payload ?? '' }, { token: admin, headers })
      expect([answer.status, answer.headers['content-type']]).toEqual([400, 'text/plain; charset=utf-8'])
    }
    expect((await server.api.refuse(evaluate, { body: {}, token: admin })).code).toBe('invalid-request')
  })

  test('without a token it is 401 and says how; without the right to ask for another it is 403', async () => {
    const body = { subject: { type: 'user', id: bob.id }, action: { name: 'read' }, resource: { type: 'a', id: 'b' } }
    const payload = JSON.stringify(body)
    const stranger = await server.api.raw({ method: 'POST', url: '/access/v1/evaluation', payload }, {})
    expect([stranger.status, String(stranger.headers['www-authenticate'])]).toEqual([
      401,
      expect.stringMatching(/^Bearer /),
    ])
    const { token } = await server.user('viewer')
    const viewer = await ask('/access/v1/evaluation', body, {}, token)
    expect([viewer.status, viewer.headers['content-type']]).toEqual([403, 'text/plain; charset=utf-8'])
    const searched = await ask('/access/v1/search/subject', body, {}, token)
    expect(searched.status).toBe(403)
    const denied = { decision: false, context: { error: { status: 403, code: 'forbidden' } } }
    const many = await ask('/access/v1/evaluations', { ...body, evaluations: [{}] }, {}, token)
    expect([many.status, JSON.parse(many.text)]).toMatchObject([200, { evaluations: [denied] }])
  })

  test('anybody asks for itself, and learns by which policy', async () => {
    const body = {
      subject: { type: 'user', id: bob.id },
      action: { name: 'read' },
      resource: { type: 'record', id: '9' },
    }
    const { context } = await server.api.call(evaluate, { body, token: bob.token })
    expect(context).toMatchObject({ basis: 'token', reason_user: { en: 'rule 0' }, trustScore: null })
    const { events } = await server.api.call(listAuditEvents, { query: { limit: 50 }, token: admin })
    const found = events.filter(({ type, decisionId }) => type === 'decision.made' && decisionId === context?.id)
    expect(found).toMatchObject([{ actor: bob.id, decision: 'allow', resource: 'record/9' }])
  })

  test('another tenant’s subject is denied as one that nobody knows, and found by nobody', async () => {
    const foreign = await server.tenant('elsewhere')
    const of = (id: string) => ({
      subject: { type: 'user', id },
      action: { name: 'read' },
      resource: { type: 'record', id: 'record-1' },
    })
    const absent = `usr_${'0'.repeat(32)}`
    const [theirs, nobodys] = await Promise.all(
      [alice.id, absent].map((id) => server.api.call(evaluate, { body: of(id), token: foreign.admin.token })),
    )
    expect(JSON.stringify(theirs).replaceAll(alice.id, absent)).toBe(JSON.stringify(nobodys))
    expect(theirs?.decision).toBe(false)
    const { results } = await server.api.call(searchSubjects, { body: of(alice.id), token: foreign.admin.token })
    expect(results).toEqual([{ type: 'user', id: foreign.admin.id }])
  })

  test('pages follow one another until all were found, and a token is good for its search alone', async () => {
    const body = { subject: { type: 'user' }, action: { name: 'read' }, resource: { type: 'record', id: 'record-1' } }
    const whole = await server.api.call(searchSubjects, { body, token: admin })
    expect(whole.results.length).toBeGreaterThan(2)
    const found: unknown[] = []
    let token: string | undefined
    do {
      const page = { limit: 2, ...(token !== undefined && { token }) }
      const part = await server.api.call(searchSubjects, { body: { ...body, page }, token: admin })
      expect(part.page.count).toBe(part.results.length)
      expect(part.results.length).toBeLessThanOrEqual(2)
      found.push(...part.results)
      token = part.page.next_token
    } while (token !== '')
    expect(found).toEqual(whole.results)
    const none = await server.api.call(searchSubjects, { body: { ...body, page: { limit: 0 } }, token: admin })
    for (const other of [{ action: { name: 'write' } }, { context: { a: 1 } }, { page: { limit: 3 } }]) {
      const page = { ...other.page, token: none.page.next_token }
      const refused = await server.api.refuse(searchSubjects, { body: { ...body, ...other, page }, token: admin })
      expect([refused.code, refused.errors?.[0]?.field]).toEqual(['invalid-request', expect.stringMatching(/^page\./)])
    }
    expect(none.results).toEqual([])
    const rest = { ...body, page: { token: none.page.next_token } }
    expect((await server.api.call(searchSubjects, { body: rest, token: admin })).results).toEqual([])
  })

  test('what is found is allowed when it is asked, and what is not found is not', async () => {
    const agent = await makeAgent(server, admin, ['file/docs/*:read', 'file:list', 'mail:send'])
    const subject = { type: 'agent', id: agent.id }
    const resource = { type: 'file', id: 'docs/a.md' }
    const { results } = await server.api.call(searchActions, { body: { subject, resource }, token: admin })
    expect(results).toEqual([{ name: 'list' }, { name: 'read' }])
    for (const name of ['list', 'read', 'write', 'send', 'delete']) {
      const { decision } = await server.api.call(evaluate, {
        body: { subject, resource, action: { name } },
        token: admin,
      })
      expect([name, decision]).toEqual([name, results.some((each) => each.name === name)])
    }
    const { accessToken: token } = await loginAgent(server, agent)
    expect((await server.api.call(searchActions, { body: { subject, resource }, token })).results).toEqual(results)
  })

  test('who can, and by what; one event a page', async () => {
    const { id } = await makeAgent(server, admin, ['vault/keys/*:open'])
    const body = { action: 'open', resource: 'vault/keys/1', kind: 'agent' as const, context: { purpose: 'a test' } }
    const answer = await server.api.call(whoCan, { body, token: admin })
    expect(answer.identities).toMatchObject([
      { identityId: id, kind: 'agent', reasons: [{ policyId: 'system:capability' }], riskLevel: 'MEDIUM' },
    ])
    const { events } = await server.api.call(listAuditEvents, { query: { limit: 20 }, token: admin })
    const searched = events.filter(({ type }) => type === 'decision.searched')
    const data = { sought: 'subject', decided: answer.decided, found: 1 }
    expect(searched[0]).toMatchObject({ action: 'open', resource: 'vault/keys/1', data })
    expect((await server.api.refuse(whoCan, { body, token: bob.token })).code).toBe('forbidden')
  })

  test('the configuration says where to ask, for each issuer', async () => {
    const url = '/.well-known/authzen-configuration'
    const root = await server.api.raw({ method: 'GET', url })
    expect(JSON.parse(root.text)).toMatchObject({
      policy_decision_point: 'http://localhost:9000',
      access_evaluation_endpoint: 'http://localhost:9000/access/v1/evaluation',
    })
    const path = `/t/${server.defaultTenant.id}`
    const tenants = await server.api.raw({ method: 'GET', url: url + path })
    expect(JSON.parse(tenants.text)).toMatchObject({ policy_decision_point: `http://localhost:9000${path}` })
  })

  test('what a caller tells never stands for what is registered, nor for who asks', async () => {
    const rules = {
      probe: 'resource has labels && resource.labels.contains("pii")',
      pose: 'principal.status == "suspended"',
    }
    for (const [name, when] of Object.entries(rules)) {
      const policy = `permit(principal, action == AgentIam::Action::"${name}", resource) when { ${when} };`
      await server.api.call(createPolicy, { body: { name, policy }, token: admin })
    }
    const properties = { labels: ['pii'], status: 'suspended', id: 'x', tenant: 'x' }
    for (const name of Object.keys(rules))
      for (const id of ['record-1', 'unregistered']) {
        const body = {
          subject: { type: 'user', id: bob.id, properties },
          action: { name, properties },
          resource: { type: 'record', id, properties },
          context: { resource: { labels: ['pii'] }, principal: properties },
        }
        expect((await server.api.call(evaluate, { body, token: admin })).decision).toBe(false)
      }
  })

  test('what was taken away elsewhere is gone from the next bulk, evaluation and search', async () => {
    const other = await server.beside()
    const agent = await makeAgent(server, admin, ['shelf/*:read'])
    const [subject, action, resource] = [{ type: 'agent', id: agent.id }, { name: 'read' }, { type: 'shelf', id: '1' }]
    const checks = Array.from({ length: 20 }, (_, n) => ({ agentId: agent.id, action: 'read', resource: `shelf/${n}` }))
    const allowed = async () => {
      const { results } = await server.api.call(bulkCheck, { body: { checks }, token: admin })
      const one = await server.api.call(evaluate, { body: { subject, action, resource }, token: admin })
      const found = await server.api.call(searchSubjects, { body: { subject, action, resource }, token: admin })
      const ours = found.results.filter(({ id }) => id === agent.id)
      return [results.filter(({ decision }) => decision?.allowed).length, one.decision, ours.length]
    }
    expect(await allowed()).toEqual([20, true, 1])
    await other.api.call(updateAgent, { params: { agentId: agent.id }, body: { capabilities: [] }, token: admin })
    expect(await allowed()).toEqual([0, false, 0])
  })

  test('whose session has ended learns nothing more, of one question or of many', async () => {
    const { token } = await server.user('admin')
    const check = { resource: 'file/a', action: 'read' }
    await server.api.call(bulkCheck, { body: { checks: [check] }, token })
    await server.api.call(logout, { token })
    const refused = await server.api.refuse(bulkCheck, { body: { checks: [check, check] }, token })
    expect(refused).toMatchObject({ status: 401, code: 'token-revoked' })
    const body = { subject: { type: 'user', id: bob.id }, action: { name: 'read' }, resource: { type: 'a', id: 'b' } }
    for (const operation of [evaluate, searchSubjects, searchActions])
      expect((await server.api.refuse(operation, { body, token })).status).toBe(401)
    expect((await server.api.refuse(evaluateAll, { body: { ...body, evaluations: [{}] }, token })).status).toBe(401)
  })
})
