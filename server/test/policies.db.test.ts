import { registerAgent } from '@agent-iam/contract/agents'
import { check } from '@agent-iam/contract/authorization'
import * as policies from '@agent-iam/contract/policies'
import { validatePolicy } from '@agent-iam/contract/policy-checks'
import * as versions from '@agent-iam/contract/policy-versions'
import type { AgentId, PolicyId } from '@agent-iam/contract/ids'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

const onType = (type: string, effect = 'permit') =>
  `${effect}(principal is AgentIam::Agent, action == AgentIam::Action::"read", resource) when { resource.type == "${type}" };`

describe.each(databases)('policies on %s', (_name, open) => {
  let server: TestServer
  let token: string
  let agentId: AgentId
  beforeAll(async () => {
    server = await openServer(await open())
    token = await server.admin()
    agentId = (await server.api.call(registerAgent, { body: { name: 'a reader' }, token })).agentId
  })
  afterAll(() => server.close())

  const create = (name: string, policy = onType(name), more = {}) =>
    server.api.call(policies.createPolicy, { body: { name, policy, ...more }, token })
  const update = (policyId: PolicyId, name: string, policy: string, more = {}) =>
    server.api.call(policies.updatePolicy, { params: { policyId }, body: { name, policy, ...more }, token })
  const step = (operation: typeof versions.activatePolicy, policyId: PolicyId) =>
    server.api.call(operation, { params: { policyId }, token })
  const decide = async (type: string) => {
    const answer = await server.api.call(check, { body: { agentId, resource: `${type}/x`, action: 'read' }, token })
    return [answer.decision, answer.reasons[0]?.policyId]
  }
  const events = async (policyId: string) => {
    const rows = await server.database.ask(
      `select convert_from(leaf, 'UTF8')::json as leaf from audit_events where resource = $1 order by sequence`,
      [`agent-iam/policies/${policyId}`],
    )
    return rows.map(({ leaf }) => leaf)
  }

  test('a draft decides nothing; activated it does at once, retired no more', async () => {
    const made = await create('drafted', undefined, { status: 'draft' })
    expect(made).toMatchObject({ status: 'draft', version: 1, activeVersion: null })
    expect(await decide('drafted')).toEqual(['deny', 'system:default-deny'])
    expect(await step(versions.activatePolicy, made.policyId)).toMatchObject({ status: 'active', activeVersion: 1 })
    expect(await decide('drafted')).toEqual(['allow', made.policyId])
    expect(await step(versions.retirePolicy, made.policyId)).toMatchObject({ status: 'retired', activeVersion: null })
    expect(await decide('drafted')).toEqual(['deny', 'system:default-deny'])
    await step(versions.activatePolicy, made.policyId)
    expect(await decide('drafted')).toEqual(['allow', made.policyId])
  })

  test('another text is another version, in force from that moment', async () => {
    const { policyId } = await create('changing')
    const changed = await update(policyId, 'changing', onType('changed'), { comment: 'another type' })
    expect(changed).toMatchObject({ version: 2, activeVersion: 2, revision: 2, status: 'active' })
    expect(await decide('changing')).toEqual(['deny', 'system:default-deny'])
    expect(await decide('changed')).toEqual(['allow', policyId])
    const found = await server.api.call(versions.listPolicyVersions, { params: { policyId }, token })
    expect(found.versions).toMatchObject([
      { version: 2, policy: onType('changed'), comment: 'another type', effect: 'permit' },
      { version: 1, policy: onType('changing'), comment: '' },
    ])
    expect(found.versions[0]?.author).toMatch(/^usr_/)
    const { diff } = await server.api.call(versions.diffPolicy, { params: { policyId }, token })
    expect(diff).toBe(`@@ -1,1 +1,1 @@\n-${onType('changing')}\n+${onType('changed')}`)
  })

  test('a change that is not activated waits until it is', async () => {
    const { policyId } = await create('waiting')
    expect(await update(policyId, 'waiting', onType('waited'), { activate: false })).toMatchObject({
      version: 2,
      activeVersion: 1,
    })
    expect([await decide('waiting'), await decide('waited')]).toMatchObject([
      ['allow', policyId],
      ['deny', 'system:default-deny'],
    ])
    // A new name is told at once, with the text that is in force.
    await update(policyId, 'renamed', onType('waited'), { activate: false })
    expect([await decide('waiting'), await decide('waited')]).toMatchObject([
      ['allow', policyId],
      ['deny', 'system:default-deny'],
    ])
    await step(versions.activatePolicy, policyId)
    expect([await decide('waiting'), await decide('waited')]).toMatchObject([
      ['deny', 'system:default-deny'],
      ['allow', policyId],
    ])
  })

  test('the same text makes no version', async () => {
    const { policyId } = await create('same')
    expect(await update(policyId, 'same, renamed', onType('same'))).toMatchObject({ version: 1, revision: 2 })
    const refusal = await server.api.refuse(versions.activatePolicy, { params: { policyId }, token })
    expect(refusal).toMatchObject({ code: 'wrong-state' })
  })

  test('rolled back, the earlier text is the latest version, and in force', async () => {
    const { policyId } = await create('rolling')
    await update(policyId, 'rolling', onType('rolled'))
    const rolled = await server.api.call(versions.rollbackPolicy, {
      params: { policyId },
      body: { version: 1, comment: 'it was better' },
      token,
    })
    expect(rolled).toMatchObject({ version: 3, activeVersion: 3, policy: onType('rolling') })
    expect(await decide('rolling')).toEqual(['allow', policyId])
    for (const version of [3, 7]) {
      const refusal = await server.api.refuse(versions.rollbackPolicy, {
        params: { policyId },
        body: { version },
        token,
      })
      expect(refusal.code).toBe(version === 3 ? 'wrong-state' : 'not-found')
    }
    expect(await events(policyId)).toMatchObject([
      { type: 'policy.created', data: { version: 1, activeVersion: 1, effect: 'permit', cedar: onType('rolling') } },
      { type: 'policy.updated', data: { version: 2, activeVersion: 2, versionBefore: 1, activeVersionBefore: 1 } },
      { type: 'policy.rolled-back', data: { version: 3, activeVersion: 3, versionBefore: 2 } },
    ])
  })

  test('of two who change what both have read, the second is told', async () => {
    const { policyId, revision } = await create('read by two')
    const body = { name: 'read by two', policy: onType('mine') }
    const headers = { 'if-match': `"${revision}"` }
    await server.api.call(policies.updatePolicy, { params: { policyId }, body, headers, token })
    for (const operation of [policies.updatePolicy, policies.deletePolicy]) {
      const sent = { params: { policyId }, ...(operation === policies.updatePolicy && { body }), headers, token }
      expect(await server.api.refuse(operation, sent)).toMatchObject({ code: 'precondition-failed' })
    }
  })

  test('of two who change the same revision at once, one does', async () => {
    const { policyId, revision } = await create('raced')
    const outcomes = await Promise.all(
      ['one', 'other'].map((type) => {
        const body = { name: 'raced', policy: onType(type) }
        return server.api.send(policies.updatePolicy, {
          params: { policyId },
          body,
          headers: { 'if-match': `"${revision}"` },
          token,
        })
      }),
    )
    expect(outcomes.map(({ status }) => `${status}`).toSorted()).toEqual(['200', '412'])
    const { versions: kept } = await server.api.call(versions.listPolicyVersions, { params: { policyId }, token })
    expect(kept.map(({ version }) => version)).toEqual([2, 1])
  })

  test('two hundred versions are kept, and the one in force', async () => {
    const { policyId } = await create('often')
    await server.database.ask(
      `insert into policy_revisions select tenant_id, policy_id, n, cedar, effect, is_unscoped, author, at, ''
       from policy_revisions, generate_series(2, 250) n where policy_id = $1`,
      [uuidOf(policyId)],
    )
    await server.database.ask(`update policy_documents set current_version = 250 where id = $1`, [uuidOf(policyId)])
    await update(policyId, 'often', onType('once more'), { activate: false })
    const [kept] = await server.database.ask(
      `select count(*)::int as count, array_agg(version order by version) filter (where version < 53) as first
       from policy_revisions where policy_id = $1`,
      [uuidOf(policyId)],
    )
    expect(kept).toEqual({ count: 201, first: [1, 52] })
  })

  test('they are found by status, effect and words', async () => {
    const { policyId } = await create('Findable', onType('f', 'forbid'), { status: 'draft', description: 'a NEEDLE' })
    const found = async (query: object) => {
      const answer = await server.api.call(policies.listPolicies, { query, token })
      return answer.policies.map((policy) => policy.policyId)
    }
    expect(await found({ status: 'draft' })).toEqual([policyId])
    expect(await found({ effect: 'forbid' })).toEqual([policyId])
    expect(await found({ search: 'needle' })).toEqual([policyId])
    expect(await found({ search: 'FINDABLE' })).toEqual([policyId])
    expect(await found({ search: '%' })).toEqual([])
    expect(await found({ status: 'active', search: 'needle' })).toEqual([])
    for (const query of [{ search: 'a\0' }, { pack: 'a\0' }])
      expect(await server.api.refuse(policies.listPolicies, { query, token })).toMatchObject({
        code: 'invalid-request',
      })
    expect(await server.api.call(policies.getPolicy, { params: { policyId }, token })).toMatchObject({ priority: 0 })
  })

  test('a name is taken by a draft as well', async () => {
    await create('taken', undefined, { status: 'draft' })
    const { policyId } = await create('free')
    const body = { name: 'taken', policy: onType('x') }
    expect(await server.api.refuse(policies.createPolicy, { body, token })).toMatchObject({ code: 'already-exists' })
    const sent = { params: { policyId }, body, token }
    expect(await server.api.refuse(policies.updatePolicy, sent)).toMatchObject({ code: 'already-exists' })
  })

  test('reasons are told by priority, and a forbid wins whatever its own', async () => {
    const low = await create('low', onType('ordered'), { priority: -5 })
    const high = await create('high', onType('ordered'), { priority: 5 })
    const middle = await create('middle', onType('ordered'))
    const ask = async () => {
      const body = { agentId, resource: 'ordered/x', action: 'read' }
      const { decision, reasons } = await server.api.call(check, { body, token })
      return [decision, ...reasons.map(({ policyId }) => policyId)]
    }
    expect(await ask()).toEqual(['allow', high.policyId, middle.policyId, low.policyId])
    const forbid = await create('forbidden', onType('ordered', 'forbid'), { priority: -1000 })
    expect(await ask()).toEqual(['deny', forbid.policyId])
  })

  test('a text is checked without being stored', async () => {
    const validate = (policy: string) => server.api.call(validatePolicy, { body: { policy }, token })
    expect(await validate(onType('x', 'forbid'))).toMatchObject({ valid: true, effect: 'forbid', errors: [] })
    expect(await validate('permit(principal, action,\n resorce);')).toMatchObject({
      valid: false,
      effect: null,
      errors: [{ line: 2 }],
    })
  })

  test('what the release before adds and removes has its document', async () => {
    const tenant = uuidOf(server.app.defaultTenantId)
    await create('in the way', undefined, { status: 'draft' })
    for (const name of ['of old', 'in the way'])
      await server.database.ask(
        `insert into policies (tenant_id, id, name, description, effect, cedar, is_unscoped, created_by, created_at)
         values ($1, gen_random_uuid(), $2, '', 'permit', $3, false, 'usr_x', now())`,
        [tenant, name, onType('of old')],
      )
    const listed = async () => (await server.api.call(policies.listPolicies, { query: { limit: 200 }, token })).policies
    const old = (await listed()).filter(({ createdBy }) => createdBy === 'usr_x')
    expect(old).toMatchObject([
      { name: expect.stringMatching(/^in the way [0-9a-f-]{36}$/), status: 'active', activeVersion: 1 },
      { name: 'of old', status: 'active', version: 1, policy: onType('of old') },
    ])
    await update(old[1]?.policyId ?? 'pol_', 'of old', onType('of new'))
    await server.database.ask(`delete from policies where created_by = 'usr_x'`)
    expect((await listed()).filter(({ createdBy }) => createdBy === 'usr_x')).toEqual([])
  })
})
