import { revokeAgent } from '@agent-iam/contract/agent-life'
import { setAgentTrust, suspendAgent, updateAgent } from '@agent-iam/contract/agents'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { delegateAgent } from '@agent-iam/contract/delegation'
import type { AgentId } from '@agent-iam/contract/ids'
import { createPolicy } from '@agent-iam/contract/policies'
import { createSession } from '@agent-iam/contract/sessions'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { narrowedTo } from './narrowed.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'
import {
  answersAbout,
  answersById,
  answersTo,
  answersToEach,
  coverOf,
  entries,
  lawOf,
  lineOf,
  longestChain,
  plant,
  type Answers,
  type Entry,
  type Place,
  type Planted,
  trees,
} from './trees.ts'

/** Each run plants a tree and asks some hundred questions; `TREES=200` is a night's work. */
const numRuns = Number(process.env['TREES'] ?? 4)
vi.setConfig({ testTimeout: 20_000 + numRuns * 10_000 })

const narrowings = ['ungrant', 'suspend', 'expire', 'distrust'] as const
/** What happens to a place, whichever there are. */
interface Blow {
  readonly at: number
  readonly narrowing: (typeof narrowings)[number]
}
const blows: fc.Arbitrary<readonly Blow[]> = fc.array(
  fc.record({ at: fc.nat(), narrowing: fc.constantFrom(...narrowings) }),
  { minLength: 1, maxLength: 3 },
)
const everyBlow: readonly Blow[] = narrowings.map((narrowing, index) => ({ at: 7 - 2 * index, narrowing }))

describe.each(databases)('random trees on %s', (_name, open) => {
  let server: TestServer

  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  test('nobody may do what one of its line may not, before and after whatever is taken away', async () => {
    const everything: [readonly Place[], readonly Blow[]] = [longestChain, everyBlow]
    await fc.assert(
      fc.asyncProperty(trees, blows, async (places, some) => {
        const admin = await server.admin()
        const planted = await plant(server, admin, places)
        expect(await bothAnswers(admin, planted)).toEqual(twice(lawOf(places)))
        let left = places
        for (const { at, narrowing } of some) {
          const struck = at % places.length
          left = await strike(admin, { left, planted, struck }, narrowing)
          expect(await bothAnswers(admin, planted)).toEqual(twice(lawOf(left)))
        }
      }),
      { numRuns, examples: [everything] },
    )
  })

  test('who is revoked takes along just what descends from it', async () => {
    await fc.assert(
      fc.asyncProperty(trees, fc.nat(), async (places, drawn) => {
        const admin = await server.admin()
        const planted = await plant(server, admin, places)
        const before = await answersById(server, admin, planted)
        const revoked = drawn % places.length
        const params = { agentId: idAt(planted, revoked) }
        await server.api.call(revokeAgent, { params, body: {}, token: admin })
        const isBelow = (index: number) => lineOf(places, index).includes(revoked)
        const wanted = before.map((answers, index) => answers.map((allowed) => allowed && !isBelow(index)))
        expect(await bothAnswers(admin, planted)).toEqual(twice(wanted))
      }),
      { numRuns, examples: [[longestChain, 4]] },
    )
  })

  test('what is made with a narrowed token is just as narrow, though a policy permit everything', async () => {
    const lax = await server.tenant('lax')
    const cedar = { name: 'everything', policy: 'permit(principal, action, resource);' }
    await server.api.call(createPolicy, { body: cedar, token: lax.admin.token })
    await fc.assert(
      fc.asyncProperty(fc.subarray(entries), async (scope) => {
        const { token: admin } = await server.user('admin', lax)
        const lender = await makeAgent(server, admin, [...entries, 'agent-iam:*'])
        const token = await narrowedTo(server, lender.id, [...scope, 'agent-iam:*'], lax.id)
        const made = await makeAll(token, lender.id, scope)
        const told = made.tokens.map((each) => answersTo(server, each))
        const said = made.children.map((each) => answersAbout(server, admin, each))
        for (const answers of await Promise.all([...told, ...said])) expect(answers).toEqual(coverOf(scope))
        expect(await answersAbout(server, admin, lender.id)).toEqual([true, true, true, true])
      }),
      { numRuns, examples: [[[]], [['file/docs/*:read']]] },
    )
  })

  /** Everything that a token can be turned into, and what is made with that again. */
  async function makeAll(token: string, agentId: AgentId, scope: readonly Entry[]) {
    const { api } = server
    const { key } = await api.call(createApiKey, { body: { name: 'narrow' }, token })
    const { accessToken } = await api.call(createSession, { body: { agentId }, token })
    const child = await makeChild(token, scope)
    const grandchild = await makeChild(child.token.accessToken, [])
    const ofSession = await makeChild(accessToken, scope)
    const children = [child, grandchild, ofSession]
    return {
      tokens: [token, key, accessToken, ...children.map((each) => each.token.accessToken)],
      children: children.map((each) => each.agentId),
    }
  }

  let made = 0
  async function makeChild(token: string, capabilities: readonly Entry[]) {
    const body = { name: `narrow ${++made}`, capabilities: [...capabilities, 'agent-iam/agents*:delegate'] }
    return server.api.call(delegateAgent, { body, token })
  }

  async function bothAnswers(admin: string, planted: Planted) {
    return { byId: await answersById(server, admin, planted), byToken: await answersToEach(server, planted) }
  }

  interface Struck {
    readonly left: readonly Place[]
    readonly planted: Planted
    readonly struck: number
  }

  /** Takes something away from an agent; gives what the tree is then. */
  async function strike(
    admin: string,
    { left, planted, struck }: Struck,
    narrowing: Blow['narrowing'],
  ): Promise<readonly Place[]> {
    const place = left[struck]
    if (!place?.acts) return left
    const agentId = idAt(planted, struck)
    const grants = narrowing === 'ungrant' ? place.grants.slice(1) : place.grants
    await take(admin, { agentId, grants }, narrowing)
    return left.with(struck, { ...place, grants, acts: narrowing === 'ungrant' })
  }

  async function take(
    token: string,
    { agentId, grants }: { agentId: AgentId; grants: readonly Entry[] },
    narrowing: Blow['narrowing'],
  ): Promise<void> {
    const params = { agentId }
    if (narrowing === 'ungrant')
      await server.api.call(updateAgent, { params, body: { capabilities: [...grants] }, token })
    if (narrowing === 'suspend') await server.api.call(suspendAgent, { params, body: {}, token })
    if (narrowing === 'distrust') await server.api.call(setAgentTrust, { params, body: { trustScore: 0.1 }, token })
    if (narrowing === 'expire') {
      const expiresAt = new Date(server.clock.now().getTime() + 500)
      await server.database.ask('update identities set expires_at = $1 where id = $2', [expiresAt, uuidOf(agentId)])
      await server.changedBehindItsBack()
    }
  }
})

function twice(answers: Answers) {
  return { byId: answers, byToken: answers }
}

function idAt({ agents }: Planted, index: number): AgentId {
  const agent = agents[index]
  if (!agent) throw new Error(`no place ${index}`)
  return agent.id
}
