import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { CredentialsError, connect, DeniedError, secure } from '@agent-iam/sdk'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type StartedServer, startServer } from './started-server.ts'

let server: StartedServer
const capabilities = ['file/docs/*:read']

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

const aNew = (name: string) => secure(name, { ...server.options, capabilities })

test('the first run registers an active agent, and the second is the same one', async () => {
  const first = await aNew('first-run')
  const second = await aNew('first-run')
  expect(second.id).toBe(first.id)
  const agent = await server.admin.agents.get({ params: { agentId: first.id } })
  expect(agent).toMatchObject({ name: 'first-run', status: 'active', trustScore: 0.5, capabilities })
})

test('without a proof at registration the agent is active from its first login', async () => {
  const { token } = await server.admin.enrolmentTokens.create({ body: { name: 'by hand', ceiling: capabilities } })
  const credentialsDir = join(server.folder, 'elsewhere')
  const agent = await secure('unproved', { server: server.url, credentialsDir, enrolmentToken: token, capabilities })
  expect(await server.admin.agents.get({ params: { agentId: agent.id } })).toMatchObject({ status: 'active' })
})

test('ten first runs at once register one agent', async () => {
  const agents = await Promise.all(Array.from({ length: 10 }, () => aNew('ten-at-once')))
  expect(new Set(agents.map(({ id }) => id)).size).toBe(1)
})

test('two programs that start for the first time at once are one agent', async () => {
  const program = fileURLToPath(new URL('../../examples/guarded-files/src/main.ts', import.meta.url))
  const execute = promisify(execFile)
  const runs = await Promise.all(
    [1, 2].map(() =>
      execute(process.execPath, ['--conditions=@agent-iam/source', program], { env: { ...server.env } }),
    ),
  )
  const ids = runs.map(({ stdout }) => /^guarded-files is (agt_[0-9a-f]{32})$/m.exec(stdout)?.[1])
  expect(ids[0]).toMatch(/^agt_/)
  expect(ids[1]).toBe(ids[0])
})

test('what lies within the capability is allowed, the rest is denied, and both are on record', async () => {
  const agent = await aNew('reader')
  const allowed = await agent.check('read', 'file/docs/guide.md')
  const denied = await agent.check('read', 'file/secrets/payroll.txt')
  expect([allowed.decision, denied.decision]).toEqual(['allow', 'deny'])
  expect(allowed).toMatchObject({ trustScore: 0.5, riskLevel: 'MEDIUM', trustBasis: 'initial', basis: 'token' })
  for (const { decisionId, record, decision } of [allowed, denied]) {
    const { events } = await server.admin.audit.list({ query: { decisionId, type: 'decision.made' } })
    expect(events).toMatchObject([{ ...record, decision, actor: agent.id, decisionId }])
  }
})

test('an action runs only when allowed, and its result is reported by the agent', async () => {
  const agent = await aNew('actor')
  expect(await agent.performAction('read', 'file/docs/a.md', () => 'text')).toBe('text')
  const failure = new Error('disk on fire')
  await expect(agent.performAction('read', 'file/docs/a.md', () => Promise.reject(failure))).rejects.toBe(failure)
  await expect(agent.performAction('write', 'file/docs/a.md', () => 'text')).rejects.toBeInstanceOf(DeniedError)
  const { events } = await server.admin.audit.list({ query: { actor: agent.id, type: 'action.reported' } })
  expect(events.map(({ data }) => data['outcome'])).toEqual(['failure', 'success'])
})

test('a policy of the tenant is in force at once, is named as the reason, and goes at once', async () => {
  const agent = await aNew('policed')
  const policy =
    'forbid(principal, action == AgentIam::Action::"read", resource) when { resource.id like "docs/drafts/*" };'
  const { policyId } = await server.admin.policies.create({ body: { name: 'drafts stay closed', policy } })
  const denied = await agent.check('read', 'file/docs/drafts/next.md')
  expect(denied.decision).toBe('deny')
  expect(denied.reasons.map((reason) => reason.policyId)).toContain(policyId)
  expect((await agent.check('read', 'file/docs/guide.md')).decision).toBe('allow')
  await server.admin.policies.delete({ params: { policyId } })
  expect((await agent.check('read', 'file/docs/drafts/next.md')).decision).toBe('allow')
})

test('a suspended agent is stopped at once, and goes on by itself once reactivated', async () => {
  const agent = await aNew('suspended')
  await server.admin.agents.suspend({ params: { agentId: agent.id }, body: { reason: 'unusual reads' } })
  await expect(agent.check('read', 'file/docs/a.md')).rejects.toMatchObject({ code: 'identity-inactive' })
  await expect(aNew('suspended')).rejects.toMatchObject({ code: 'identity-inactive' })
  await server.admin.agents.reactivate({ params: { agentId: agent.id } })
  expect((await agent.check('read', 'file/docs/a.md')).decision).toBe('allow')
})

