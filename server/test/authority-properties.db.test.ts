import { reactivateUser, suspendUser } from '@agent-iam/contract/accounts'
import { reactivateAgent, registerAgent, suspendAgent } from '@agent-iam/contract/agents'
import { revokeAgent } from '@agent-iam/contract/agent-life'
import { createApiKey, deleteApiKey } from '@agent-iam/contract/api-keys'
import { getChallenge, login } from '@agent-iam/contract/auth'
import { bulkCheck } from '@agent-iam/contract/authorization'
import { confirmCreation } from '@agent-iam/contract/creations'
import { delegateAgent, moveAgent } from '@agent-iam/contract/delegation'
import { createEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import { grantIdentityCapability, listIdentityCapabilities, revokeIdentityCapability } from '@agent-iam/contract/grants'
import type { AgentId, ApiKeyId } from '@agent-iam/contract/ids'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { aKey, loginAgent, signed } from './agents.ts'
import { AuthorityModel, modelEntries, never, type ModelEntry } from './authority-model.ts'
import { databases } from './databases.ts'
import { openServer, password, uuidOf, type TestServer, type TestUser } from './test-server.ts'

/** Each is a dozen steps with all answers compared after each; `SEQUENCES=500` is a night's work. */
const numRuns = Number(process.env['SEQUENCES'] ?? 12)
vi.setConfig({ testTimeout: 30_000 + numRuns * 10_000 })

const entry = fc.constantFrom(...modelEntries)
const entries = fc.subarray([...modelEntries])
/** No sum of advances meets an end, so that no instant is on the edge. */
const end = fc.constantFrom(undefined, 40, 90)
/** Few, so that what one step gives is what another takes. */
const who = fc.nat(3)

type Step =
  | { readonly do: 'register'; readonly by: 'person' | 'key' | 'enrolment'; readonly entries: readonly ModelEntry[] }
  | { readonly do: 'delegate'; readonly by: number; readonly ttl: number; readonly entries: readonly ModelEntry[] }
  | {
      readonly do: 'grant'
      readonly by: number | 'person'
      readonly to: number
      readonly entry: ModelEntry
      readonly end: number | undefined
      readonly delay: number | undefined
    }
  | { readonly do: 'give person'; readonly entry: ModelEntry; readonly end: number | undefined }
  | { readonly do: 'take'; readonly from: number | 'person'; readonly entry: ModelEntry }
  | { readonly do: 'stop' | 'go on' | 'revoke' | 'escape' | 'confirm'; readonly whom: number }
  | { readonly do: 'suspend person' | 'reactivate person' | 'delete key' }
  | { readonly do: 'move'; readonly whom: number; readonly entries: readonly ModelEntry[] }
  | { readonly do: 'wait'; readonly seconds: number }

const registration = fc.record({
  do: fc.constant('register' as const),
  by: fc.constantFrom('person', 'key', 'enrolment'),
  entries,
})

const steps: fc.Arbitrary<Step> = fc.oneof(
  registration,
  {
    arbitrary: fc.record({ do: fc.constant('delegate' as const), by: who, ttl: fc.constantFrom(60, 150), entries }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      do: fc.constant('grant' as const),
      by: fc.oneof({ arbitrary: who, weight: 3 }, fc.constant('person' as const)),
      to: who,
      entry,
      end,
      delay: fc.constantFrom(undefined, undefined, 20),
    }),
    weight: 4,
  },
  {
    arbitrary: fc.record({
      do: fc.constant('take' as const),
      from: fc.oneof({ arbitrary: who, weight: 3 }, fc.constant('person' as const)),
      entry,
    }),
    weight: 2,
  },
  fc.record({ do: fc.constant('give person' as const), entry, end }),
  fc.record({ do: fc.constantFrom('stop', 'go on', 'revoke', 'escape', 'confirm'), whom: who }),
  fc.record({ do: fc.constantFrom('suspend person', 'reactivate person', 'delete key') }),
  fc.record({ do: fc.constant('move' as const), whom: who, entries }),
  fc.record({ do: fc.constant('wait' as const), seconds: fc.constantFrom(13, 29, 67) }),
)

