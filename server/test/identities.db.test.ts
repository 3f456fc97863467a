import { getAgentTrust, revokeAgent, verifyAgent } from '@agent-iam/contract/agent-life'
import {
  deleteAgent,
  getAgent,
  putAgent,
  reactivateAgent,
  registerAgent,
  setAgentTrust,
  suspendAgent,
  updateAgent,
} from '@agent-iam/contract/agents'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { validate } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import { delegateAgent } from '@agent-iam/contract/delegation'
import { getIdentity, suspendIdentity, updateIdentity } from '@agent-iam/contract/identities'
import type { AgentId } from '@agent-iam/contract/ids'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aKey, loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { makeService } from './services.ts'
import { openServer, type TestServer } from './test-server.ts'

describe.each(databases)('the lives of identities on %s', (_name, open) => {
  let server: TestServer
  let token: string
  let made = 0

  beforeAll(async () => {
    server = await openServer(await open())
    token = await server.admin()
  })
  afterAll(() => server.close())

  const asked = (agentId: AgentId) => ({ params: { agentId }, token })
  const matching = (tag: unknown) => ({ headers: { 'if-match': String(tag) } })
  /** Registered with a key that nobody has proved. */
  const unproved = (rest: object = {}) =>
    server.api.call(registerAgent, {
      body: { name: `unproved ${++made}`, publicKey: aKey().publicKey, ...rest },
      token,
    })
  const eventsOf = async (agentId: AgentId, type: string) => {
    const { events } = await server.api.call(listAuditEvents, { query: { limit: 200 }, token })
    return events.filter((event) => event.type === type && event.resource === `agent-iam/agents/${agentId}`)
  }

  describe('revisions', () => {
    test('one agent comes with its revision as ETag, and each change raises it', async () => {
      const { id } = await makeAgent(server, token)
      const answer = await server.api.send(getAgent, asked(id))
      const { revision } = getAgent.response.parse(JSON.parse(answer.text))
      expect(answer.headers['etag']).toBe(`"${revision}"`)
      const change = await server.api.send(updateAgent, { ...asked(id), body: { tags: ['a'] } })
      expect(change.headers['etag']).toBe(`"${revision + 1}"`)
    })

    test('a change made on an older revision is refused, and changes nothing', async () => {
      const { id } = await makeAgent(server, token)
      const { revision } = await server.api.call(getAgent, asked(id))
      await server.api.call(updateAgent, { ...asked(id), body: { tags: ['b'] }, ...matching(`"${revision}"`) })
      const before = await server.api.call(getAgent, asked(id))
      for (const [operation, body] of [
        [updateAgent, { name: 'overwritten' }],
        [putAgent, { name: 'overwritten' }],
        [suspendAgent, {}],
        [revokeAgent, {}],
        [deleteAgent, undefined],
        [setAgentTrust, { trustScore: 0.9 }],
      ] as const) {
        const problem = await server.api.refuse(operation, { ...asked(id), body, ...matching(`"${revision}"`) })
        expect(problem, operation.id).toMatchObject({ status: 412, code: 'precondition-failed' })
      }
      expect(await server.api.call(getAgent, asked(id))).toEqual(before)
    })

    test('any of several tags will do, * is any, a weak one is none, and what is no tag is malformed', async () => {
      const { id } = await makeAgent(server, token)
      const change = (tag: string) =>
        server.api.send(updateAgent, { ...asked(id), body: { type: 'worker' }, ...matching(tag) })
      const { revision } = await server.api.call(getAgent, asked(id))
      expect((await change(`"77", "${revision}"`)).status).toBe(200)
      expect((await change('*')).status).toBe(200)
      expect((await change(`W/"${revision + 2}"`)).status).toBe(412)
      expect((await change('"of-another-server"')).status).toBe(412)
      expect((await change(`${revision + 2}`)).status).toBe(400)
    })

    test('of two who change the same revision at once, one is refused', async () => {
      const { id } = await makeAgent(server, token)
      const { revision } = await server.api.call(getAgent, asked(id))
      const answers = await Promise.all(
        ['one', 'two'].map((tag) =>
          server.api.send(updateAgent, { ...asked(id), body: { tags: [tag] }, ...matching(`"${revision}"`) }),
        ),
      )
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 412])
    })

    test('services and people have revisions as well', async () => {
      const { serviceId } = await makeService(server, token)
      const { id } = await server.user('member')
      for (const identityId of [serviceId, id]) {
        const params = { identityId }
        const { revision } = await server.api.call(getIdentity, { params, query: {}, token })
        const change = { params, body: { tags: ['seen'] }, token, ...matching(`"${revision}"`) }
        expect((await server.api.call(updateIdentity, change)).revision).toBe(revision + 1)
        expect((await server.api.refuse(updateIdentity, change)).code).toBe('precondition-failed')
        const stopping = { params, token, ...matching(`"${revision}"`) }
        expect((await server.api.refuse(suspendIdentity, stopping)).code).toBe('precondition-failed')
        const shown = await server.api.call(getIdentity, { params, query: {}, token })
        expect(shown).toMatchObject({ status: 'active', revision: revision + 1 })
      }
    })
  })

  describe('states', () => {
    test('a pending agent may be revoked or deleted, and is no more to be suspended or reactivated', async () => {
      const { agentId } = await unproved()
      for (const operation of [suspendAgent, reactivateAgent]) {
        const problem = await server.api.refuse(operation, asked(agentId))
        expect(problem.code).toBe('wrong-state')
        expect(problem.detail).toMatch(/active/)
      }
      expect((await server.api.call(revokeAgent, asked(agentId))).status).toBe('revoked')
      const again = await server.api.refuse(revokeAgent, asked(agentId))
      expect(again).toMatchObject({ code: 'wrong-state', detail: `${agentId} is revoked; it may become deleted` })
      expect((await server.api.call(deleteAgent, asked(agentId))).status).toBe('deleted')
      expect((await server.api.refuse(deleteAgent, asked(agentId))).detail).toMatch(/it stays so/)
      const other = await unproved()
      expect((await server.api.call(deleteAgent, asked(other.agentId))).status).toBe('deleted')
    })

    test('revoking ends sessions, keys and grants in the same moment, and tells why', async () => {
      const agent = await makeAgent(server, token, ['file/docs/*:read'])
      const { accessToken } = await loginAgent(server, agent)
      await server.api.call(revokeAgent, { ...asked(agent.id), body: { reason: 'its key leaked' } })
      expect(await server.api.call(getAgent, asked(agent.id))).toMatchObject({
        status: 'revoked',
        keyThumbprint: null,
        capabilities: [],
      })
      expect((await server.api.refuse(validate, { token: accessToken })).status).toBe(401)
      const body = { agentId: agent.id, resource: 'file/docs/a', action: 'read' }
      expect((await server.api.call(check, { body, token })).decision).toBe('deny')
      expect(await eventsOf(agent.id, 'agent.revoked')).toHaveLength(1)
      expect((await server.api.send(revokeAgent, asked(agent.id))).status).toBe(409)
    })

    test('a reason is kept sealed, and is no field of the answer', async () => {
      const { id } = await makeAgent(server, token)
      const { text } = await server.api.send(suspendAgent, { ...asked(id), body: { reason: 'Ada said so' } })
      expect(text).not.toContain('Ada said so')
      const [event] = await eventsOf(id, 'agent.suspended')
      expect(JSON.stringify(event?.data ?? {})).not.toContain('Ada said so')
    })
  })

  describe('verification', () => {
    test('an agent with a key, metadata and enough trust is active at once, and the log says that nobody did it', async () => {
      const { agentId, status } = await unproved({ metadata: { version: '1.0.0' } })
      expect(status).toBe('active')
      expect(await eventsOf(agentId, 'agent.activated')).toMatchObject([{ data: { by: 'automatic' } }])
    })

    test('without metadata it waits until some is given', async () => {
      const { agentId, status } = await unproved()
      expect(status).toBe('pending')
      await server.api.call(updateAgent, { ...asked(agentId), body: { tags: ['waiting'] } })
      expect((await server.api.call(getAgent, asked(agentId))).status).toBe('pending')
      const body = { metadata: { version: '1.0.0' } }
      expect((await server.api.call(updateAgent, { ...asked(agentId), body })).status).toBe('active')
    })

    test('too little trust keeps it waiting, until there is enough', async () => {
      const { agentId } = await unproved()
      await server.api.call(setAgentTrust, { ...asked(agentId), body: { trustScore: 0.29 } })
      const body = { metadata: { version: '1.0.0' } }
      expect((await server.api.call(updateAgent, { ...asked(agentId), body })).status).toBe('pending')
      const trusted = await server.api.call(setAgentTrust, { ...asked(agentId), body: { trustScore: 0.3 } })
      expect(trusted).toMatchObject({ status: 'active', trustScore: 0.3 })
    })

    test('by hand it takes somebody with the permission, who is not its owner by that alone', async () => {
      const owner = await server.user('manager')
      const body = { name: `unproved ${++made}`, publicKey: aKey().publicKey }
      const { agentId } = await server.api.call(registerAgent, { body, token: owner.token })
      const { token: member } = await server.user('member')
      expect((await server.api.refuse(verifyAgent, { params: { agentId }, token: member })).code).toBe('forbidden')
      expect((await server.api.call(verifyAgent, asked(agentId))).status).toBe('active')
      expect((await server.api.refuse(verifyAgent, asked(agentId))).code).toBe('wrong-state')
      expect(await eventsOf(agentId, 'agent.activated')).toMatchObject([{ data: { by: 'verification' } }])
    })

    test('the first login with its key still does it', async () => {
      const { privateKey, publicKey } = aKey()
      const { agentId, name } = await unproved({ publicKey })
      await loginAgent(server, { id: agentId, name, privateKey })
      expect(await eventsOf(agentId, 'agent.activated')).toMatchObject([{ data: { by: 'login' } }])
    })
  })

  describe('above and below', () => {
    const delegating = 'agent-iam/agents*:delegate'
    const family = async () => {
      const root = await makeAgent(server, token, [delegating, 'file/docs/*:read'])
      const { accessToken } = await loginAgent(server, root)
      const make = async (as: string) =>
        server.api.call(delegateAgent, {
          body: { name: `below ${++made}`, capabilities: [delegating, 'file/docs/*:read'] },
          token: as,
        })
      const child = await make(accessToken)
      const grandchild = await make(child.token.accessToken)
      return { root, child, grandchild }
    }

    test('who is stopped with it is counted, and each of them shows by whom', async () => {
      const { root, child, grandchild } = await family()
      expect((await server.api.call(suspendAgent, asked(child.agentId))).stoppedDescendants).toBe(1)
      const shown = await server.api.call(getAgent, asked(grandchild.agentId))
      expect(shown).toMatchObject({
        status: 'active',
        isStopped: true,
        stoppedBy: child.agentId,
        parent: child.agentId,
      })
      expect((await server.api.call(suspendAgent, asked(root.id))).stoppedDescendants).toBe(2)
      // The nearest is told.
      expect((await server.api.call(getAgent, asked(grandchild.agentId))).stoppedBy).toBe(child.agentId)
      expect((await server.api.call(getAgent, asked(child.agentId))).stoppedBy).toBe(root.id)
      await server.api.call(reactivateAgent, asked(child.agentId))
      expect((await server.api.call(getAgent, asked(grandchild.agentId))).stoppedBy).toBe(root.id)
      await server.api.call(reactivateAgent, asked(root.id))
      expect(await server.api.call(getAgent, asked(grandchild.agentId))).toMatchObject({
        isStopped: false,
        stoppedBy: null,
      })
    })

    test('a child is given no more, and no longer, than those above it have', async () => {
      const { child, grandchild } = await family()
      const change = (body: object) => server.api.refuse(updateAgent, { ...asked(grandchild.agentId), body })
      const wider = await change({ capabilities: ['file/docs/*:read', 'file/docs/*:write'] })
      expect(wider).toMatchObject({ code: 'capability-exceeded', detail: expect.stringContaining('file/docs/*:write') })
      expect((await change({ expiresAt: null })).code).toBe('capability-exceeded')
      const later = new Date(Date.parse(child.expiresAt ?? '') + 1000).toISOString()
      expect((await change({ expiresAt: later })).detail).toContain(child.expiresAt)
      const body = { expiresAt: new Date(Date.parse(child.expiresAt ?? '') - 1000).toISOString(), capabilities: [] }
      const narrowed = await server.api.call(updateAgent, { ...asked(grandchild.agentId), body })
      expect(narrowed).toMatchObject({ capabilities: [], expiresAt: body.expiresAt })
    })

    test('who is revoked takes those below along, whose tokens are worth nothing with that answer', async () => {
      const { root, child, grandchild } = await family()
      const stopped = await server.api.call(revokeAgent, asked(root.id))
      expect(stopped.stoppedDescendants).toBe(2)
      for (const { token: below } of [child, grandchild])
        expect((await server.api.refuse(validate, { token: below.accessToken })).status).toBe(401)
    })
  })

  describe('what is told of an agent', () => {
    test('an end that is past is refused; one to come ends what it may do, and may be taken back', async () => {
      const soon = new Date(server.clock.now().getTime() + 60_000).toISOString()
      const agent = await makeAgent(server, token, ['file/docs/*:read'])
      const past = { expiresAt: '2020-01-01T00:00:00.000Z' }
      const problem = await server.api.refuse(updateAgent, { ...asked(agent.id), body: past })
      expect(problem.errors).toMatchObject([{ field: 'expiresAt' }])
      expect((await server.api.refuse(registerAgent, { body: { name: 'late', ...past }, token })).code).toBe(
        'invalid-request',
      )
      const ended = await server.api.call(updateAgent, { ...asked(agent.id), body: { expiresAt: soon } })
      expect(ended.expiresAt).toBe(soon)
      const free = await server.api.call(updateAgent, { ...asked(agent.id), body: { expiresAt: null } })
      expect(free.expiresAt).toBeNull()
      expect((await server.api.call(getAgentTrust, asked(agent.id))).riskLevel).toBe('MEDIUM')
    })

    test.each([
      ['repository', 'javascript:alert(1)'],
      ['repository', 'not a link'],
      ['documentation', 7],
      ['documentation', 'ftp://example.com/readme'],
    ])('metadata whose %s is %s is refused by name', async (field, value) => {
      const body = { name: `odd ${++made}`, metadata: { [field]: value } }
      const problem = await server.api.refuse(registerAgent, { body, token })
      expect(problem.errors).toMatchObject([{ field: `metadata.${field}` }])
    })

    test('tags are a few short words, each once, in one spelling', async () => {
      const { id } = await makeAgent(server, token)
      const tag = (tags: string[]) => server.api.send(updateAgent, { ...asked(id), body: { tags } })
      expect((await tag(Array.from({ length: 21 }, (_, n) => `tag ${n}`))).status).toBe(400)
      for (const bad of ['', ' spaced', 'x'.repeat(51), 'bell\u0007', 'turn\u202eed', 'half\ud800'])
        expect((await tag([bad])).status, JSON.stringify(bad)).toBe(400)
      await tag(['cafe\u0301', 'caf\u00e9', 'night'])
      expect((await server.api.call(getAgent, asked(id))).tags).toEqual(['caf\u00e9', 'night'])
    })
  })
})
