import { registerAgent } from '@agent-iam/contract/agents'
import { check } from '@agent-iam/contract/authorization'
import * as policies from '@agent-iam/contract/policies'
import { exportPolicies, importPolicies } from '@agent-iam/contract/policy-files'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { openServer, type TestServer, type TestUser } from './test-server.ts'

const permit = (type: string) =>
  `permit(principal is AgentIam::Agent, action, resource) when { resource.type == "${type}" };`

describe.each(databases)('files of policies on %s', (_name, open) => {
  let server: TestServer
  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  let tenants = 0
  const administrator = async (): Promise<TestUser> => (await server.tenant(`files-${++tenants}`)).admin
  const create = (token: string, name: string, policy: string, more = {}) =>
    server.api.call(policies.createPolicy, { body: { name, policy, ...more }, token })
  const take = (token: string, cedar: string, more = {}) =>
    server.api.call(importPolicies, { body: { cedar, ...more }, token })
  const written = async (token: string) => (await server.api.call(exportPolicies, { token })).cedar
  const listed = async (token: string) => {
    const found = await server.api.call(policies.listPolicies, { query: { limit: 200 }, token })
    return found.policies.map(({ name, status, version, policy, description, priority }) => {
      return { name, status, version, policy, description, priority }
    })
  }

  test('what is exported and imported again changes nothing, and in another tenant makes the same', async () => {
    const [one, other] = [await administrator(), await administrator()]
    await create(one.token, 'plain', permit('a'), { description: 'says "a"; and \\ more\n', priority: 7 })
    await create(one.token, 'with comments', `// why; so\n@owner("me")\n${permit('b')}`)
    await create(one.token, 'a draft', permit('c'), { status: 'draft' })
    const file = await written(one.token)
    const again = await take(one.token, file, { mode: 'replace' })
    expect(again.policies.map(({ action }) => action)).toEqual(['keep', 'keep', 'keep'])
    expect((await take(other.token, file)).policies.map(({ action }) => action)).toEqual(['create', 'create', 'create'])
    expect(await listed(other.token)).toEqual(await listed(one.token))
    const withoutIds = (text: string) => text.replaceAll(/pol_[0-9a-f]{32}/g, 'pol_…')
    expect(withoutIds(await written(other.token))).toBe(withoutIds(file))
  })

  test('a file changes what it names, and leaves or retires the rest', async () => {
    const { token } = await administrator()
    await create(token, 'changed', permit('a'))
    await create(token, 'left', permit('b'))
    const file = `@name("changed")\n${permit('c')}\n@name("added") @status("draft")\n${permit('d')}`
    const tried = await take(token, file, { dryRun: true, mode: 'replace' })
    expect(tried).toMatchObject({
      applied: false,
      policies: [
        { line: 1, name: 'changed', action: 'update', status: 'active' },
        { line: 3, name: 'added', action: 'create', status: 'draft', policyId: null },
        { line: null, name: 'left', action: 'retire', status: 'retired' },
      ],
    })
    expect(await listed(token)).toMatchObject([{ version: 1 }, { name: 'left', status: 'active' }])
    await take(token, file)
    const merged = [
      { name: 'added', status: 'draft' },
      { name: 'changed', status: 'active', version: 2, policy: permit('c') },
    ]
    expect(await listed(token)).toMatchObject([...merged, { name: 'left', status: 'active' }])
    await take(token, file, { mode: 'replace' })
    expect(await listed(token)).toMatchObject([...merged, { name: 'left', status: 'retired' }])
  })

  test('what is imported is in force with the next decision', async () => {
    const { token } = await administrator()
    const { agentId } = await server.api.call(registerAgent, { body: { name: 'a reader' }, token })
    const body = { agentId, resource: 'a/x', action: 'read' }
    expect(await server.api.call(check, { body, token })).toMatchObject({ decision: 'deny' })
    await take(token, `@name("open") ${permit('a')}`)
    expect(await server.api.call(check, { body, token })).toMatchObject({ decision: 'allow' })
  })

  test('one fault refuses all of it, and each is told where it lies in the file', async () => {
    const { token } = await administrator()
    const file = `@name("good")\n${permit('a')}\n\n@name("bad")\n@status("alive") permit(principal,\n  acton, resource);\n  forbid(`
    const { policies: told } = await take(token, file, { dryRun: true })
    expect(told).toMatchObject([
      { name: 'good', action: 'create', errors: [] },
      { name: 'bad', action: 'refuse', line: 4 },
      { action: 'refuse', line: 7 },
    ])
    expect(told[1]?.errors).toMatchObject([
      { line: 4, column: 1 },
      { line: 6, column: 3 },
    ])
    const refusal = await server.api.refuse(importPolicies, { body: { cedar: file }, token })
    expect(refusal).toMatchObject({ code: 'policy-invalid' })
    expect(refusal.errors?.map(({ field }) => field)).toEqual(['cedar:4:1', 'cedar:6:3', 'cedar:7:10'])
    expect(await listed(token)).toEqual([])
  })

  test.each([
    ['the same name twice', `@name("x") ${permit('a')} @name("x") ${permit('b')}`, /same policy as that of line 1/],
    ['a name that nobody may have', `@name("a\\u{202e}b") ${permit('a')}`, /@name .*invisible/],
    ['a priority that is none', `@priority("high") ${permit('a')}`, /@priority/],
    ['a template', 'permit(principal == ?principal, action, resource);', /template/],
    ['deep brackets', `permit(principal, action, resource) when { ${'('.repeat(5000)} };`, /nested deeper/],
    [
      'a chain of 400 terms',
      `permit(principal, action, resource) when { ${Array(400).fill('true').join('&&')} };`,
      /deeper than/,
    ],
    [
      'a permit for the platform',
      'permit(principal, action == AgentIam::Action::"users:invite", resource);',
      /platform/,
    ],
  ])('%s is refused', async (_what, cedar, message) => {
    const { token } = await administrator()
    const refusal = await server.api.refuse(importPolicies, { body: { cedar }, token })
    expect(refusal).toMatchObject({ code: 'policy-invalid', detail: expect.stringMatching(message) })
  })

  test('two hundred and fifty at once are taken, more are too many', async () => {
    const { token } = await administrator()
    const file = (count: number) =>
      Array.from({ length: count }, (_, n) => `@name("number ${n}") ${permit(`t${n}`)}`).join('\n')
    expect(await server.api.refuse(importPolicies, { body: { cedar: file(251) }, token })).toMatchObject({
      code: 'too-large',
    })
    expect((await take(token, file(250))).policies).toHaveLength(250)
    // What is there already is not changed, so the rest of a longer file may follow.
    expect((await take(token, file(300))).policies.filter(({ action }) => action === 'create')).toHaveLength(50)
  }, 120_000)

  test('a file that would break a quota changes nothing', async () => {
    const { token } = await administrator()
    const file = Array.from(
      { length: 51 },
      (_, n) => `@name("n ${n}") forbid(principal, action, resource) when { resource.type == "${n}" };`,
    )
    const refusal = await server.api.refuse(importPolicies, { body: { cedar: file.join('\n') }, token })
    expect(refusal).toMatchObject({ code: 'quota-spent', detail: expect.stringContaining('50') })
    expect(await listed(token)).toEqual([])
  })

  test('who may write policies but not activate them imports nothing', async () => {
    const { id, slug } = await server.tenant('files-of-a-writer')
    const { token } = await server.user('viewer', { id, slug })
    expect(await server.api.refuse(importPolicies, { body: { cedar: permit('a') }, token })).toMatchObject({
      code: 'forbidden',
    })
  })

  test('a file changes no policy that the one who sends it may not change', async () => {
    const { token } = await administrator()
    const guarded = await create(token, 'guarded', permit('a'))
    const update = 'AgentIam::Action::"policies:update"'
    const resource = `AgentIam::Resource::"agent-iam/policies/${guarded.policyId}"`
    await create(token, 'the guard', `forbid(principal, action == ${update}, resource == ${resource});`)
    const before = await listed(token)
    const body = { cedar: `${permit('c')}\n@name("guarded")\n${permit('b')}` }
    expect(await server.api.refuse(importPolicies, { body, token })).toMatchObject({ code: 'forbidden' })
    expect(await listed(token)).toEqual(before)
    await take(token, `@name("the guard")\n${permit('c')}`)
    await take(token, `@name("guarded")\n${permit('b')}`)
  })
})
