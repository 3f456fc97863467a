import type { AgentLogin } from '@agent-iam/contract/auth'
import type { AgentId } from '@agent-iam/contract/ids'
import { asCaller, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { insertNonce } from '../credentials/service.ts'
import { activateAgent, findAgent, findAgentForUpdate, tenantOfIdentity } from '../identities/service.ts'
import type { Agent } from '../identities/model.ts'
import { signTokens, type TokenPair } from '../tokens/service.ts'
import { isStillProof, proveAgent, type AgentProof } from './agent-proof.ts'
import { makeChallenge } from './challenge.ts'
import { requireActive } from './model.ts'
import { boundKey } from './possession.ts'
import { notingFailure } from './noted-failure.ts'
import { startSession } from './start.ts'

/**
 * The text that an agent signs to log in. Nothing is looked up: the answer is the same for an agent of any tenant and for
 * an unknown one, so neither agents nor their tenants can be enumerated. It names the issuer that the caller named.
 */
export function challengeFor(ctx: Context, agentId: AgentId, issuer?: string): { challenge: string; expiresAt: Date } {
  const { publicUrl } = ctx.keys
  if (issuer !== undefined && ctx.keys.tenantOf(issuer) === undefined)
    throw new Problem('invalid-request', `issuer: is not one of ${publicUrl}`, {
      errors: [{ field: 'issuer', message: `is not an issuer of ${publicUrl}` }],
    })
  return makeChallenge(ctx, agentId, issuer ?? publicUrl)
}

/** Logs in an agent by a signed challenge, by a JWT assertion (RFC 7523) that its key signed, or by its certificate. */
export async function loginAgent(ctx: Context, { agentId, credentials }: AgentLogin): Promise<TokenPair> {
  const { issuer, tenantId, isKnown } = await issuerFor(ctx, agentId)
  const there = asCaller(ctx, { ...ctx.caller, tenantId })
  const account = isKnown ? agentId : undefined
  const granted = await notingFailure(there, { method: 'agent-proof', account }, async (tx) => {
    // Not locked yet: strangers may try as often as they like, and must not hold up who suspends the agent.
    const agent = await findAgent(tx, agentId)
    const proof = await proveAgent(tx, { agentId, issuer }, credentials)
    if (!agent || !proof) throw notProved()
    if (
      proof.by === 'key' &&
      !(await insertNonce(tx, credentials.type, `${agentId} ${proof.nonce}`, proof.nonceExpiresAt))
    )
      throw new Problem('replayed', 'this proof was used before; make a new one')
    const { id } = await lockProved(tx, agentId, proof)
    const confirmation = proof.by === 'certificate' ? proof.confirmation : await boundKey(tx)
    return startSession(tx, id, { method: credentials.type, credential: proof.thumbprint, confirmation })
  })
  return signTokens(ctx, granted)
}

/** Unknown agents belong, as far as anyone can tell, to the default tenant. */
async function issuerFor(ctx: Context, agentId: AgentId) {
  const found = await tenantOfIdentity(ctx, agentId)
  const tenantId = found ?? ctx.keys.tenantOf(ctx.keys.publicUrl)
  if (!tenantId) throw new Error('there is no default tenant')
  return { tenantId, issuer: ctx.keys.issuerOf(tenantId), isKnown: found !== undefined }
}

/** What was proved may have ended since it was read: once the row is locked, it is what it will be. */
async function lockProved(tx: Transaction, agentId: AgentId, proof: AgentProof): Promise<Agent> {
  const agent = await findAgentForUpdate(tx, agentId)
  if (!agent || !(await isStillProof(tx, agentId, proof))) throw notProved()
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