const [x, y] = modelEntries
/** One of each kind, in an order in which none is refused. */
const eachStep: Step[] = [
  { do: 'register', by: 'person', entries: [x, y] },
  { do: 'register', by: 'key', entries: [x] },
  { do: 'register', by: 'enrolment', entries: [] },
  { do: 'grant', by: 0, to: 1, entry: y, end: 90, delay: undefined },
  { do: 'grant', by: 1, to: 2, entry: x, end: 90, delay: undefined },
  { do: 'grant', by: 'person', to: 2, entry: y, end: 40, delay: 20 },
  { do: 'wait', seconds: 29 },
  { do: 'delegate', by: 0, ttl: 150, entries: [x] },
  { do: 'escape', whom: 3 },
  { do: 'move', whom: 3, entries: [y] },
  { do: 'stop', whom: 1 },
  { do: 'go on', whom: 1 },
  { do: 'confirm', whom: 1 },
  { do: 'delete key' },
  { do: 'suspend person' },
  { do: 'reactivate person' },
  { do: 'take', from: 0, entry: y },
  { do: 'take', from: 'person', entry: y },
  { do: 'give person', entry: y, end: 90 },
  { do: 'revoke', whom: 0 },
]

/** With agents from the beginning, or most steps would be about nobody. */
const sequences = fc
  .tuple(registration, registration, fc.array(steps, { minLength: 6, maxLength: 16 }))
  .map(([first, second, rest]): Step[] => [first, second, ...rest])

describe.each(databases)('random sequences of what gives and takes authority, on %s', (_name, open) => {
  let server: TestServer

  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  test('each kind of step can happen', async () => {
    const story = await Story.begin(server)
    for (const step of eachStep) {
      expect(await story.take(step), JSON.stringify(step)).toBe(true)
      const { answered, computed } = await story.compare()
      expect(answered, `after ${JSON.stringify(step)}`).toEqual(computed)
    }
  })

  test('nobody ever has a right that no living source gives, and everybody has those that one gives', async () => {
    await fc.assert(
      fc.asyncProperty(sequences, async (sequence) => {
        const story = await Story.begin(server)
        for (const step of sequence) {
          await story.take(step)
          const { answered, computed } = await story.compare()
          expect(answered, `after ${JSON.stringify(step)}`).toEqual(computed)
        }
      }),
      { numRuns, endOnFailure: true },
    )
  })
})

const platformRights = [
  'agent-iam/agents*:read',
  'agent-iam/capabilities*:grant',
  'agent-iam/agents*:delegate',
  'agent-iam/agents*:move',
]
let named = 0

/** One sequence: a person with a key and an enrolment token, and all agents that come of it. */
class Story {
  readonly #server: TestServer
  readonly #admin: string
  readonly #person: TestUser
  readonly #key: { readonly id: ApiKeyId; readonly secret: string }
  readonly #enrolment: string
  readonly #model = new AuthorityModel()
  readonly #agents: { readonly id: AgentId; readonly login: () => Promise<string> }[] = []

  private constructor(server: TestServer, facts: Facts) {
    this.#server = server
    this.#admin = facts.admin
    this.#person = facts.person
    this.#key = facts.key
    this.#enrolment = facts.enrolment
    this.#model.add(facts.person.id)
    this.#model.addKey(facts.key.id, facts.person.id)
    for (const each of modelEntries) this.#model.grant(facts.person.id, each, fromNowOn)
  }

