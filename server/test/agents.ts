import { createHash, createPrivateKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { rotationText } from '@agent-iam/contract/agent-proofs'
import { registerAgent } from '@agent-iam/contract/agents'
import { getChallenge, login, type Tokens } from '@agent-iam/contract/auth'
import type { AgentId } from '@agent-iam/contract/ids'
import { SignJWT } from 'jose'
import { publicUrl, type TestServer } from './test-server.ts'

export interface TestAgent {
  readonly id: AgentId
  readonly name: string
  readonly privateKey: KeyObject
}

let made = 0

/** An active agent whose key the server made. */
export async function makeAgent(server: TestServer, token: string, capabilities: string[] = []): Promise<TestAgent> {
  const name = `agent number ${++made}`
  const { agentId, privateKey = '' } = await server.api.call(registerAgent, { body: { name, capabilities }, token })
  return { id: agentId, name, privateKey: createPrivateKey(privateKey) }
}

/** A login by challenge, as the SDK does it. */
export async function loginAgent(server: TestServer, agent: TestAgent): Promise<Tokens> {
  const { challenge } = await server.api.call(getChallenge, { params: { agentId: agent.id } })
  return server.api.call(login, { body: signed(agent, challenge) })
}

/** A challenge answered by the agent's key, or another's. */
export function signed({ id, privateKey }: TestAgent, challenge: string, key = privateKey) {
  const signature = sign(null, Buffer.from(challenge), key).toString('base64url')
  return { agentId: id, credentials: { type: 'signature' as const, challenge, signature } }
}

/** A login assertion (RFC 7523); the claims and header given replace the right ones. */
export async function assertion(
  { id, privateKey }: TestAgent,
  server: TestServer,
  changes: { claims?: Record<string, unknown>; header?: Record<string, unknown>; key?: KeyObject } = {},
) {
  const now = Math.floor(server.clock.now().getTime() / 1000)
  const claims = { iss: id, sub: id, aud: publicUrl, exp: now + 60, iat: now, jti: `jti ${Math.random()}` }
  const token = await new SignJWT({ ...claims, ...changes.claims })
    .setProtectedHeader({ alg: 'EdDSA', ...changes.header })
    .sign(changes.key ?? privateKey)
  return { agentId: id, credentials: { type: 'jwt' as const, token } }
}

/** A key pair that no server knows, the public half as the API takes it. */
export function aKey(): { privateKey: KeyObject; publicKey: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return { privateKey, publicKey: publicKey.export({ format: 'jwk' }).x ?? '' }
}

/** A new key for an agent of the default tenant, with the proof that its holder has it, as a rotation takes it. */
export function newKey({ app, clock }: TestServer, id: AgentId) {
  const { privateKey, publicKey } = aKey()
  const jwk = JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x: publicKey })
  const thumbprint = createHash('sha256').update(jwk).digest('base64url')
  const issuedAt = clock.now().toISOString()
  const text = rotationText(app.system.keys.issuerOf(app.defaultTenantId), id, thumbprint, issuedAt)
  return { publicKey, proof: { issuedAt, signature: sign(null, Buffer.from(text), privateKey).toString('base64url') } }
}
