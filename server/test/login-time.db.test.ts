import { performance } from 'node:perf_hooks'
import { getChallenge, login } from '@agent-iam/contract/auth'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aKey, makeAgent, signed, type TestAgent } from './agents.ts'
import { databases } from './databases.ts'
import { watchStatements } from './statements.ts'
import { email, openServer, type TestServer } from './test-server.ts'

const pairs = 200
const passwordPairs = 15
/** Medians of so many samples, taken in turn, differ by a few percent; a step left out differs by more. */
const ratioMin = 0.7
const ratioMax = 1.4
const attemptsMax = 3
/** Fifty failures in so long are what one account takes. */
const accountWindowSeconds = 3600

/** Many pairs of logins, on a machine that other tests use too. */
const timeout = 120_000

describe.each(databases)('a refused login on %s', (_name, open) => {
  let server: TestServer
  let known: TestAgent
  let networks = 0

  beforeAll(async () => {
    server = await openServer(await open())
    known = await makeAgent(server, await server.admin())
  })
  afterAll(() => server.close())

  test('tells by neither words nor time whether the agent exists', { timeout }, async () => {
    const stranger = aKey().privateKey
    const unknown: TestAgent = { id: `agt_${'7'.repeat(32)}`, name: 'unknown', privateKey: stranger }
    const attempt = async (agent: TestAgent) => {
      const { challenge } = await server.api.call(getChallenge, { params: { agentId: agent.id } })
      return refusedLogin(signed(agent, challenge, stranger))
    }
    expect((await attempt(known)).words).toEqual((await attempt(unknown)).words)
    await expectAlike(
      pairs,
      () => attempt(known),
      () => attempt(unknown),
    )
  })

  test('takes the same statements whether the agent exists', async () => {
    const stranger = aKey().privateKey
    const unknown: TestAgent = { id: `agt_${'8'.repeat(32)}`, name: 'unknown', privateKey: stranger }
    const statementsFor = async (agent: TestAgent) => {
      const seen = watchStatements()
      const { challenge } = await server.api.call(getChallenge, { params: { agentId: agent.id } })
      await refusedLogin(signed(agent, challenge, stranger))
      return seen.stop().map(({ text }) => text)
    }
    const statements = await statementsFor(known)
    expect(statements.length).toBeGreaterThan(8)
    expect(await statementsFor(unknown)).toEqual(statements)
  })

  test('tells by neither words nor time whether the person or the tenant exists', { timeout }, async () => {
    // An account that fails too often is slowed down, so the failures of the one before have to be over.
    const attempt = (body: object) => {
      server.clock.advance(accountWindowSeconds / 25)
      return refusedLogin({ password: 'not the password', ...body })
    }
    const right = () => attempt({ email })
    for (const body of [{ email: 'nobody@example.com' }, { email, tenant: 'nowhere' }]) {
      expect((await right()).words).toEqual((await attempt(body)).words)
      await expectAlike(passwordPairs, right, () => attempt(body))
    }
  })

  /** The median times of two, sampled in turn, lie within the bound; a noisy machine gets another chance. */
  async function expectAlike(count: number, one: () => Promise<Timed>, two: () => Promise<Timed>) {
    let ratio = 0
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const [ones, twos]: [number[], number[]] = [[], []]
      for (let n = 0; n < count; n++) {
        ones.push((await one()).ms)
        twos.push((await two()).ms)
      }
      ratio = median(ones) / median(twos)
      if (ratio > ratioMin && ratio < ratioMax) break
    }
    expect(ratio).toBeGreaterThan(ratioMin)
    expect(ratio).toBeLessThan(ratioMax)
  }

  /** From a network of its own, since a repeated refusal is only counted. */
  async function refusedLogin(body: object): Promise<Timed> {
    const from = `10.${Math.floor(networks / 250)}.${networks++ % 250}.1`
    const began = performance.now()
    const { requestId: _, ...words } = await server.api.refuse(login, { body, from })
    expect(words.code).toBe('invalid-credentials')
    return { ms: performance.now() - began, words }
  }
})

interface Timed {
  readonly ms: number
  readonly words: object
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
