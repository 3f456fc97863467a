import { createHmac, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { registrationText } from '@agent-iam/contract/agent-proofs'
import { deleteAgent, listAgents, registerAgent, suspendAgent, updateAgent } from '@agent-iam/contract/agents'
import { getChallenge, login, logout, refresh, validate } from '@agent-iam/contract/auth'
import { listAuditEvents } from '@agent-iam/contract/audit'
import { check } from '@agent-iam/contract/authorization'
import { createEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import { platformTenantId } from '@agent-iam/contract/ids'
import type { Operation } from '@agent-iam/contract/operation'
import { createPolicy, listPolicies } from '@agent-iam/contract/policies'
import type { ProblemCode } from '@agent-iam/contract/problems'
import { parsePublicKey, thumbprint } from '@agent-iam/standards/ed25519-key'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeChallenge } from '../src/features/sessions/challenge.ts'
import { aKey, assertion, loginAgent, makeAgent, signed, type TestAgent } from './agents.ts'
import { countRows } from './count-rows.ts'
import { databases } from './databases.ts'
import { readProblem, type Input } from './test-api.ts'
import { openServer, password, publicUrl, type TestServer } from './test-server.ts'

interface Given {
  readonly server: TestServer
  readonly admin: string
  readonly agent: TestAgent
  readonly agentToken: string
}

type Case = readonly [
  name: string,
  code: ProblemCode,
  detail: RegExp,
  operation: Operation,
  make: (given: Given) => Promise<Input> | Input,
]

const register = (name: string, detail: RegExp, body: unknown, code: ProblemCode = 'invalid-request'): Case => [
  name,
  code,
  detail,
  registerAgent,
  ({ admin }) => ({ token: admin, body: typeof body === 'object' ? { name: 'never made', ...body } : body }),
]
const asking = (name: string, detail: RegExp, body: unknown): Case => [
  name,
  'invalid-request',
  detail,
  check,
  ({ agentToken: token }) => ({
    token,
    body: typeof body === 'object' ? { resource: 'a/b', action: 'read', ...body } : body,
  }),
]

const pem = (key: KeyObject) =>
  key.export({ format: 'pem', type: key.type === 'private' ? 'pkcs8' : 'spki' }).toString()
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ed25519 = generateKeyPairSync('ed25519')
const bytes = (hex: string) => Buffer.from(hex.padEnd(64, '0'), 'hex').toString('base64url')
const nested = (depth: number): unknown => (depth === 0 ? 1 : { deeper: nested(depth - 1) })
const veryDeep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

const malformed: Case[] = [
  register('JSON that is cut off', /JSON/, '{"name": "half'),
  register('no body', /body/, undefined),
  register('an empty body', /body/, ''),
  register('a list for an object', /body/, '[]'),
  register('a missing field', /^name: /, { name: undefined }),
  register('a field of the wrong type', /^name: /, { name: 7 }),
  register('a misspelt field', /capabilites/, { capabilites: [] }),
  register('two faults, both named', /name: .*type: |type: .*name: /, { name: '', type: 'no spaces' }),
  register('an empty name', /^name: /, { name: '' }),
  register('a name that is too long', /^name: /, { name: 'n'.repeat(101) }),
  register('a name with a line break', /^name: .*control/, { name: 'a\nb' }),
  register('a name with a C1 control', /^name: .*control/, { name: 'a\u0085b' }),
  register('a name with a NUL', /^name: .*control/, { name: 'a\0b' }),
  register('a name that runs from right to left', /^name: .*bidirectional/, { name: 'a\u202eb' }),
  register('a name with an invisible character', /^name: .*invisible/, { name: 'a\u200bb' }),
  register('a name with half a character', /^name: /, { name: 'a\ud800b' }),
  register('a name with a space around it', /^name: .*space/, { name: ' a' }),
  register('a capability that is no grant', /^capabilities.0: /, { capabilities: ['a:b:c*:'] }),
  register('too many capabilities', /^capabilities: /, {
    capabilities: Array.from({ length: 101 }, (_, n) => `t${n}:read`),
  }),
  register('metadata nested too deep', /^metadata: .*deep/, { metadata: nested(12) }),
  register('metadata so deep that reading it would end us', /deeper than 32/, `{"metadata":${veryDeep(20_000)}}`),
  register('a key as deep', /deeper than 32/, `{"name":"a","publicKey":{"x":${veryDeep(20_000)}}}`),
  register('a name as deep', /deeper than 32/, `{"name":${veryDeep(100_000)}}`),
  register('metadata with a number that JSON cannot keep', /2\^53/, { metadata: { n: -9007199254740992 } }),
  register('metadata with half a character in a key', /^metadata: /, { metadata: { '\udc00': 1 } }),
  register('a key that is too short', /^publicKey: .*31 bytes/, {
    publicKey: Buffer.alloc(31, 1).toString('base64url'),
  }),
  register('a key that is too long', /^publicKey: .*33 bytes/, {
    publicKey: Buffer.alloc(33, 1).toString('base64url'),
  }),
  register('a key that is no base64url', /^publicKey: .*base64url/, { publicKey: '!'.repeat(43) }),
  register('a key that is no point', /^publicKey: .*point/, { publicKey: bytes('02') }),
  register('the neutral point', /^publicKey: .*small.order/, { publicKey: bytes('01') }),
  register('a point of order four', /^publicKey: .*small.order/, { publicKey: bytes('00') }),
  register('a private key', /^publicKey: .*private/, { publicKey: pem(ed25519.privateKey) }),
  register('an RSA key', /^publicKey: .*Ed25519/, { publicKey: pem(rsa.publicKey) }),
  register('a JWK of another curve', /^publicKey: .*Ed25519/, {
    publicKey: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' },
  }),
  asking('a context of 10,000 elements', /^context: .*200/, {
    context: { list: Array.from({ length: 10_000 }, (_, n) => n) },
  }),
  asking('a context nested too deep', /^context: .*deep/, { context: nested(12) }),
  asking('a context so deep that reading it would end us', /deeper than 32/, `{"context":${veryDeep(20_000)}}`),
  asking('a number just beyond 2^53', /2\^53/, '{"resource":"a","action":"b","context":{"n":9007199254740993}}'),
  asking('a number beyond all numbers', /context/, '{"resource":"a","action":"b","context":{"n":1e400}}'),
  asking('a fraction that Cedar cannot keep', /^context\.n: /, { context: { n: 0.12345 } }),
  asking('a key __proto__', /__proto__|prototype/, '{"resource":"a","action":"b","context":{"__proto__":{"x":1}}}'),
  asking('half a character in the context', /^context: /, { context: { a: ['\ud800'] } }),
  asking('a NUL in the context', /^context: /, { context: { a: 'x\0y' } }),
  asking('a NUL in the resource', /^resource: /, { resource: 'a/\0' }),
  asking('half a character in the resource', /^resource: /, { resource: 'a/\ud800' }),
  asking('a resource that is too long', /^resource: /, { resource: `a/${'b'.repeat(2000)}` }),
  asking('a resource type with a space', /^resource: /, { resource: 'a b/c' }),
  asking('a platform action', /^action: .*colon/, { action: 'agents:read' }),
  asking('the platform as a resource', /^resource: .*agent-iam/, { resource: 'agent-iam/agents' }),
  asking('both an agent and a token', /^subjectToken: /, { agentId: `agt_${'0'.repeat(32)}`, subjectToken: 'x' }),
  ...[
    'AgentIam::Resource::"a/b',
    'AgentIam::Resource::"a/\\q"',
    'AgentIam::Resource::"a/\\0"',
    'AgentIam::Resource::"a"b"',
    'Resource::"a/b"',
  ].map((resource) => cedar(`the Cedar entity ${resource}`, /^resource: /, { resource })),
  cedar('half a character by escape', /^resource: /, { resource: 'AgentIam::Resource::"a/\\u{d800}"' }),
  cedar('a principal that is no identity', /^principal: /, { principal: 'AgentIam::Agent::"agt_1"' }),
  cedar('a principal that is an action', /^principal: /, { principal: 'AgentIam::Action::"read"' }),
  cedar('a platform action in Cedar’s spelling', /^action: .*colon/, { action: 'AgentIam::Action::"agents:read"' }),
]

function cedar(name: string, detail: RegExp, changes: object): Case {
  const good = {
    principal: `AgentIam::Agent::"agt_${'0'.repeat(32)}"`,
    action: 'AgentIam::Action::"read"',
    resource: 'AgentIam::Resource::"a/b"',
  }
  return [name, 'invalid-request', detail, check, ({ agentToken: token }) => ({ token, body: { ...good, ...changes } })]
}

const otherKey = aKey()

async function proofBody(
  { server }: Given,
  { key = otherKey.privateKey, age = 0, issuer = publicUrl, name = 'proved' },
) {
  const issuedAt = new Date(server.clock.now().getTime() - age * 1000).toISOString()
  const text = registrationText(issuer, name, thumbprint(parsePublicKey(otherKey.publicKey)), issuedAt)
  return {
    name: 'proved',
    publicKey: otherKey.publicKey,
    proof: { issuedAt, signature: sign(null, Buffer.from(text), key).toString('base64url') },
  }
}

const proofs: Case[] = (
  [
    ['by another key', { key: ed25519.privateKey }],
    ['an hour old', { age: 3600 }],
    ['of the future', { age: -3600 }],
    ['for another server', { issuer: 'https://elsewhere.example' }],
    ['for another name', { name: 'somebody else' }],
  ] as const
).map(([name, how]) => [
  `a proof ${name}`,
  'invalid-request',
  /^proof: /,
  registerAgent,
  async (given) => ({ token: given.admin, body: await proofBody(given, how) }),
])

const conflicts: Case[] = [
  ['a name that is taken', 'already-exists', /name/, registerAgent, ({ admin, agent }) => ({ token: admin, body: { name: agent.name } })],
  ['a name that looks like one', 'already-exists', /looks like/, registerAgent, ({ admin, agent }) => ({ token: admin, body: { name: agent.name.toUpperCase().replace('A', 'А') } })],
  ['a key that is taken', 'already-exists', /key/, registerAgent, ({ admin, agent }) => ({ token: admin, body: { name: 'another', publicKey: pem(createPublicKey(agent.privateKey)) } })],
  ['a new name that is taken', 'already-exists', /name/, updateAgent, async ({ server, admin, agent }) => ({ token: admin, params: { agentId: (await makeAgent(server, admin)).id }, body: { name: agent.name } })],
  ['more than may be granted', 'capability-exceeded', /agent-iam\/policies:create/, registerAgent, async ({ server }) => {
    const { token } = await server.user('manager')
    return { token, body: { name: 'greedy', capabilities: ['payroll/*:read', 'agent-iam/policies:create'] } }
  }],
  ['more than the ceiling', 'capability-exceeded', /payroll\/\*:read/, registerAgent, async ({ server, admin }) => {
    const { token } = await server.api.call(createEnrolmentToken, { token: admin, body: { name: 'narrow', ceiling: ['file/*:read'] } })
    return { token, body: { name: 'greedy', capabilities: ['file/a:read', 'payroll/*:read'] } }
  }],
  ['a type that the token does not enrol', 'capability-exceeded', /worker/, registerAgent, async ({ server, admin }) => {
    const { token } = await server.api.call(createEnrolmentToken, { token: admin, body: { name: 'typed', allowedTypes: ['mobile'] } })
    return { token, body: { name: 'typed' } }
  }],
  ['an agent that nobody has', 'not-found', /agt_0/, check, ({ admin }) => ({ token: admin, body: { agentId: `agt_${'0'.repeat(32)}`, resource: 'a/b', action: 'read' } })],
  ['a body of a megabyte', 'too-large', /256 KB/, check, ({ agentToken }) => ({ token: agentToken, body: JSON.stringify({ text: 'x'.repeat(1_000_000) }) })],
  ['a body that is no JSON by its own word', 'unsupported-media-type', /application\/json/, check, ({ agentToken }) => ({ token: agentToken, body: 'a=b', headers: { 'content-type': 'text/plain' } })],
  ['a policy that does not parse', 'policy-invalid', /policy/, createPolicy, ({ admin }) => ({ token: admin, body: { name: 'broken', policy: 'permit(principal, action' } })],
  ['two policies in one', 'policy-invalid', /one/, createPolicy, ({ admin }) => ({ token: admin, body: { name: 'two', policy: 'permit(principal,action,resource); forbid(principal,action,resource);' } })],
] // prettier-ignore

/** A login with a challenge, wrong in one way. */
const answering = (name: string, make: (given: Given, challenge: string) => unknown, code: ProblemCode = 'invalid-credentials'): Case => [
  name, code, code === 'replayed' ? /used before/ : /unknown or its proof/, login,
  async (given) => ({ body: await make(given, await challengeOf(given)) }),
] // prettier-ignore

const asserting = (name: string, changes: (given: Given, now: number) => Parameters<typeof assertion>[2]): Case => [
  name, 'invalid-credentials', /unknown or its proof/, login,
  async (given) => ({ body: await assertion(given.agent, given.server, changes(given, Math.floor(given.server.clock.now().getTime() / 1000))) }),
] // prettier-ignore

async function challengeOf({ server, agent }: Given): Promise<string> {
  return (await server.api.call(getChallenge, { params: { agentId: agent.id } })).challenge
}

const unknown = { id: `agt_${'0'.repeat(32)}`, name: 'unknown', privateKey: otherKey.privateKey } as const

const logins: Case[] = [
  answering('an unknown agent', async ({ server }) => signed(unknown, (await server.api.call(getChallenge, { params: { agentId: unknown.id } })).challenge)),
  answering('a signature by another key', ({ agent }, challenge) => signed(agent, challenge, otherKey.privateKey)),
  answering('a signature over other text', ({ agent }, challenge) => ({ ...signed(agent, `${challenge} `), credentials: { ...signed(agent, `${challenge} `).credentials, challenge } })),
  answering('a signature of no length', ({ agent }, challenge) => ({ agentId: agent.id, credentials: { type: 'signature', challenge, signature: '' } })),
  answering('a challenge that has expired', ({ agent, server }, challenge) => (server.clock.advance(61), signed(agent, challenge))),
  answering('a challenge made to last', ({ agent }, challenge) => signed(agent, challenge.replace(/\d{4}-\d\d-\d\dT/, '2999-01-01T'))),
  answering('a challenge that was used', async ({ agent, server }, challenge) => (await server.api.call(login, { body: signed(agent, challenge) }), signed(agent, challenge)), 'replayed'),
  answering('another agent’s challenge', async ({ agent, server, admin }) => signed(agent, await challengeOf({ server, admin, agent: await makeAgent(server, admin), agentToken: '' }))),
  answering('a challenge for another issuer', ({ agent, server }) => signed(agent, makeChallenge(server.app.system, agent.id, 'https://elsewhere.example').challenge)),
  answering('a challenge of no server', ({ agent }) => signed(agent, 'agent-iam/challenge/v1 please sign this')),
  answering('an assertion that was used', async ({ agent, server }) => {
    const body = await assertion(agent, server)
    await server.api.call(login, { body })
    return body
  }, 'replayed'),
  answering('a jti that was used', async ({ agent, server }) => {
    const claims = { jti: 'the same' }
    await server.api.call(login, { body: await assertion(agent, server, { claims }) })
    return assertion(agent, server, { claims: { ...claims, exp: Math.floor(server.clock.now().getTime() / 1000) + 90 } })
  }, 'replayed'),
  asserting('an assertion that lasts too long', (_, now) => ({ claims: { exp: now + 400 } })),
  asserting('an assertion that has expired', (_, now) => ({ claims: { exp: now - 1 } })),
  asserting('an assertion of the future', (_, now) => ({ claims: { nbf: now + 60, exp: now + 120 } })),
  asserting('an assertion without an end', () => ({ claims: { exp: undefined } })),
  asserting('an assertion without a jti', () => ({ claims: { jti: undefined } })),
  asserting('an assertion with an empty jti', () => ({ claims: { jti: '' } })),
  asserting('an assertion for two servers', () => ({ claims: { aud: [publicUrl, 'https://elsewhere.example'] } })),
  asserting('an assertion for a list of servers', () => ({ claims: { aud: [publicUrl] } })),
  asserting('an assertion for another server', () => ({ claims: { aud: 'https://elsewhere.example' } })),
  asserting('an assertion for the API', () => ({ claims: { aud: `${publicUrl}/api` } })),
  asserting('an assertion by another issuer', () => ({ claims: { iss: 'agt_other' } })),
  asserting('an assertion about another', () => ({ claims: { sub: unknown.id } })),
  asserting('an assertion by another key', () => ({ key: otherKey.privateKey })),
  asserting('a DPoP proof', () => ({ header: { typ: 'dpop+jwt' } })),
  asserting('an access token’s type', () => ({ header: { typ: 'at+jwt' } })),
  answering('an unsigned assertion', async ({ agent, server }) => resigned(await assertion(agent, server), { alg: 'none' }, () => '')),
  answering('an assertion by the public key as a secret', async ({ agent, server }) => {
    const secret = createPublicKey(agent.privateKey).export({ format: 'jwk' }).x ?? ''
    return resigned(await assertion(agent, server), { alg: 'HS256' }, (text) => createHmac('sha256', Buffer.from(secret, 'base64url')).update(text).digest('base64url'))
  }),
  answering('an agent that was deleted', async ({ server, admin }) => {
    const agent = await makeAgent(server, admin)
    await server.api.call(deleteAgent, { params: { agentId: agent.id }, token: admin })
    return assertion(agent, server)
  }),
  ['a wrong password', 'invalid-credentials', /unknown or its proof/, login, async ({ server }) => ({ body: { email: (await server.user()).email, password: 'not this one' } })],
  ['an unknown user', 'invalid-credentials', /unknown or its proof/, login, () => ({ body: { email: 'nobody@example.com', password } })],
  ['an unknown tenant', 'invalid-credentials', /unknown or its proof/, login, async ({ server }) => ({ body: { email: (await server.user()).email, password, tenant: 'nowhere' } })],
  ['a suspended agent’s login', 'identity-inactive', /suspended/, login, async ({ server, admin }) => {
    const agent = await makeAgent(server, admin)
    await server.api.call(suspendAgent, { params: { agentId: agent.id }, token: admin })
    return { body: await assertion(agent, server) }
  }],
  ['a refresh token of nobody', 'invalid-token', /log in again/, refresh, () => ({ body: { refreshToken: 'rft_nobody' } })],
  ['a suspended agent’s token', 'identity-inactive', /suspended/, validate, async (given) => ({ token: await tokenAfter(given, suspendAgent) })],
  ['a deleted agent’s token', 'token-revoked', /ended/, validate, async (given) => ({ token: await tokenAfter(given, deleteAgent) })],
  ['a token of a session that ended', 'token-revoked', /ended/, validate, async ({ server }) => {
    const { token } = await server.user()
    await server.api.call(logout, { token })
    return { token }
  }],
  ['a token whose time is over', 'invalid-token', /not valid here/, validate, async ({ server }) => {
    const { token } = await server.user()
    server.clock.advance(901)
    return { token }
  }],
  ['an unsigned token', 'invalid-token', /not valid here/, validate, ({ agentToken }) => ({ token: forge(agentToken, { alg: 'none', typ: 'at+jwt' }, () => '') })],
  ['a token by the public key as a secret', 'invalid-token', /not valid here/, validate, async ({ server, agentToken }) => {
    const [jwk = {}] = await server.app.system.keys.publicJwks(server.app.defaultTenantId)
    const secret = pem(createPublicKey({ key: { ...jwk }, format: 'jwk' }))
    return { token: forge(agentToken, { alg: 'HS256', typ: 'at+jwt', kid: jwk['kid'] }, (text) => createHmac('sha256', secret).update(text).digest('base64url')) }
  }],
  ['a login assertion as a token', 'invalid-token', /not valid here/, validate, async ({ server, agent }) => ({ token: (await assertion(agent, server, { claims: { aud: `${publicUrl}/api` } })).credentials.token })],
] // prettier-ignore

async function tokenAfter(
  { server, admin }: Given,
  operation: typeof suspendAgent | typeof deleteAgent,
): Promise<string> {
  const agent = await makeAgent(server, admin)
  const { accessToken } = await loginAgent(server, agent)
  await server.api.send(operation, { params: { agentId: agent.id }, token: admin })
  return accessToken
}

function resigned(body: Awaited<ReturnType<typeof assertion>>, header: object, signer: (text: string) => string) {
  return { ...body, credentials: { ...body.credentials, token: forge(body.credentials.token, header, signer) } }
}

/** The same claims under another header and signature. */
function forge(token: string, header: object, signer: (text: string) => string): string {
  const text = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${token.split('.')[1]}`
  return `${text}.${signer(text)}`
}

const position = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url')
const searching = (name: string, operation: Operation, query: Record<string, string>): Case => [
  name,
  'invalid-request',
  new RegExp(`^${Object.keys(query)[0]}: `),
  operation,
  ({ admin }) => ({ token: admin, query }),
]
const searches: Case[] = [
  searching('a NUL in the name of agents', listAgents, { name: 'a\0' }),
  ...['type', 'actor', 'resource', 'requestId'].map((field) =>
    searching(`a NUL in the ${field} of events`, listAuditEvents, { [field]: 'a\0' }),
  ),
  searching('a cursor with a NUL', listPolicies, { cursor: position('a\0') }),
  searching('a cursor of another list', listAuditEvents, { cursor: position('abc') }),
  searching('a cursor between two events', listAuditEvents, { cursor: position(1.5) }),
]

describe.each(databases)('bad input on %s', (_name, open) => {
  let given: Given
  let networks = 0

  beforeAll(async () => {
    const server = await openServer(await open())
    const agent = await makeAgent(server, await server.admin(), ['file/*:read'])
    given = { server, admin: '', agent, agentToken: '' }
  })
  afterAll(() => given.server.close())

  test.each([...malformed, ...searches, ...proofs, ...conflicts, ...logins])(
    '%s is refused as %s, is on record, and changes nothing',
    async (...[, code, detail, operation, make]: Case) => {
      const { server } = given
      // Clocks are moved here and there, so everyone logs in anew; and a network's refusals are told once a minute.
      const { accessToken: agentToken } = await loginAgent(server, given.agent)
      const input = await make({ ...given, admin: await server.admin(), agentToken })
      const before = await countRows(server.database)
      const problem = await server.api.refuse(operation, { ...input, from: `10.1.${++networks}.1` })
      expect(problem.code, problem.detail).toBe(code)
      expect(problem.detail).toEqual(expect.stringMatching(detail))
      expect(await countRows(server.database)).toEqual(before)
      await expectRecorded(operation, problem)
    },
  )

  test.each([
    ['quotes and line breaks', 'file/a"b\nc\\d\'e', 'AgentIam::Resource::"file/a\\"b\\nc\\\\d\\\'e"'],
    ['text that looks like a policy', 'file/x"); permit(principal, action, resource); //', undefined],
    ['other scripts and emoji', 'file/директория/😀', 'AgentIam::Resource::"file/директория/\\u{1f600}"'],
  ])('a resource with %s is taken as it is', async (_what, resource, spelt) => {
    const { server, agent } = given
    const { accessToken: token } = await loginAgent(server, agent)
    const principal = `AgentIam::Agent::"${agent.id}"`
    const bodies = [
      { resource, action: 'read' },
      {
        principal,
        action: 'AgentIam::Action::"read"',
        resource: spelt ?? { type: 'AgentIam::Resource', id: resource },
      },
    ]
    for (const body of bodies) {
      const { decision, record } = await server.api.call(check, { body, token })
      expect(decision).toBe('allow')
      const [row] = await server.database.ask(`select resource from audit_events where encode(leaf_hash, 'hex') = $1`, [
        record.leafHash,
      ])
      expect(row).toEqual({ resource })
    }
  })

  test('an action that looks like a policy is an action that nobody may do', async () => {
    const { server, agent } = given
    const { accessToken: token } = await loginAgent(server, agent)
    const body = { resource: 'file/a', action: 'read"; permit(principal, action, resource); //' }
    expect(await server.api.call(check, { body, token })).toMatchObject({ decision: 'deny' })
  })

  test('a fact named like a member of every object is a fact like others', async () => {
    const { server, agent } = given
    const { accessToken: token } = await loginAgent(server, agent)
    const context = { toString: 'x', hasOwnProperty: true, valueOf: 1 }
    expect(
      await server.api.call(check, { body: { resource: 'file/a', action: 'read', context }, token }),
    ).toMatchObject({ decision: 'allow' })
  })

  test('the cursor after a name as long as names may be is taken', async () => {
    const { server } = given
    const token = await server.admin()
    for (const last of ['一', '二'])
      await server.api.call(registerAgent, { body: { name: '漢'.repeat(99) + last }, token })
    const query = { name: '漢', limit: 1 }
    const { nextCursor } = await server.api.call(listAgents, { query, token })
    const { agents } = await server.api.call(listAgents, { query: { ...query, cursor: nextCursor ?? '' }, token })
    expect(agents).toMatchObject([{ name: `${'漢'.repeat(99)}二` }])
  })

  test('a member named toJSON is data', async () => {
    const { server } = given
    const body = { name: 'with toJSON', metadata: { toJSON: 1 } }
    const { metadata } = await server.api.call(registerAgent, { body, token: await server.admin() })
    expect(metadata).toEqual({ toJSON: 1 })
  })

  test('a path that is none of ours is a problem too, and on record', async () => {
    const { server } = given
    const answer = await server.api.raw({ method: 'GET', url: '/api/v2/agents' }, { from: '10.2.1.1' })
    expect(answer.status).toBe(404)
    const { requestId } = JSON.parse(answer.text)
    expect(await server.refusals(platformTenantId, requestId)).toMatchObject([
      { action: 'unknown', reasons: ['not-found'] },
    ])
  })

  test('a wrong method on a path of ours is told which it has', async () => {
    const { server } = given
    for (const url of ['/api/v1/agents', '/v1/agents']) {
      const answer = await server.api.raw({ method: 'PUT', url }, { from: '10.2.3.1' })
      expect(readProblem(answer).code).toBe('method-not-allowed')
      expect(answer.headers['allow']).toBe('POST, GET')
    }
  })

  test('a request for another host is refused', async () => {
    const { server } = given
    for (const host of ['evil.example', 'localhost.evil.example']) {
      const answer = await server.api.raw(
        { method: 'GET', url: '/api/v1/agents' },
        { from: '10.2.2.1', headers: { host } },
      )
      expect([host, answer.status]).toEqual([host, 421])
    }
  })

  async function expectRecorded({ id }: Operation, { code, requestId }: { code: string; requestId: string }) {
    const { server } = given
    const found = [
      ...(await server.refusals(server.app.defaultTenantId, requestId)),
      ...(await server.refusals(platformTenantId, requestId)),
    ]
    expect(found).toMatchObject([{ action: id, decision: 'deny', reasons: [code] }])
  }
})
