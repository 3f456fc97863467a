import { registerAgent } from '@agent-iam/contract/agents'
import { check } from '@agent-iam/contract/authorization'
import { createPolicy } from '@agent-iam/contract/policies'
import * as resources from '@agent-iam/contract/resources'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { declareDocuments, everything } from './documents.ts'
import { openServer, type TestServer } from './test-server.ts'

type Content = Partial<resources.ResourceContent>

describe.each(databases)('decisions about registered resources on %s', (_name, open) => {
  let server: TestServer
  let token: string
  let agentId: string

  beforeAll(async () => {
    server = await openServer(await open())
    token = await server.admin()
    await declareDocuments(server, token)
    const body = { name: 'a reader of resources', capabilities: ['doc:read', 'shelf:read'] }
    agentId = (await server.api.call(registerAgent, { body, token })).agentId
  })
  afterAll(() => server.close())

  const put = (resource: string, body: Content = {}, from = server) =>
    from.api.call(resources.putResource, { query: { resource }, body, token })
  const decide = async (identityId: string, resource: string, context = {}) => {
    const body = { agentId: identityId, resource, action: 'read', context }
    const answer = await server.api.send(check, { body, token })
    const { decision, reasons } = check.response.parse(JSON.parse(answer.text))
    return [decision, ...reasons.map(({ policyId }) => policyId)]
  }

  test('labels forbid at once, from wherever they come', async () => {
    const policy = `forbid(principal, action == AgentIam::Action::"read", resource)
      when { resource has labels && resource.labels.contains("secret") };`
    const { policyId } = await server.api.call(createPolicy, { body: { name: 'no secrets', policy }, token })
    await put('shelf/room')
    await put('doc/inside', { parent: 'shelf/room' })
    expect(await decide(agentId, 'doc/inside')).toEqual(['allow', 'system:capability'])
    await put('shelf/room', { labels: ['secret'] }, await server.beside())
    expect(await decide(agentId, 'doc/inside')).toEqual(['deny', policyId])
    await put('doc/inside', {})
    expect(await decide(agentId, 'doc/inside')).toEqual(['allow', 'system:capability'])
    await put('doc/inside', { labels: ['secret'] })
    expect(await decide(agentId, 'doc/inside')).toEqual(['deny', policyId])
  })

  test('policies read attributes of every type, and what lies above; callers cannot pretend', async () => {
    const policy = `permit(principal, action == AgentIam::Action::"read", resource in AgentIam::Resource::"shelf/open")
      when { resource has attributes.size && resource.attributes.size < 100
        && resource has attributes.owners && resource.attributes.owners.contains("Ada")
        && resource has attributes.ratio && resource.attributes.ratio.lessThan(decimal("0.5"))
        && resource has attributes.until && context.now < resource.attributes.until
        && resource has attributes.every && resource.attributes.every >= duration("1h")
        && resource has attributes.net && ip("10.1.2.3").isInRange(resource.attributes.net)
        && resource has attributes.place.floor && resource.attributes.place.floor == 3 };`
    const { policyId } = await server.api.call(createPolicy, { body: { name: 'all types', policy }, token })
    const nobody = (await server.api.call(registerAgent, { body: { name: 'without rights' }, token })).agentId
    const attributes = { ...everything, until: '2099-01-01', every: '90m' }
    await put('shelf/open')
    await put('doc/typed', { attributes, parent: 'shelf/open' })
    expect(await decide(nobody, 'doc/typed')).toEqual(['allow', policyId])
    await put('doc/typed', { attributes: { ...attributes, size: 100 }, parent: 'shelf/open' })
    const pretended = { attributes, resource: { attributes }, size: 1 }
    expect(await decide(nobody, 'doc/typed', pretended)).toEqual(['deny', 'system:default-deny'])
    await put('doc/typed', { attributes })
    expect(await decide(nobody, 'doc/typed')).toEqual(['deny', 'system:default-deny'])
    expect(await decide(nobody, 'doc/untold', pretended)).toEqual(['deny', 'system:default-deny'])
  })
})
