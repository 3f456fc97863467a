import { deleteAgent, suspendAgent } from '@agent-iam/contract/agents'
import { revokeAgent } from '@agent-iam/contract/agent-life'
import { getChallenge, login, validate } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import { delegateAgent, getDelegationChain, moveAgent } from '@agent-iam/contract/delegation'
import type { AgentId } from '@agent-iam/contract/ids'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { aKey, loginAgent, makeAgent, signed } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import type { Answer } from './test-api.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

const capabilities = ['file:read', 'agent-iam/agents*:delegate']
/** Who comes first is chance: several times, so that both do. */
const rounds = 6

describe.each(databases)('delegation at once, on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let admin: string
  let made = 0

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
  })
  beforeEach(async () => {
    admin = await server.admin()
  })
  afterAll(() => server.close())

  const lender = async () => {
    const agent = await makeAgent(server, admin, capabilities)
    return { agentId: agent.id, token: (await loginAgent(server, agent)).accessToken }
  }
  const wanted = (token: string) => ({ body: { name: `child ${++made}`, capabilities }, token })
  const child = async (token: string) => {
    const { agentId, token: tokens } = await server.api.call(delegateAgent, wanted(token))
    return { agentId, token: tokens.accessToken }
  }
  const isAllowed = async (agentId: AgentId) =>
    (await server.api.call(check, { body: { agentId, resource: 'file/a', action: 'read' }, token: admin })).allowed
  const move = (agentId: AgentId, parent: AgentId) =>
    server.api.send(moveAgent, { params: { agentId }, body: { parent, capabilities }, token: admin })
  /** Below another, and with no end of its own that would keep it from any place. */
  const placed = async (parent: AgentId) => {
    const { id } = await makeAgent(server, admin, capabilities)
    const { status, text } = await move(id, parent)
    expect(status, text).toBe(200)
    return id
  }
  const lineOf = async (identityId: AgentId) => {
    const { chain } = await server.api.call(getDelegationChain, { params: { identityId }, token: admin })
    return chain.map((hop) => hop.identityId)
  }

  test('of five children for two slots, two are made, and of the others nothing', async () => {
    const parent = await lender()
    await limitChildren(2)
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => server.api.send(delegateAgent, wanted(parent.token))),
    )
    await limitChildren(1000)
    expect(outcomes(answers)).toEqual({ done: 2, 'quota-spent': 3 })
    const rows = await database.ask('select id from identities where parent_id = $1', [uuidOf(parent.agentId)])
    expect(rows).toHaveLength(2)
  })

  test.each([
    ['revoked', revokeAgent],
    ['deleted', deleteAgent],
    ['suspended', suspendAgent],
  ])('a child that is made while its parent is %s may do nothing, or is not there', async (_how, operation) => {
    for (let round = 0; round < rounds; round++) {
      const top = await lender()
      const parent = await child(top.token)
      const stopped = round % 2 === 0 ? parent : top
      const asked = wanted(parent.token)
      const input = { params: { agentId: stopped.agentId }, token: admin }
      const [stop, birth] = await Promise.all([
        server.api.send(operation, operation.body ? { ...input, body: {} } : input),
        server.api.send(delegateAgent, asked),
      ])
      expect(stop.status, stop.text).toBe(200)
      const [born] = await database.ask('select id from identities where name = $1', [asked.body.name])
      expect(born !== undefined).toBe(birth.status === 201)
      if (birth.status !== 201) continue
      const { agentId, token } = delegateAgent.response.parse(JSON.parse(birth.text))
      expect(await isAllowed(agentId)).toBe(false)
      expect(await server.api.refuse(validate, { token: token.accessToken })).toMatchObject({ code: 'token-revoked' })
    }
  })

  test('of two moves that would make a circle of them, one is made', async () => {
    for (let round = 0; round < rounds; round++) {
      const top = await lender()
      const [one, other] = [await placed(top.agentId), await placed(top.agentId)]
      const answers = await Promise.all([move(one, other), move(other, one)])
      expect(outcomes(answers)).toEqual({ done: 1, 'wrong-state': 1 })
      for (const agentId of [one, other]) expect((await lineOf(agentId)).at(-1)).toBe(top.agentId)
    }
  })

  test('of three moves that would make a ring one is refused at least, and everyone still has a root', async () => {
    for (let round = 0; round < rounds; round++) {
      const top = await lender()
      const [a, b, c] = [await placed(top.agentId), await placed(top.agentId), await placed(top.agentId)]
      const answers = await Promise.all([move(a, b), move(b, c), move(c, a)])
      // Whoever sees its new parent move away under it is told to try again.
      const { done = 0, 'wrong-state': refused = 0, unavailable = 0 } = outcomes(answers)
      expect([done, refused + unavailable]).toEqual([expect.toSatisfy((each) => each === 1 || each === 2), 3 - done])
      for (const agentId of [a, b, c]) expect((await lineOf(agentId)).at(-1)).toBe(top.agentId)
    }
  })

  test('a child that logs in while one above it is suspended gets nothing that works', async () => {
    const { privateKey, publicKey } = aKey()
    const top = await lender()
    const middle = await child(top.token)
    const { body, token } = wanted(middle.token)
    const leaf = await server.api.call(delegateAgent, { body: { ...body, publicKey }, token })
    const { challenge } = await server.api.call(getChallenge, { params: { agentId: leaf.agentId } })
    const [stop, entry] = await Promise.all([
      server.api.send(suspendAgent, { params: { agentId: top.agentId }, body: {}, token: admin }),
      server.api.send(login, { body: signed({ id: leaf.agentId, name: leaf.name, privateKey }, challenge) }),
    ])
    expect(stop.status, stop.text).toBe(200)
    const shown = { token: entry.status === 200 ? JSON.parse(entry.text).accessToken : 'none' }
    expect((await server.api.refuse(validate, shown)).status).toBe(401)
    expect(await isAllowed(leaf.agentId)).toBe(false)
  })

  async function limitChildren(children: number): Promise<void> {
    const sql = `insert into tenant_limits (tenant_id, children) values ($1, $2)
      on conflict (tenant_id) do update set children = excluded.children`
    await database.ask(sql, [uuidOf(server.app.defaultTenantId), children])
  }
})

function outcomes(answers: readonly Answer[]): Record<string, number> {
  const told = answers.map(({ status, text }) => (status < 300 ? 'done' : String(JSON.parse(text).code)))
  return Object.fromEntries([...Map.groupBy(told, (each) => each)].map(([each, all]) => [each, all.length]))
}
