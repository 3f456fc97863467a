import { createPublicKey, sign } from 'node:crypto'
import { registrationText } from '@agent-iam/contract/agent-proofs'
import { registerAgent, updateAgent } from '@agent-iam/contract/agents'
import { check } from '@agent-iam/contract/authorization'
import { createEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import { createPolicy } from '@agent-iam/contract/policies'
import type { ProblemCode } from '@agent-iam/contract/problems'
import { parsePublicKey, thumbprint } from '@agent-iam/standards/ed25519-key'
import { makeAgent } from './agents.ts'
import { publicUrl } from './test-server.ts'
import { ed25519, otherKey, pem, rsa, type Case, type Given } from './bad-cases.ts'

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

const bytes = (hex: string) => Buffer.from(hex.padEnd(64, '0'), 'hex').toString('base64url')
const nested = (depth: number): unknown => (depth === 0 ? 1 : { deeper: nested(depth - 1) })
const veryDeep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

export const malformed: Case[] = [
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
  register('a name with a line break', /^name: .*U\+000A/, { name: 'a\nb' }),
  register('a name with a C1 control', /^name: .*U\+0085/, { name: 'a\u0085b' }),
  register('a name with a NUL', /^name: .*U\+0000/, { name: 'a\0b' }),
  register('a name that runs from right to left', /^name: .*U\+202E/, { name: 'a\u202eb' }),
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

export const proofs: Case[] = (
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

export const conflicts: Case[] = [
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
