import { createHmac, createPublicKey } from 'node:crypto'
import { deleteAgent, suspendAgent } from '@agent-iam/contract/agents'
import { getChallenge, login, logout, refresh, validate } from '@agent-iam/contract/auth'
import type { ProblemCode } from '@agent-iam/contract/problems'
import { makeChallenge } from '../src/features/sessions/challenge.ts'
import { assertion, loginAgent, makeAgent, signed } from './agents.ts'
import { password, publicUrl } from './test-server.ts'
import { otherKey, pem, type Case, type Given } from './bad-cases.ts'

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

export const logins: Case[] = [
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
