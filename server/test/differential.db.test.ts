import { registerAgent } from '@agent-iam/contract/agents'
import { check } from '@agent-iam/contract/authorization'
import type { AgentId } from '@agent-iam/contract/ids'
import { createPolicy } from '@agent-iam/contract/policies'
import fc from 'fast-check'
import { createPrivateKey } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askForIdentity, type ActingIdentity } from '../src/features/authorization/model.ts'
import { notNarrowed } from '../src/features/identities/model.ts'
import { toRequestFacts } from '../src/features/policies/request-facts.ts'
import type { TenantPolicy } from '../src/features/policies/selection.ts'
import { loginAgent } from './agents.ts'
import { databases } from './databases.ts'
import { plainVerdict } from './plain-verdict.ts'
import { openServer, type TestServer } from './test-server.ts'

/** Requests to send; `CASES=n` for more. */
const numRuns = Number(process.env['CASES'] ?? 150)

/** Over every type that callers can send, in scopes of every form. */
const texts = [
  'permit(principal, action == AgentIam::Action::"read", resource) when { context.request.name like "*a*" };',
  'permit(principal, action, resource == AgentIam::Resource::"file/b") when { context.request.count + 1 > 2 };',
  'permit(principal is AgentIam::Agent, action in [AgentIam::Action::"write", AgentIam::Action::"send"], resource) when { context.request.flag };',
  'permit(principal, action, resource) when { context.request has list && context.request.list.contains("a") };',
  'permit(principal, action, resource) when { context.request has inner.deep && context.request.inner.deep == "ä" };',
  'forbid(principal, action, resource) when { context.request has score && context.request.score.lessThan(decimal("0.5")) };',
  'forbid(principal, action == AgentIam::Action::"write", resource) when { context.request has from && context.request.from.isInRange(ip("10.0.0.0/8")) };',
  'forbid(principal, action, resource == AgentIam::Resource::"file/b") when { context.request has at && context.request.at > datetime("2027-01-01") };',
  'forbid(principal, action == AgentIam::Action::"send", resource) when { context.request.wait > duration("1h") };',
  'permit(principal, action, resource) when { context.request has at && context.now > context.request.at };',
]

const name = fc.oneof(fc.constantFrom('', 'a', '*', 'résumé 🙂'), fc.string({ unit: 'grapheme', maxLength: 4 }))
const extension = (fn: string, ...args: string[]) => fc.constantFrom(...args).map((arg) => ({ __extn: { fn, arg } }))
const context = fc.record(
  {
    name: fc.oneof(name, fc.integer()),
    count: fc.oneof(fc.constantFrom(0, 2, Number.MAX_SAFE_INTEGER), name),
    flag: fc.boolean(),
    list: fc.array(name, { maxLength: 2 }),
    inner: fc.constantFrom({ deep: 'ä' }, { deep: 1 }, { other: true }),
    score: fc.oneof(fc.constantFrom(0.25, 0.75), extension('decimal', '0.5')),
    from: extension('ip', '10.1.2.3', '::1'),
    at: extension('datetime', '2020-01-01', '2030-01-01'),
    wait: extension('duration', '1d', '1ms'),
    'not read': name,
  },
  { requiredKeys: [] },
)
const asked = fc.record({
  action: fc.constantFrom('read', 'write', 'send'),
  resource: fc.constantFrom('file/a', 'file/b', 'folder'),
  context,
})

describe.each(databases)('answers over HTTP on %s', (_name, open) => {
  let server: TestServer
  let token: string
  let agentId: AgentId
  let policies: TenantPolicy[] = []

  beforeAll(async () => {
    server = await openServer(await open())
    const admin = await server.admin()
    policies = await Promise.all(
      texts.map(async (cedar, place) => {
        const body = { name: `p ${place}`, policy: cedar }
        const { policyId: id, effect } = await server.api.call(createPolicy, { body, token: admin })
        return { id, title: body.name, effect, cedar }
      }),
    )
    const body = { name: 'asker', capabilities: ['file/a:read'] }
    const agent = await server.api.call(registerAgent, { body, token: admin })
    agentId = agent.agentId
    const privateKey = createPrivateKey(agent.privateKey ?? '')
    token = (await loginAgent(server, { id: agentId, name: 'asker', privateKey })).accessToken
    // Each policy is checked in a thread of its own.
  }, 120_000)
  afterAll(() => server.close())

  function expected({ action, resource, context: sent }: { action: string; resource: string; context: object }) {
    const [type = '', id = ''] = resource.split('/')
    const identity: ActingIdentity = {
      id: agentId,
      kind: 'agent',
      name: 'asker',
      type: '',
      status: 'active',
      expiresAt: undefined,
      trust: { score: 0.5, basis: 'initial' },
      owner: undefined,
      lent: notNarrowed,
      grants: [{ entry: 'file/a:read' }],
      roles: [],
    }
    const request = askForIdentity(
      identity,
      {
        tenantId: server.defaultTenant.id,
        action,
        resource: { type, id },
        resourceFacts: {},
        request: toRequestFacts({ ...sent }),
        now: server.clock.now(),
        address: '127.0.0.1',
      },
      { hop: 0, actor: agentId, isChainWhole: true, scopes: [], isWithinBlocks: true, presented: [], roles: [] },
    )
    return plainVerdict({ tenantId: server.defaultTenant.id, version: '1', policies }, request)
  }

  test('are those of one plain call of the library', { timeout: 60_000 + numRuns * 400 }, async () => {
    let allows = 0
    await fc.assert(
      fc.asyncProperty(asked, async (question) => {
        const { decision, reasons } = await server.api.call(check, { body: question, token })
        if (decision === 'allow') allows += 1
        const plain = expected(question)
        expect({ decision, reasons: reasons.map(({ policyId }) => policyId).toSorted() }).toEqual({
          decision: plain?.decision,
          reasons: plain?.reasons,
        })
      }),
      { numRuns },
    )
    expect(allows).toBeGreaterThan(numRuns / 10)
    expect(allows).toBeLessThan(numRuns)
  })
})