test('a low trust score denies what the capability would permit', async () => {
  const agent = await aNew('distrusted')
  await server.admin.agents.setTrust({ params: { agentId: agent.id }, body: { trustScore: 0.2 } })
  const decision = await agent.check('read', 'file/docs/a.md')
  expect(decision).toMatchObject({ decision: 'deny', riskLevel: 'CRITICAL', trustBasis: 'administrator' })
})

test('the key of a deleted agent is not registered again; the error says which file to remove', async () => {
  const agent = await aNew('deleted')
  await server.admin.agents.delete({ params: { agentId: agent.id } })
  const error = await aNew('deleted').catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(CredentialsError)
  expect(String(error)).toMatch(/rm '.*deleted\.json'/)
  const { agents } = await server.admin.agents.list({ query: { name: 'deleted', status: 'active' } })
  expect(agents).toEqual([])
})

test('asking for more than the enrolment token may give is refused, and leaves no key behind', async () => {
  const { token } = await server.admin.enrolmentTokens.create({ body: { name: 'narrow', ceiling: capabilities } })
  const greedy = { ...server.options, enrolmentToken: token, capabilities: ['file/secrets/*:read'] }
  await expect(secure('greedy', greedy)).rejects.toMatchObject({ code: 'capability-exceeded' })
  const files = await readdir(join(server.folder, 'agents'), { recursive: true })
  expect(files.filter((file) => file.includes('greedy'))).toEqual([])
})

test('a revoked enrolment token registers nobody', async () => {
  const { token, enrolmentTokenId } = await server.admin.enrolmentTokens.create({ body: { name: 'gone' } })
  await server.admin.enrolmentTokens.revoke({ params: { enrolmentTokenId } })
  const late = secure('too-late', { ...server.options, enrolmentToken: token })
  await expect(late).rejects.toMatchObject({ name: 'RefusedError', problem: { status: 401 } })
})

test('a closed agent’s token is worth nothing any more, and the next login is the same agent', async () => {
  let token = ''
  const watching: typeof fetch = (input, init) => {
    token = new Request(input, init).headers.get('authorization')?.split(' ')[1] ?? token
    return fetch(input, init)
  }
  const agent = await secure('closing', { ...server.options, capabilities, fetch: watching })
  await agent.check('read', 'file/docs/a.md')
  await agent.close()
  const stolen = connect({ server: server.url, token })
  await expect(stolen.auth.validate()).rejects.toMatchObject({ code: 'token-revoked' })
  expect((await aNew('closing')).id).toBe(agent.id)
})

test('an agent changes its key by itself, and the old key ends with its grace', async () => {
  const agent = await aNew('rotating')
  const keysOf = async () => (await server.admin.agents.listKeys({ params: { agentId: agent.id } })).keys
  const [before] = await keysOf()
  await agent.rotateKey({ graceSeconds: 0 })
  expect((await agent.check('read', 'file/docs/a.md')).allowed).toBe(true)
  const keys = await keysOf()
  expect(keys.map(({ status }) => status)).toEqual(['active', 'revoked'])
  expect(keys[1]?.thumbprint).toBe(before?.thumbprint)
  // The file has the new key: the next run is the same agent.
  await agent.close()
  expect((await aNew('rotating')).id).toBe(agent.id)
})

test('a change of keys whose answer is lost loses nothing: the next run has the key that the server knows', async () => {
  const losing: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init)
    if (new Request(input, init).url.endsWith('/rotate-key')) throw new TypeError('fetch failed')
    return answer
  }
  const agent = await secure('unlucky', { ...server.options, capabilities, fetch: losing })
  await expect(agent.rotateKey({ graceSeconds: 0 })).rejects.toMatchObject({ name: 'UnreachableError' })
  const again = await aNew('unlucky')
  expect(again.id).toBe(agent.id)
  expect((await again.check('read', 'file/docs/a.md')).allowed).toBe(true)
  // Where the old key still logs in, the run completes what was begun.
  const patient = await secure('patient', { ...server.options, capabilities, fetch: losing })
  await expect(patient.rotateKey()).rejects.toMatchObject({ name: 'UnreachableError' })
  await aNew('patient')
  const { keys } = await server.admin.agents.listKeys({ params: { agentId: patient.id } })
  expect(keys.map(({ status }) => status)).toEqual(['active', 'retiring'])
})
