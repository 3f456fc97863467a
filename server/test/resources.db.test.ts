import { createPolicy } from '@agent-iam/contract/policies'
import { assignRole, createRole } from '@agent-iam/contract/roles'
import * as types from '@agent-iam/contract/resource-types'
import * as resources from '@agent-iam/contract/resources'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { declareDocuments, everything } from './documents.ts'
import { openServer, type TestServer } from './test-server.ts'

type Content = Partial<resources.ResourceContent>

describe.each(databases)('resources on %s', (_name, open) => {
  let server: TestServer
  let token: string

  beforeAll(async () => {
    server = await openServer(await open())
    token = await server.admin()
    await declareDocuments(server, token)
  })
  afterAll(() => server.close())

  const put = (resource: string, body: Content = {}, from = server) =>
    from.api.call(resources.putResource, { query: { resource }, body, token })
  const refused = async (resource: string, body: unknown, headers = {}) =>
    server.api.refuse(resources.putResource, { query: { resource }, body, token, headers })
  const get = (resource: string) => server.api.call(resources.getResource, { query: { resource }, token })
  const remove = (resource: string) => server.api.call(resources.removeResource, { query: { resource }, token })

  test('what was registered is shown as it was sent, whatever its id holds', async () => {
    const attributes = { ...everything, open: true }
    for (const resource of ['doc/a', 'doc/a//b/../ü 🙂?&=%2F"\\', "doc/' or 1=1 --"]) {
      const made = await put(resource, { attributes, labels: ['phi', 'pii', 'pii'] })
      expect(made).toMatchObject({
        resource,
        attributes,
        labels: ['phi', 'pii'],
        owner: null,
        parent: null,
        revision: 1,
      })
      expect(await get(resource)).toEqual(made)
      await remove(resource)
    }
    expect(await put('doc/b', { attributes: { ratio: 0.5 } })).toMatchObject({ attributes: { ratio: '0.5000' } })
  })

  test.each<[string, string, unknown, [string, RegExp]]>([
    ['an undeclared type', 'spaceship/a', {}, ['resource', /^resource type spaceship is not declared/]],
    ['an undeclared attribute', 'doc/x', { attributes: { colour: 'red' } }, ['attributes.colour', /^is not declared/]],
    ['a text for a number', 'doc/x', { attributes: { size: '12' } }, ['attributes.size', /^is no long$/]],
    ['a fraction for a number', 'doc/x', { attributes: { size: 1.5 } }, ['attributes.size', /^is no long$/]],
    ['null', 'doc/x', { attributes: { size: null } }, ['attributes.size', /^is no long$/]],
    [
      'one of a set that is none',
      'doc/x',
      { attributes: { owners: ['a', 1] } },
      ['attributes.owners.1', /^is no string$/],
    ],
    ['five places', 'doc/x', { attributes: { ratio: 0.12345 } }, ['attributes.ratio', /^is no decimal$/]],
    ['a day that is none', 'doc/x', { attributes: { until: '2030-02-30' } }, ['attributes.until', /^is no datetime$/]],
    ['an address that is none', 'doc/x', { attributes: { net: '10.0.0.256' } }, ['attributes.net', /^is no ipaddr$/]],
    ['a number beyond JSON’s', 'doc/x', { attributes: { size: 2 ** 53 } }, ['attributes', /beyond ±\(2\^53−1\)/]],
    ['a NUL', 'doc/x', { attributes: { owners: ['\u0000'] } }, ['attributes', /NUL/]],
    ['part of a record', 'doc/x', { attributes: { place: { floor: 1 } } }, ['attributes.place.city', /^is required$/]],
    [
      'more than a record has',
      'doc/x',
      { attributes: { place: { city: 'a', b: 1 } } },
      ['attributes.place.b', /^is not/],
    ],
    [
      'a name of Cedar’s',
      'doc/x',
      { attributes: { place: { city: 'a', __extn: {} } } },
      ['attributes.place.__extn', /^is not/],
    ],
    [
      'what every object has',
      'doc/x',
      { attributes: { constructor: 'x' } },
      ['attributes.constructor', /^is not declared/],
    ],
    ['a missing attribute', 'folder/x', {}, ['attributes.title', /^is required$/]],
    ['17 kB of text', 'doc/x', { attributes: { owners: ['x'.repeat(17_000)] } }, ['attributes', /16384 bytes/]],
    ['a label that is none', 'doc/x', { labels: ['Top Secret'] }, ['labels.0', /lower-case/]],
    ['an owner who is nobody', 'doc/x', { owner: `usr_${'0'.repeat(32)}` }, ['owner', /no such identity/]],
    ['a parent that is not registered', 'doc/x', { parent: 'shelf/none' }, ['parent', /not registered/]],
    ['itself as parent', 'doc/x', { parent: 'doc/x' }, ['parent', /lie in itself/]],
  ])('%s is refused', async (_case, resource, body, [field, message]) => {
    const problem = await refused(resource, body)
    expect(problem).toMatchObject({
      code: 'invalid-request',
      errors: [{ field, message: expect.stringMatching(message) }],
    })
    const after = await server.api.refuse(resources.getResource, { query: { resource }, token })
    expect(after.code).toBe('not-found')
  })

  test.each(['doc', 'doc/', '/x', 'd c/x', `doc/${'x'.repeat(1024)}`, 'doc/\u0000'])(
    '%j names no resource',
    async (name) => {
      expect(await refused(name, {})).toMatchObject({ code: 'invalid-request' })
    },
  )

  test('`__proto__` in a body is refused at the door', async () => {
    const body = '{"attributes": {"place": {"city": "x", "__proto__": {"floor": 1}}}}'
    expect((await refused('doc/x', body)).status).toBe(400)
  })

  test('labels of what a resource lies in hold for it', async () => {
    await put('shelf/top', { labels: ['financial'] })
    await put('folder/mid', { parent: 'shelf/top', attributes: { title: 'x' }, labels: ['pii'] })
    const low = await put('doc/low', { parent: 'folder/mid', labels: ['own'] })
    expect(low).toMatchObject({ labels: ['own'], inheritedLabels: ['financial', 'pii'] })
    const { resources: listed } = await server.api.call(resources.listRegisteredResources, {
      query: { parent: 'folder/mid' },
      token,
    })
    expect(listed).toEqual([low])
    const problem = await server.api.refuse(resources.removeResource, { query: { resource: 'folder/mid' }, token })
    expect(problem).toMatchObject({ code: 'wrong-state', detail: 'doc/low lies in it; move or remove it first' })
  })

  test('ten may lie above, and no more, wherever the chain is joined', async () => {
    for (let n = 0; n <= 10; n++) await put(`shelf/deep${n}`, n === 0 ? {} : { parent: `shelf/deep${n - 1}` })
    expect((await refused('shelf/deep11', { parent: 'shelf/deep10' })).code).toBe('invalid-request')
    await put('shelf/root')
    const moved = await refused('shelf/deep0', { parent: 'shelf/root' })
    expect(moved.errors?.[0]?.message).toMatch(/deeper than 10/)
    expect((await refused('shelf/deep0', { parent: 'shelf/deep10' })).errors?.[0]?.message).toMatch(/lie in itself/)
  })

  test('of two moves that would make a circle together, one is refused', async () => {
    const other = await server.beside()
    await put('shelf/left')
    await put('shelf/right')
    const move = (from: TestServer, resource: string, parent: string) =>
      from.api.send(resources.putResource, { query: { resource }, body: { parent }, token })
    const answers = await Promise.all([
      move(server, 'shelf/left', 'shelf/right'),
      move(other, 'shelf/right', 'shelf/left'),
    ])
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 400]))
  })

  test('many at once: all or none, parents among them, what stays the same leaves no trace', async () => {
    const all = Array.from({ length: 300 }, (_, n) => ({
      resource: `shelf/bulk${n}`,
      ...(n > 0 && { parent: `shelf/bulk${Math.floor((n - 1) / 10)}` }),
    })).toReversed()
    const send = (body: unknown) => server.api.send(resources.putResources, { body, token })
    const bad = await server.api.refuse(resources.putResources, {
      body: { resources: [...all, { resource: 'doc/bad', attributes: { size: 'x' } }] },
      token,
    })
    expect(bad.errors).toEqual([{ field: 'resources.300.attributes.size', message: 'is no long' }])
    const before = await server.database.ask('select count(*) from audit_events')
    expect((await server.database.ask(`select 1 from resources where id like 'bulk%'`)).length).toBe(0)
    expect(JSON.parse((await send({ resources: all })).text)).toEqual({ registered: 300, changed: 0, unchanged: 0 })
    expect(JSON.parse((await send({ resources: all })).text)).toEqual({ registered: 0, changed: 0, unchanged: 300 })
    const after = await server.database.ask('select count(*) from audit_events')
    expect(Number(after[0]?.['count']) - Number(before[0]?.['count'])).toBe(300)
    expect((await send({ resources: [{ resource: 'shelf/a' }, { resource: 'shelf/a' }] })).status).toBe(400)
  })

  test('pages go through all, filters through some', async () => {
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const query = { type: 'shelf', prefix: 'bulk1', limit: 20, ...(cursor !== undefined && { cursor }) }
      const page = await server.api.call(resources.listRegisteredResources, { query, token })
      seen.push(...page.resources.map(({ resource }) => resource))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(seen.length).toBe(111)
    expect(new Set(seen).size).toBe(111)
    const { id } = await server.user()
    await put('doc/owned', { owner: id, labels: ['cardholder'] })
    for (const query of [{ owner: id }, { label: 'cardholder' }, { type: 'doc', prefix: 'owned' }]) {
      const { resources: found } = await server.api.call(resources.listRegisteredResources, { query, token })
      expect(found.map(({ resource }) => resource)).toEqual(['doc/owned'])
    }
  })

  test('who has not seen the last change overwrites nothing', async () => {
    await put('doc/shared', { labels: ['a'] })
    await put('doc/shared', { labels: ['b'] })
    expect((await refused('doc/shared', {}, { 'if-match': '"1"' })).code).toBe('precondition-failed')
    expect((await refused('doc/unborn', {}, { 'if-match': '"1"' })).code).toBe('precondition-failed')
    expect(await put('doc/shared', { labels: ['b'] })).toMatchObject({ revision: 2 })
  })

  test('another tenant sees, changes and lies in nothing of this one', async () => {
    await put('doc/mine', { labels: ['pii'] })
    const { admin } = await server.tenant('stranger')
    const query = { resource: 'doc/mine' }
    const theirs = { query, token: admin.token }
    for (const operation of [resources.getResource, resources.removeResource])
      expect((await server.api.refuse(operation, theirs)).code).toBe('not-found')
    expect((await server.api.refuse(resources.putResource, { ...theirs, body: {} })).detail).toMatch(/not declared/)
    await server.api.call(types.createResourceType, { body: { name: 'doc' }, token: admin.token })
    const body = { parent: 'doc/b', owner: (await server.user()).id }
    const problem = await server.api.refuse(resources.putResource, { ...theirs, body })
    expect(problem.errors?.map(({ field }) => field)).toEqual(['owner', 'parent'])
    await server.api.call(resources.putResource, { ...theirs, body: {} })
    expect(await get('doc/mine')).toMatchObject({ labels: ['pii'], revision: 1 })
  })

  test('a policy can forbid to describe some resources, in bulk as well', async () => {
    const policy = `forbid(principal, action == AgentIam::Action::"resources:update", resource)
      when { resource.id like "resources/shelf/payroll*" };`
    await server.api.call(createPolicy, { body: { name: 'payroll stays', policy }, token })
    expect((await refused('shelf/payroll', {})).code).toBe('forbidden')
    const body = { resources: [{ resource: 'shelf/free' }, { resource: 'shelf/payroll' }] }
    expect((await server.api.refuse(resources.putResources, { body, token })).code).toBe('forbidden')
    expect((await server.api.refuse(resources.getResource, { query: { resource: 'shelf/free' }, token })).code).toBe(
      'not-found',
    )
  })

  test('who may describe some resources describes no others, and moves nothing out of their reach', async () => {
    const { id: identityId, token: theirs } = await server.user('viewer')
    const { roleId } = await server.api.call(createRole, {
      body: { name: 'Librarian', permissions: [{ permission: 'agent-iam/resources/shelf/open*:update' }] },
      token,
    })
    await server.api.call(assignRole, { params: { roleId, identityId }, body: {}, token })
    const send = (resource: string) =>
      server.api.send(resources.putResource, { query: { resource }, body: { labels: ['a'] }, token: theirs })
    expect((await send('shelf/open-1')).status).toBe(200)
    expect((await send('shelf/closed')).status).toBe(403)
    const all = (names: string[]) => ({ resources: names.map((resource) => ({ resource })) })
    const bulk = (names: string[]) => server.api.send(resources.putResources, { body: all(names), token: theirs })
    expect((await bulk(['shelf/open-2', 'shelf/open-3'])).status).toBe(200)
    expect((await bulk(['shelf/open-4', 'shelf/closed'])).status).toBe(403)
    const query = { resource: 'shelf/open-1' }
    expect((await server.api.refuse(resources.removeResource, { query, token: theirs })).code).toBe('forbidden')
  })

  test('values of attributes are not in the log, their names are', async () => {
    await put('doc/told', { attributes: { owners: ['a name of somebody'] }, labels: ['pii'] })
    const rows = await server.database.ask(
      `select convert_from(leaf, 'UTF8') as leaf from audit_events where resource = 'agent-iam/resources/doc/told'`,
    )
    expect(rows.length).toBe(1)
    expect(JSON.parse(String(rows[0]?.['leaf']))).toMatchObject({
      type: 'resource.registered',
      data: { attributes: ['owners'], labels: ['pii'], owner: null, parent: null },
    })
    expect(String(rows[0]?.['leaf'])).not.toContain('somebody')
  })
})