  static async begin(server: TestServer): Promise<Story> {
    const admin = await server.admin()
    const person = await server.user('manager')
    const rights = [...modelEntries, ...platformRights, 'agent-iam/agents*:register']
    for (const capability of rights)
      await server.api.call(grantIdentityCapability, {
        params: { identityId: person.id },
        body: { capability },
        token: admin,
      })
    const { key, apiKeyId } = await server.api.call(createApiKey, {
      body: { name: `key ${++named}` },
      token: person.token,
    })
    const ceiling = [...modelEntries, ...platformRights]
    const body = { name: `enrolment ${++named}`, ceiling, quota: 50, ttlSeconds: 3600 }
    const { token: enrolment } = await server.api.call(createEnrolmentToken, { body, token: person.token })
    // The person's rights are their grants alone, so that taking one matters.
    await server.database.ask('delete from role_assignments where identity_id = $1', [uuidOf(person.id)])
    await server.changedBehindItsBack()
    return new Story(server, { admin, person, key: { id: apiKeyId, secret: key }, enrolment })
  }

  /** Whether the step happened: most of what is tried at random is refused. */
  // oxlint-disable-next-line complexity -- one case for each kind of step, and nothing else
  async take(step: Step): Promise<boolean> {
    switch (step.do) {
      case 'register':
        return this.#register(step)
      case 'delegate':
        return this.#delegate(step)
      case 'grant':
        return this.#grant(step)
      case 'give person':
        return this.#givePerson(step)
      case 'take':
        return this.#revoke(step)
      case 'move':
        return this.#move(step.whom, step.entries)
      case 'wait':
        this.#server.clock.advance(step.seconds)
        return true
      case 'suspend person':
      case 'reactivate person':
        return this.#changePerson(step.do)
      case 'delete key':
        return this.#deleteKey()
      case 'confirm':
        return this.#confirm(step.whom)
      case 'stop':
      case 'go on':
      case 'revoke':
      case 'escape':
        return this.#changeAgent(step.do, step.whom)
    }
  }

  /** What the server answers about everybody and every entry, and what the model computes. */
  async compare(): Promise<{ answered: boolean[]; computed: boolean[] }> {
    const asked = this.#agents.flatMap(({ id }) => modelEntries.map((each) => ({ id, entry: each })))
    if (asked.length === 0) return { answered: [], computed: [] }
    const checks = asked.map(({ id, entry: each }) => ({ agentId: id, resource: each.slice(0, -5), action: 'open' }))
    const { results } = await this.#server.api.call(bulkCheck, { body: { checks }, token: this.#admin })
    const at = this.#server.clock.now().getTime()
    return {
      answered: results.map(({ decision }) => decision?.allowed === true),
      computed: asked.map(({ id, entry: each }) => this.#model.mayDo(id, each, at)),
    }
  }

  async #register({ by, entries: wanted }: Step & { do: 'register' }): Promise<boolean> {
    const token = by === 'person' ? await this.#personToken() : by === 'key' ? this.#key.secret : this.#enrolment
    if (token === undefined) return false
    const { publicKey, privateKey } = aKey()
    const name = `agent ${++named} of a story`
    const body = { name, publicKey, capabilities: [...wanted, ...platformRights] }
    const answer = await this.#server.api.send(registerAgent, { body, token })
    if (answer.status !== 201) return false
    this.#requireThatPersonMay(wanted)
    const { agentId } = registerAgent.response.parse(JSON.parse(answer.text))
    const agent = { id: agentId, name, privateKey }
    const key = by === 'key' ? this.#key.id : undefined
    this.#model.add(agentId, { ...(key !== undefined && { key }) })
    for (const each of wanted) this.#model.grant(agentId, each, { ...fromNowOn, source: { agent: undefined, key } })
    this.#agents.push({ id: agentId, login: async () => (await loginAgent(this.#server, agent)).accessToken })
    // The first proof of its key makes it active.
    const { challenge } = await this.#server.api.call(getChallenge, { params: { agentId } })
    await this.#server.api.send(login, { body: signed(agent, challenge) })
    return true
  }

