import { deleteAgent, reactivateAgent, suspendAgent } from '@agent-iam/contract/agents'
import { logoutAll, validate } from '@agent-iam/contract/auth'
import type { AgentId, SessionId } from '@agent-iam/contract/ids'
import {
  getStatusList,
  getTenantStatusList,
  listStatusLists,
  listTenantStatusLists,
} from '@agent-iam/contract/status-lists'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sweepStatusLists } from '../src/features/status-lists/service.ts'
import { fromUuid } from '../src/platform/ids.ts'
import { loginAgent, makeAgent, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { allot, operationOf, readList, statusOf } from './status-lists.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

/** Longer than an instance keeps a list, however long it took to make. */
const keptSeconds = 16

describe.each(databases)('status lists on %s', (_name, open) => {
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
  })
  afterAll(() => server.close())

  interface Login {
    readonly agent: TestAgent
    readonly sessionId: SessionId
    readonly token: string
  }

  async function login(): Promise<Login> {
    const agent = await makeAgent(server, admin)
    const { accessToken: token } = await loginAgent(server, agent)
    const { sessionId } = await server.api.call(validate, { token })
    return { agent, sessionId, token }
  }

  const setParent = (child: AgentId, parent: AgentId) =>
    server.database.ask(`update identities set parent_id = $1, parent_kind = 'agent' where id = $2`, [
      uuidOf(parent),
      uuidOf(child),
    ])

  const laterStatus = (...[reference]: [Parameters<typeof statusOf>[1]]) => {
    server.clock.advance(keptSeconds)
    return statusOf(server, reference)
  }

  test('a tenant none of whose tokens is verified elsewhere has no list', async () => {
    const { id: tenantId } = await server.tenant('without')
    expect(await server.api.call(listTenantStatusLists, { params: { tenantId } })).toEqual({ status_lists: [] })
  })

  test('a list is a signed token of its issuer, that caches and pages of any site may have', async () => {
    const { uri, idx } = await allot(server, (await login()).sessionId)
    expect(uri).toMatch(/^http:\/\/localhost:9000\/status-lists\/stl_[0-9a-f]{32}$/)
    const { list, payload, protectedHeader } = await readList(server, uri)
    const { iat = 0 } = payload
    expect(payload).toMatchObject({ iss: 'http://localhost:9000', sub: uri, ttl: 60, exp: iat + 600 })
    expect(protectedHeader.typ).toBe('statuslist+jwt')
    expect(list).toMatchObject({ bits: 2, bytes: expect.objectContaining({ length: 32_768 }) })
    expect(idx).toBeLessThan(131_072)
    const { operation, params } = operationOf(server, uri)
    const { headers, text } = await server.api.send(operation, { params })
    expect(headers).toMatchObject({
      'content-type': 'application/statuslist+jwt',
      'cache-control': 'public, max-age=30',
      'access-control-allow-origin': '*',
    })
    const unchanged = await server.api.send(operation, {
      params,
      headers: { 'if-none-match': String(headers['etag']) },
    })
    expect([unchanged.status, unchanged.text]).toEqual([304, ''])
    expect(text.length).toBeLessThan(2000)
    const { status_lists: lists } = await server.api.call(listStatusLists)
    expect(lists).toContain(uri)
    expect(payload['status_list']).toMatchObject({ aggregation_uri: 'http://localhost:9000/status-lists' })
  })

  test('a list of another tenant is under that tenant’s name and keys, and under no other', async () => {
    const { id: tenantId, admin: there } = await server.tenant('elsewhere')
    const { sessionId } = await server.api.call(validate, { token: there.token })
    const reference = await allot(server, sessionId, { tenantId })
    const issuer = `http://localhost:9000/t/${tenantId}`
    expect(reference.uri.startsWith(`${issuer}/status-lists/`)).toBe(true)
    expect((await readList(server, reference.uri)).payload.iss).toBe(issuer)
    expect(await statusOf(server, reference)).toBe('valid')
    const { params } = operationOf(server, reference.uri)
    expect((await server.api.refuse(getStatusList, { params: { listId: params.listId } })).code).toBe('not-found')
    const wrong = { listId: params.listId, tenantId: server.app.defaultTenantId }
    expect((await server.api.refuse(getTenantStatusList, { params: wrong })).code).toBe('not-found')
    const absent = { listId: `stl_${'0'.repeat(32)}` as const }
    expect((await server.api.refuse(getStatusList, { params: absent })).code).toBe('not-found')
  })

  test('a session that ended or ran out is invalid, its neighbours are not', async () => {
    const [one, two] = [await login(), await login()]
    const [reference, neighbour] = [await allot(server, one.sessionId), await allot(server, two.sessionId)]
    expect(await laterStatus(reference)).toBe('valid')
    await server.api.call(logoutAll, { token: one.token })
    expect(await laterStatus(reference)).toBe('invalid')
    expect(await statusOf(server, neighbour)).toBe('valid')
    await server.database.ask('update sessions set expires_at = started_at where id = $1', [uuidOf(two.sessionId)])
    expect(await laterStatus(neighbour)).toBe('invalid')
    // Forgotten altogether is not valid again.
    await server.database.ask('delete from refresh_tokens where session_id = $1', [uuidOf(one.sessionId)])
    await server.database.ask('delete from sessions where id = $1', [uuidOf(one.sessionId)])
    expect(await laterStatus(reference)).toBe('invalid')
  })

  test('what happens to a grandparent happens to the grandchild’s token', async () => {
    const [root, middle, leaf, aside] = [await login(), await login(), await login(), await login()]
    await setParent(middle.agent.id, root.agent.id)
    await setParent(leaf.agent.id, middle.agent.id)
    const [reference, other] = [await allot(server, leaf.sessionId), await allot(server, aside.sessionId)]
    expect(await laterStatus(reference)).toBe('valid')
    const params = { agentId: root.agent.id }
    await server.api.call(suspendAgent, { params, body: {}, token: admin })
    expect(await laterStatus(reference)).toBe('suspended')
    await server.api.call(reactivateAgent, { params, body: {}, token: admin })
    expect(await laterStatus(reference)).toBe('valid')
    // Revoked counts for more than suspended, wherever each is in the chain.
    await server.api.call(suspendAgent, { params: { agentId: middle.agent.id }, body: {}, token: admin })
    await server.api.call(deleteAgent, { params, token: admin })
    expect(await laterStatus(reference)).toBe('invalid')
    expect(await statusOf(server, other)).toBe('valid')
  })

  test('an ancestor that expires ends what it lent to', async () => {
    const [parent, child] = [await login(), await login()]
    await setParent(child.agent.id, parent.agent.id)
    const reference = await allot(server, child.sessionId)
    const soon = new Date(server.clock.now().getTime() + 60_000)
    await server.database.ask('update identities set expires_at = $1 where id = $2', [soon, uuidOf(parent.agent.id)])
    expect(await laterStatus(reference)).toBe('valid')
    server.clock.advance(60)
    expect(await laterStatus(reference)).toBe('invalid')
  })

  test('a suspended tenant’s tokens are suspended, all of them', async () => {
    const { id: tenantId, admin: there } = await server.tenant('stopped')
    const { sessionId } = await server.api.call(validate, { token: there.token })
    const reference = await allot(server, sessionId, { tenantId })
    const setStatus = (status: string) =>
      server.database.ask('update tenants set status = $1 where tenant_id = $2', [status, uuidOf(tenantId)])
    await setStatus('suspended')
    expect(await laterStatus(reference)).toBe('suspended')
    await setStatus('active')
    expect(await laterStatus(reference)).toBe('valid')
  })

  test('a session has one entry, however many tokens are made of it', async () => {
    const { sessionId } = await login()
    const first = await allot(server, sessionId, { seconds: 60 })
    const again = await Promise.all(Array.from({ length: 5 }, () => allot(server, sessionId, { seconds: 600 })))
    for (const each of again) expect(each).toEqual(first)
  })

  test('where an entry lies tells nothing: they are drawn by lot', async () => {
    const drawn: number[] = []
    for (let n = 0; n < 40; n++) drawn.push((await allot(server, server.app.system.newId('session'))).idx)
    expect(new Set(drawn).size).toBe(40)
    const rising = drawn.filter((idx, at) => at > 0 && idx > (drawn[at - 1] ?? 0)).length
    // Of so many pairs about half rise; all or none would be one chance in 10^11.
    expect(rising).toBeGreaterThan(4)
    expect(rising).toBeLessThan(36)
    expect(Math.max(...drawn)).toBeGreaterThan(65_536)
    expect(Math.min(...drawn)).toBeLessThan(65_536)
  })

  test('two instances tell the same, and what one ends the other shows soon after', async () => {
    const other = await server.beside()
    const { sessionId, token } = await login()
    const reference = await allot(other, sessionId)
    expect(await statusOf(server, reference)).toBe('valid')
    expect(await statusOf(other, reference)).toBe('valid')
    await server.api.call(logoutAll, { token })
    server.clock.advance(keptSeconds)
    expect(await statusOf(other, reference)).toBe('invalid')
  })

  test('who asks for lists that there are not has none made anew that is held', async () => {
    const { sessionId, token } = await login()
    const reference = await allot(server, sessionId)
    server.clock.advance(keptSeconds)
    await server.clock.still(async () => {
      expect(await statusOf(server, reference)).toBe('valid')
      await server.api.call(logoutAll, { token })
      const guesses = Array.from({ length: 250 }, () => ({ params: { listId: server.app.system.newId('statusList') } }))
      const answers = await Promise.all(guesses.map((guess) => server.api.send(getStatusList, guess)))
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]))
      // It is what was made before: none of them took its place.
      expect(await statusOf(server, reference)).toBe('valid')
    })
  })

  test('a full list is followed by another, and of many at once each has an entry of its own', async () => {
    const { id: tenantId } = await server.tenant('full')
    const small = fromUuid('statusList', '0198c5a1-f3e0-7b2c-8d4e-6f708192a3b4')
    await server.database.ask('insert into status_lists values ($1, $2, 1, 4, now())', [
      uuidOf(tenantId),
      uuidOf(small),
    ])
    const newSession = () => allot(server, server.app.system.newId('session'), { tenantId })
    const references = await Promise.all(Array.from({ length: 20 }, newSession))
    expect(new Set(references.map(({ uri, idx }) => `${uri} ${idx}`)).size).toBe(20)
    const ofSmall = references.filter(({ uri }) => uri.endsWith(small))
    expect(ofSmall.length).toBeLessThanOrEqual(4)
    expect(new Set(references.map(({ uri }) => uri)).size).toBe(2)
    expect((await readList(server, ofSmall[0]?.uri ?? '')).list.bytes).toHaveLength(1)
  })

  test('an entry is another’s only an hour after its last token, and a list goes when it is empty and succeeded', async () => {
    const { id: tenantId } = await server.tenant('swept')
    const old = fromUuid('statusList', '0198c5a1-f3e0-7b2c-8d4e-6f708192a3b5')
    await server.database.ask('insert into status_lists values ($1, $2, 1, 1, now())', [uuidOf(tenantId), uuidOf(old)])
    const brief = server.app.system.newId('session')
    const long = server.app.system.newId('session')
    await allot(server, brief, { tenantId, seconds: 60 })
    await allot(server, long, { tenantId, seconds: 60 })
    await allot(server, long, { tenantId, seconds: 30_000 })
    const left = async () =>
      (await server.database.ask('select session_id from status_entries where tenant_id = $1', [uuidOf(tenantId)])).map(
        ({ session_id: id }) => String(id),
      )
    server.clock.advance(60 + 3500)
    await sweepStatusLists(server.app.system)
    expect(await left()).toHaveLength(2)
    server.clock.advance(200)
    await Promise.all([sweepStatusLists(server.app.system), sweepStatusLists(server.app.system)])
    expect(await left()).toEqual([uuidOf(long)])
    await sweepStatusLists(server.app.system)
    const lists = await server.api.call(listTenantStatusLists, { params: { tenantId } })
    expect(lists.status_lists).toHaveLength(1)
    expect(lists.status_lists[0]).not.toContain(old)
  })
})
