import { createPublicKey } from 'node:crypto'
import { assertionSecondsMax } from '@agent-iam/contract/agent-proofs'
import type { AgentLogin } from '@agent-iam/contract/auth'
import type { AgentId } from '@agent-iam/contract/ids'
import { toPublicJwk } from '@agent-iam/standards/ed25519-key'
import { errors, jwtVerify } from 'jose'
import { asCaller, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import type { AgentKey } from '../credentials/model.ts'
import { findAgentKeys, insertNonce, verifySignature } from '../credentials/service.ts'
import { activateAgent, findAgent, findAgentForUpdate, tenantOfIdentity } from '../identities/service.ts'
import type { Agent } from '../identities/model.ts'
import { signTokens, type TokenPair } from '../tokens/service.ts'
import { makeChallenge, readChallenge } from './challenge.ts'
import { requireActive } from './model.ts'
import { boundKey } from './possession.ts'
import { startSession } from './start.ts'

/** Checked in place of an unknown agent's key, so that unknown costs what known does. It proves nothing, whoever signs. */
const dummyKey: AgentKey = {
  thumbprint: '',
  // Any point of the curve will do; this is its base point.
  publicKey: Buffer.from('5866666666666666666666666666666666666666666666666666666666666666', 'hex'),
}

/** The text that an agent signs to log in. Whether the agent exists is not told. */
export async function challengeFor(ctx: Context, agentId: AgentId): Promise<{ challenge: string; expiresAt: Date }> {
  const { issuer } = await issuerFor(ctx, agentId)
  return makeChallenge(ctx, agentId, issuer)
}

/** Logs in an agent by a signed challenge, or by a JWT assertion (RFC 7523) that its key signed. */
export async function loginAgent(ctx: Context, { agentId, credentials }: AgentLogin): Promise<TokenPair> {
  const { issuer, tenantId } = await issuerFor(ctx, agentId)
  const granted = await inTransaction(asCaller(ctx, { ...ctx.caller, tenantId }), async (tx) => {
    // Not locked yet: strangers may try as often as they like, and must not hold up who suspends the agent.
    const agent = await findAgent(tx, agentId)
    const key = (await findAgentKeys(tx, [agentId])).get(agentId)
    const proof = { agentId, issuer, key: agent && key ? key : dummyKey }
    const nonce =
      credentials.type === 'signature'
        ? proveBySignature(tx, proof, credentials)
        : await proveByAssertion(tx, proof, credentials.token)
    // The key is asked again: the dummy one proves nothing, whatever was signed.
    if (!agent || !key || !nonce) throw notProved()
    if (!(await insertNonce(tx, credentials.type, `${agentId} ${nonce.value}`, nonce.expiresAt)))
      throw new Problem('replayed', 'this proof was used before; make a new one')
    const { id } = await lockProved(tx, agentId, key)
    return startSession(tx, id, { method: credentials.type, confirmation: await boundKey(tx) })
  })
  return signTokens(ctx, granted)
}

/** Unknown agents belong, as far as anyone can tell, to the default tenant. */
async function issuerFor(ctx: Context, agentId: AgentId) {
  const tenantId = (await tenantOfIdentity(ctx, agentId)) ?? ctx.keys.tenantOf(ctx.keys.publicUrl)
  if (!tenantId) throw new Error('there is no default tenant')
  return { tenantId, issuer: ctx.keys.issuerOf(tenantId) }
}

interface Proof {
  readonly agentId: AgentId
  readonly issuer: string
  readonly key: AgentKey
}

interface Nonce {
  readonly value: string
  readonly expiresAt: Date
}

function proveBySignature(
  tx: Transaction,
  proof: Proof,
  sent: { challenge: string; signature: string },
): Nonce | undefined {
  const challenge = readChallenge(tx, sent.challenge, proof.agentId, proof.issuer)
  const verified = verifySignature(proof.key, sent.challenge, sent.signature)
  return challenge && verified ? { value: challenge.nonce, expiresAt: new Date(challenge.expiresAt) } : undefined
}

/** Types that an assertion's header may have: a DPoP proof or any other signed text is not one. */
const assertionTypes = new Set([undefined, 'JWT', 'client-authentication+jwt'])

async function proveByAssertion(
  tx: Transaction,
  { agentId, issuer, key }: Proof,
  token: string,
): Promise<Nonce | undefined> {
  try {
    const publicKey = createPublicKey({ key: { ...toPublicJwk(key.publicKey) }, format: 'jwk' })
    const { payload, protectedHeader } = await jwtVerify(token, publicKey, {
      algorithms: ['EdDSA'],
      issuer: agentId,
      subject: agentId,
      audience: issuer,
      currentDate: tx.clock.now(),
      requiredClaims: ['exp', 'jti'],
    })
    const { exp = 0, jti, aud, crit } = { ...payload, crit: protectedHeader.crit }
    const lifeSeconds = exp - tx.clock.now().getTime() / 1000
    const isAssertion = assertionTypes.has(protectedHeader.typ) && typeof aud === 'string' && crit === undefined
    if (!isAssertion || lifeSeconds > assertionSecondsMax || !jti || jti.length > 200) return undefined
    return { value: jti, expiresAt: new Date(exp * 1000) }
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined
    throw error
  }
}

/** What was proved may have ended since it was read: once the row is locked, it is what it will be. */
async function lockProved(tx: Transaction, agentId: AgentId, proved: AgentKey): Promise<Agent> {
  const agent = await findAgentForUpdate(tx, agentId)
  const key = (await findAgentKeys(tx, [agentId])).get(agentId)
  if (!agent || key?.thumbprint !== proved.thumbprint) throw notProved()
  return becomeActive(tx, agent)
}

async function becomeActive(tx: Transaction, agent: Agent): Promise<Agent> {
  if (agent.status === 'pending') return activateAgent(tx, agent)
  requireActive(agent, tx.clock.now())
  return agent
}

/** The same words, whether the agent is unknown or the proof is wrong. */
export function notProved(): Problem {
  return new Problem('invalid-credentials', 'the identity is unknown or its proof is not valid')
}
