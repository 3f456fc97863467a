import { listAgents, registerAgent } from '@agent-iam/contract/agents'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { check } from '@agent-iam/contract/authorization'
import { platformTenantId } from '@agent-iam/contract/ids'
import type { Operation } from '@agent-iam/contract/operation'
import { listPolicies } from '@agent-iam/contract/policies'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { escapeText } from '../src/features/audit/event-text.ts'
import { loginAgent, makeAgent } from './agents.ts'
import { countRows } from './count-rows.ts'
import { databases } from './databases.ts'
import { readProblem } from './test-api.ts'
import { openServer } from './test-server.ts'
import type { Case, Given } from './bad-cases.ts'
import { conflicts, malformed, proofs } from './bad-bodies.ts'
import { logins } from './bad-logins.ts'

const position = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url')
const searching = (name: string, operation: Operation, query: Record<string, string>): Case => [
  name,
  'invalid-request',
  new RegExp(`^${Object.keys(query)[0]}: `),
  operation,
  ({ admin }) => ({ token: admin, query }),
]
const searches: Case[] = [
  searching('a NUL in the name of agents', listAgents, { name: 'a\0' }),
  ...['type', 'actor', 'resource', 'requestId'].map((field) =>
    searching(`a NUL in the ${field} of events`, listAuditEvents, { [field]: 'a\0' }),
  ),
  searching('a cursor with a NUL', listPolicies, { cursor: position('a\0') }),
  searching('a cursor of another list', listAuditEvents, { cursor: position('abc') }),
  searching('a cursor between two events', listAuditEvents, { cursor: position(1.5) }),
]

describe.each(databases)('bad input on %s', (_name, open) => {
  let given: Given
  let networks = 0

  beforeAll(async () => {
    const server = await openServer(await open())
    const agent = await makeAgent(server, await server.admin(), ['file/*:read'])
    given = { server, admin: '', agent, agentToken: '' }
  })
  afterAll(() => given.server.close())

  test.each([...malformed, ...searches, ...proofs, ...conflicts, ...logins])(
    '%s is refused as %s, is on record, and changes nothing',
    async (...[, code, detail, operation, make]: Case) => {
      const { server } = given
      // Clocks are moved here and there, so everyone logs in anew; and a network's refusals are told once a minute.
      const { accessToken: agentToken } = await loginAgent(server, given.agent)
      const input = await make({ ...given, admin: await server.admin(), agentToken })
      const before = await countRows(server.database)
      const problem = await server.api.refuse(operation, { ...input, from: `10.1.${++networks}.1` })
      expect(problem.code, problem.detail).toBe(code)
      expect(problem.detail).toEqual(expect.stringMatching(detail))
      expect(await countRows(server.database)).toEqual(before)
      await expectRecorded(operation, problem)
    },
  )

  test.each([
    ['quotes and line breaks', 'file/a"b\nc\\d\'e', 'AgentIam::Resource::"file/a\\"b\\nc\\\\d\\\'e"'],
    ['text that looks like a policy', 'file/x"); permit(principal, action, resource); //', undefined],
    ['other scripts and emoji', 'file/директория/😀', 'AgentIam::Resource::"file/директория/\\u{1f600}"'],
  ])('a resource with %s is taken as it is', async (_what, resource, spelt) => {
    const { server, agent } = given
    const { accessToken: token } = await loginAgent(server, agent)
    const principal = `AgentIam::Agent::"${agent.id}"`
    const bodies = [
      { resource, action: 'read' },
      {
        principal,
        action: 'AgentIam::Action::"read"',
        resource: spelt ?? { type: 'AgentIam::Resource', id: resource },
      },
    ]
    for (const body of bodies) {
      const { decision, record } = await server.api.call(check, { body, token })
      expect(decision).toBe('allow')
      const [row] = await server.database.ask(`select resource from audit_events where encode(leaf_hash, 'hex') = $1`, [
        record.leafHash,
      ])
      // The log escapes control characters.
      expect(row).toEqual({ resource: escapeText(resource) })
    }
  })

  test('an action that looks like a policy is an action that nobody may do', async () => {
    const { server, agent } = given
    const { accessToken: token } = await loginAgent(server, agent)
    const body = { resource: 'file/a', action: 'read"; permit(principal, action, resource); //' }
    expect(await server.api.call(check, { body, token })).toMatchObject({ decision: 'deny' })
  })

  test('a fact named like a member of every object is a fact like others', async () => {
    const { server, agent } = given
    const { accessToken: token } = await loginAgent(server, agent)
    const context = { toString: 'x', hasOwnProperty: true, valueOf: 1 }
    expect(
      await server.api.call(check, { body: { resource: 'file/a', action: 'read', context }, token }),
    ).toMatchObject({ decision: 'allow' })
  })

  test('the cursor after a name as long as names may be is taken', async () => {
    const { server } = given
    const token = await server.admin()
    for (const last of ['一', '二'])
      await server.api.call(registerAgent, { body: { name: '漢'.repeat(99) + last }, token })
    const query = { name: '漢', limit: 1 }
    const { nextCursor } = await server.api.call(listAgents, { query, token })
    const { agents } = await server.api.call(listAgents, { query: { ...query, cursor: nextCursor ?? '' }, token })
    expect(agents).toMatchObject([{ name: `${'漢'.repeat(99)}二` }])
  })

  test('a member named toJSON is data', async () => {
    const { server } = given
    const body = { name: 'with toJSON', metadata: { toJSON: 1 } }
    const { metadata } = await server.api.call(registerAgent, { body, token: await server.admin() })
    expect(metadata).toEqual({ toJSON: 1 })
  })

  test('a path that is none of ours is a problem too, and on record', async () => {
    const { server } = given
    const answer = await server.api.raw({ method: 'GET', url: '/api/v2/agents' }, { from: '10.2.1.1' })
    expect(answer.status).toBe(404)
    const { requestId } = JSON.parse(answer.text)
    expect(await server.refusals(platformTenantId, requestId)).toMatchObject([
      { action: 'unknown', reasons: ['not-found'] },
    ])
  })

  test('a wrong method on a path of ours is told which it has', async () => {
    const { server } = given
    for (const url of ['/api/v1/agents', '/v1/agents']) {
      const answer = await server.api.raw({ method: 'PUT', url }, { from: '10.2.3.1' })
      expect(readProblem(answer).code).toBe('method-not-allowed')
      expect(answer.headers['allow']).toBe('POST, GET')
    }
  })

  test('a request for another host is refused', async () => {
    const { server } = given
    for (const host of ['evil.example', 'localhost.evil.example']) {
      const answer = await server.api.raw(
        { method: 'GET', url: '/api/v1/agents' },
        { from: '10.2.2.1', headers: { host } },
      )
      expect([host, answer.status]).toEqual([host, 421])
    }
  })

  async function expectRecorded({ id }: Operation, { code, requestId }: { code: string; requestId: string }) {
    const { server } = given
    const found = [
      ...(await server.refusals(server.app.defaultTenantId, requestId)),
      ...(await server.refusals(platformTenantId, requestId)),
    ]
    expect(found).toMatchObject([{ action: id, decision: 'deny', reasons: [code] }])
  }
})