  async #delegate({ by, ttl, entries: wanted }: Step & { do: 'delegate' }): Promise<boolean> {
    const parent = this.#agentAt(by)
    const token = parent && (await this.#tokenOf(parent))
    if (!parent || token === undefined) return false
    const body = { name: `child ${++named}`, ttlSeconds: ttl, capabilities: [...wanted, ...platformRights] }
    const answer = await this.#server.api.send(delegateAgent, { body, token })
    if (answer.status !== 201) return false
    const child = delegateAgent.response.parse(JSON.parse(answer.text))
    const endsAt = Date.parse(child.expiresAt ?? '')
    this.#model.add(child.agentId, { parent: parent.id, endsAt })
    for (const each of wanted) this.#model.grant(child.agentId, each, fromNowOn)
    this.#agents.push({ id: child.agentId, login: () => Promise.resolve(child.token.accessToken) })
    return true
  }

  async #grant({ by, to, entry: capability, end: seconds, delay }: Step & { do: 'grant' }): Promise<boolean> {
    const target = this.#agentAt(to)
    const grantor = by === 'person' ? undefined : this.#agentAt(by)
    const token = by === 'person' ? await this.#personToken() : grantor && (await this.#tokenOf(grantor))
    if (!target || token === undefined) return false
    const times = { validFrom: this.#inSeconds(delay), expiresAt: this.#inSeconds(seconds) }
    const body = { capability, ...times }
    if (!(await this.#succeeds(grantIdentityCapability, { params: { identityId: target.id }, body, token })))
      return false
    if (by === 'person') this.#requireThatPersonMay([capability], spanOf(times))
    this.#model.grant(target.id, capability, { ...spanOf(times), source: { agent: grantor?.id, key: undefined } })
    return true
  }

  /** The administrator gives the person a right, or gives it another end. */
  async #givePerson({ entry: capability, end: seconds }: Step & { do: 'give person' }): Promise<boolean> {
    const times = { validFrom: undefined, expiresAt: this.#inSeconds(seconds) }
    const input = { params: { identityId: this.#person.id }, body: { capability, ...times }, token: this.#admin }
    if (!(await this.#succeeds(grantIdentityCapability, input))) return false
    this.#model.grant(this.#person.id, capability, { ...spanOf(times), source: byNobody })
    return true
  }

  async #revoke({ from, entry: capability }: Step & { do: 'take' }): Promise<boolean> {
    const identityId = from === 'person' ? this.#person.id : this.#agentAt(from)?.id
    if (!identityId) return false
    const params = { identityId }
    const { grants } = await this.#server.api.call(listIdentityCapabilities, { params, token: this.#admin })
    const grantId = grants.find((grant) => grant.capability === capability)?.grantId
    if (!grantId) return false
    await this.#server.api.call(revokeIdentityCapability, { params: { identityId, grantId }, token: this.#admin })
    this.#model.revoke(identityId, capability)
    return true
  }

  async #move(whom: number, wanted: readonly ModelEntry[]): Promise<boolean> {
    const agent = this.#agentAt(whom)
    const body = { parent: null, capabilities: [...wanted, ...platformRights] }
    if (!agent || !(await this.#succeeds(moveAgent, { params: { agentId: agent.id }, body, token: this.#admin })))
      return false
    this.#model.moveToRoot(agent.id, wanted, this.#server.clock.now().getTime())
    return true
  }

  async #deleteKey(): Promise<boolean> {
    const input = { params: { apiKeyId: this.#key.id }, token: this.#admin }
    if (!(await this.#succeeds(deleteApiKey, input))) return false
    this.#model.deleteKey(this.#key.id)
    return true
  }

  /** The person keeps an agent that their key registered. */
  async #confirm(whom: number): Promise<boolean> {
    const [agent, token] = [this.#agentAt(whom), await this.#personToken()]
    if (!agent || token === undefined) return false
    const body = { proof: { type: 'password', password } }
    if (!(await this.#succeeds(confirmCreation, { params: { creationId: agent.id }, body, token }))) return false
    this.#requireThatPersonMay(this.#model.confirm(agent.id))
    return true
  }

  async #changeAgent(change: 'stop' | 'go on' | 'revoke' | 'escape', whom: number): Promise<boolean> {
    const agent = this.#agentAt(whom)
    if (!agent) return false
    if (change === 'escape') return this.#escape(agent)
    const operation = { stop: suspendAgent, 'go on': reactivateAgent, revoke: revokeAgent }[change]
    const input = { params: { agentId: agent.id }, body: {}, token: this.#admin }
    if (!(await this.#succeeds(operation, input))) return false
    if (change === 'revoke') this.#model.end(agent.id)
    else this.#model.stop(agent.id, change === 'stop')
    return true
  }

  /** An agent tries to move itself to the root, with all its entries. */
  async #escape(agent: { readonly id: AgentId; readonly login: () => Promise<string> }): Promise<boolean> {
    const token = await this.#tokenOf(agent)
    const body = { parent: null, capabilities: [...modelEntries, ...platformRights] }
    if (token !== undefined && (await this.#succeeds(moveAgent, { params: { agentId: agent.id }, body, token })))
      throw new Error(`${agent.id} moved itself`)
    return token !== undefined
  }

  async #changePerson(change: 'suspend person' | 'reactivate person'): Promise<boolean> {
    const operation = change === 'suspend person' ? suspendUser : reactivateUser
    const input = { params: { userId: this.#person.id }, body: {}, token: this.#admin }
    if (!(await this.#succeeds(operation, input))) return false
    this.#model.stop(this.#person.id, change === 'suspend person')
    return true
  }

  #agentAt(place: number) {
    return this.#agents.length === 0 ? undefined : this.#agents[place % this.#agents.length]
  }

  async #tokenOf(agent: { readonly login: () => Promise<string> }): Promise<string | undefined> {
    return agent.login().catch(() => undefined)
  }

  async #personToken(): Promise<string | undefined> {
    const body = { email: this.#person.email, password, tenant: 'default' }
    const { status, text } = await this.#server.api.send(login, { body })
    return status === 200 ? login.response.parse(JSON.parse(text)).accessToken : undefined
  }

  async #succeeds(operation: Parameters<TestServer['api']['send']>[0], input: object): Promise<boolean> {
    const { status, text } = await this.#server.api.send(operation, input)
    if (status >= 500) throw new Error(text)
    return status < 300
  }

  /** What was handed out in the person's name, they must have had at that moment, and for as long as it was handed out. */
  #requireThatPersonMay(handedOut: readonly ModelEntry[], { from, until } = { from: 0, until: never }): void {
    const at = this.#server.clock.now().getTime()
    const span = { from: Math.max(from, at), until }
    const excess = handedOut.find(
      (each) =>
        !this.#model.mayDo(this.#person.id, each, at) || !this.#model.holdsThroughout(this.#person.id, each, span),
    )
    if (excess !== undefined || !this.#model.acts(this.#person.id, at))
      throw new Error(`${excess ?? 'an agent'} was handed out by who may not`)
  }

  #inSeconds(seconds: number | undefined): string | undefined {
    return seconds === undefined
      ? undefined
      : new Date(this.#server.clock.now().getTime() + seconds * 1000).toISOString()
  }
}

interface Facts {
  readonly admin: string
  readonly person: TestUser
  readonly key: { readonly id: ApiKeyId; readonly secret: string }
  readonly enrolment: string
}

const byNobody = { agent: undefined, key: undefined }
const fromNowOn = { from: 0, until: never, source: byNobody }

function spanOf({ validFrom, expiresAt }: { validFrom: string | undefined; expiresAt: string | undefined }) {
  return { from: validFrom ? Date.parse(validFrom) : 0, until: expiresAt ? Date.parse(expiresAt) : never }
}
