import { check } from '@agent-iam/contract/authorization'
import type { AgentId } from '@agent-iam/contract/ids'
import fc from 'fast-check'
import { type TestAgent, loginAgent, makeAgent } from './agents.ts'
import { type TestServer, uuidOf } from './test-server.ts'

/** What is asked, and of which entries each is covered: by hand, so that nothing of the server decides it. */
const questions = [
  { resource: 'file/docs/a', action: 'read' },
  { resource: 'file/docs/a', action: 'write' },
  { resource: 'file/letters/a', action: 'read' },
  { resource: 'database/customers', action: 'write' },
] as const
const coveredBy = {
  'file:read': [true, false, true, false],
  'file/docs/*:read': [true, false, false, false],
  'file/docs/*:*': [true, true, false, false],
  '*:write': [false, true, false, true],
  'database/customers:write': [false, false, false, true],
} as const satisfies Record<string, readonly boolean[]>

export type Entry = keyof typeof coveredBy
export const entries = Object.keys(coveredBy).filter((entry): entry is Entry => Object.hasOwn(coveredBy, entry))

/** A place in a tree, with what it was granted; whether it acts, and is trusted, on its own account. */
export interface Place {
  /** A place before it in the list; undefined for a root. */
  readonly parent: number | undefined
  readonly grants: readonly Entry[]
  readonly acts: boolean
}

/** For each place, its answer to each question. */
export type Answers = readonly (readonly boolean[])[]

/** The longest chain: so many links between who acts and the root. */
const linksMax = 10

/** Trees as they come: long chains and wide families by turns, sometimes several roots. */
export const trees: fc.Arbitrary<readonly Place[]> = fc
  .array(
    fc.record({
      from: fc.oneof(
        { arbitrary: fc.constant('last' as const), weight: 4 },
        { arbitrary: fc.nat(), weight: 3 },
        { arbitrary: fc.constant('nobody' as const), weight: 1 },
      ),
      // Generous, for where everybody lacks something nobody may do anything.
      grants: fc.subarray(entries, { minLength: 2 }),
    }),
    { minLength: 2, maxLength: 9 },
  )
  .map((drawn) => {
    const places: Place[] = []
    for (const { from, grants } of drawn)
      places.push({ parent: from === 'nobody' ? undefined : pickParent(places, from), grants, acts: true })
    return places
  })

/** The longest chain there may be, and everybody in it may do everything. */
export const longestChain: readonly Place[] = Array.from({ length: linksMax + 1 }, (_, index) => ({
  parent: index === 0 ? undefined : index - 1,
  grants: ['file:read', 'file/docs/*:*', '*:write'],
  acts: true,
}))

function pickParent(places: readonly Place[], from: number | 'last'): number | undefined {
  if (places.length === 0) return undefined
  const wanted = from === 'last' ? places.length - 1 : from % places.length
  return lineOf(places, wanted).length > linksMax ? 0 : wanted
}

/** A place and all who lend to it, the nearest first. */
export function lineOf(places: readonly Place[], index: number): readonly number[] {
  const line: number[] = []
  for (let at: number | undefined = index; at !== undefined; at = places[at]?.parent) line.push(at)
  return line
}

/** The law: who acts may do what everybody of its line may, while everybody acts. */
export function lawOf(places: readonly Place[]): Answers {
  return places.map((_, index) =>
    questions.map((_question, asked) =>
      lineOf(places, index).every((at) => {
        const { acts, grants } = places[at] ?? { acts: false, grants: [] }
        return acts && grants.some((entry) => coveredBy[entry][asked])
      }),
    ),
  )
}

/** A tree as a server holds it: each place an agent with a key of its own, and a token from when all was well. */
export interface Planted {
  readonly agents: readonly TestAgent[]
  readonly tokens: readonly string[]
}

/** Grants need not lie within each other: later changes, upon either, make all these trees. */
export async function plant(server: TestServer, admin: string, places: readonly Place[]): Promise<Planted> {
  const agents: TestAgent[] = []
  for (const { parent, grants } of places) {
    const agent = await makeAgent(server, admin, [...grants])
    const lender = parent === undefined ? undefined : agents[parent]
    if (lender) await lend(server, lender, agent)
    agents.push(agent)
  }
  const tokens: string[] = []
  for (const agent of agents) tokens.push((await loginAgent(server, agent)).accessToken)
  return { agents, tokens }
}

async function lend({ database }: TestServer, lender: TestAgent, agent: TestAgent): Promise<void> {
  await database.ask(`update identities set parent_id = $1, parent_kind = 'agent' where id = $2`, [
    uuidOf(lender.id),
    uuidOf(agent.id),
  ])
}

/** What the server says to each question of each, asked by id. */
export async function answersById(server: TestServer, admin: string, { agents }: Planted): Promise<Answers> {
  return Promise.all(agents.map(({ id }) => answersAbout(server, admin, id)))
}

/** The same, asked by each with its own token. */
export async function answersToEach(server: TestServer, { tokens }: Planted): Promise<Answers> {
  return Promise.all(tokens.map((token) => answersTo(server, token)))
}

export async function answersAbout({ api }: TestServer, admin: string, agentId: AgentId): Promise<readonly boolean[]> {
  return Promise.all(
    questions.map(async (question) => {
      const { allowed } = await api.call(check, { body: { ...question, agentId }, token: admin })
      return allowed
    }),
  )
}

/** What a token is told whose identity, or one that lends to it, is stopped. */
const stopped = new Set(['token-revoked', 'identity-inactive'])

/** A token that is good for nothing is told no. */
export async function answersTo({ api }: TestServer, token: string): Promise<readonly boolean[]> {
  return Promise.all(
    questions.map(async (body) => {
      const { status, text } = await api.send(check, { body, token })
      if (status === 200) return check.response.parse(JSON.parse(text)).allowed
      if (!stopped.has(JSON.parse(text).code)) throw new Error(text)
      return false
    }),
  )
}

/** What some entries cover. */
export function coverOf(held: readonly Entry[]): readonly boolean[] {
  return questions.map((_question, asked) => held.some((entry) => coveredBy[entry][asked]))
}
