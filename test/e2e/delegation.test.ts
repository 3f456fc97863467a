import { type Agent, Biscuits, secure } from '@agent-iam/sdk'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type StartedServer, startServer } from './started-server.ts'

let server: StartedServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

/** As on the first run on one's own machine: what the server left there lets an agent delegate that asks for it. */
function aLender(name: string): Promise<Agent> {
  return secure(name, { ...server.options, capabilities: ['file/docs/*:read', 'agent-iam/agents*:delegate'] })
}

const inQ3 = ['file/docs/q3/*:read']
const canRead = async (agent: Agent, resource: string) => (await agent.check('read', resource)).allowed

test('a child may do what it was lent and no more, and a grandchild less; all stop with the first', async () => {
  const agent = await aLender('lender')
  const child = await agent.delegate('child', {
    capabilities: [...inQ3, 'agent-iam/agents*:delegate'],
    taskId: 'task-42',
    ttlSeconds: 600,
  })
  expect(await canRead(child, 'file/docs/q3/plan.md')).toBe(true)
  expect(await canRead(child, 'file/docs/q2/plan.md')).toBe(false)

  const grandchild = await child.delegate('grandchild', { capabilities: ['file/docs/q3/plan.md:read'] })
  expect(await canRead(grandchild, 'file/docs/q3/plan.md')).toBe(true)
  expect(await canRead(grandchild, 'file/docs/q3/other.md')).toBe(false)
  const { chain } = await server.admin.delegations.chain({ params: { identityId: grandchild.id } })
  expect(chain.map(({ identityId }) => identityId)).toEqual([grandchild.id, child.id, agent.id])

  await server.admin.agents.suspend({ params: { agentId: agent.id }, body: { reason: 'unusual reads' } })
  for (const stopped of [agent, child, grandchild])
    await expect(stopped.check('read', 'file/docs/q3/plan.md')).rejects.toMatchObject({ code: 'identity-inactive' })
  await server.admin.agents.reactivate({ params: { agentId: agent.id } })
  expect(await canRead(grandchild, 'file/docs/q3/plan.md')).toBe(true)
})

test('a child logs in again by itself with the key of its own', async () => {
  const child = await (await aLender('lends-to-one-who-returns')).delegate('returns', { capabilities: inQ3 })
  await server.admin.agents.endSessions({ params: { agentId: child.id } })
  expect(await canRead(child, 'file/docs/q3/plan.md')).toBe(true)
  await child.close()
  await expect(child.check('read', 'file/docs/q3/plan.md')).rejects.toThrow('closed')
})

test('what is more than an agent has is not handed on, and the excess is named', async () => {
  const agent = await aLender('lends-too-much')
  const greedy = agent.delegate('greedy', { capabilities: ['file/docs/q3/*:read', 'file/secrets/*:read'] })
  await expect(greedy).rejects.toMatchObject({
    name: 'RefusedError',
    code: 'capability-exceeded',
    message: expect.stringContaining('file/secrets/*:read'),
  })
})

test('who did not ask to delegate makes no child', async () => {
  const agent = await secure('lends-nothing', { ...server.options, capabilities: ['file/docs/*:read'] })
  await expect(agent.delegate('child', { capabilities: inQ3 })).rejects.toMatchObject({ code: 'forbidden' })
})

test('an agent mints a Biscuit and narrows it offline; it allows less, and ends with the agent’s session', async () => {
  const agent = await aLender('mints')
  const { token } = await agent.mintBiscuit({ capabilities: ['file/docs/*:read'], expiresInSeconds: 600 })
  const biscuits = new Biscuits({ issuer: server.url })
  const narrowed = await biscuits.attenuate(token, { resourcePrefix: 'file/docs/q3/' })
  const { keyThumbprint } = await server.admin.agents.get({ params: { agentId: agent.id } })
  const confirmation = { jkt: keyThumbprint ?? '' }
  const asked = { operation: 'read', audience: `${server.url}/api`, confirmation }
  const verdicts = await Promise.all(
    ['file/docs/q3/plan.md', 'file/docs/q2/plan.md'].map((resource) =>
      biscuits.authorize(narrowed, { ...asked, resource }),
    ),
  )
  expect(verdicts.map(({ type }) => type)).toEqual(['allowed', 'denied'])
  const isGood = async () => (await server.admin.biscuits.verify({ body: { token: narrowed, confirmation } })).valid
  expect(await isGood()).toBe(true)
  await agent.close()
  expect(await isGood()).toBe(false)
})
