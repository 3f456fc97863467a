/**
 * An agent's keys: each is replaced by its successor, and logs in for a grace yet, so that no copy of the agent is shut
 * out while the new key reaches it. Who puts a key in place can act as the agent, so nobody does who may not grant what
 * the agent holds; a key that is revoked takes every session with it.
 */
import type { RotateAgentKey } from '@agent-iam/contract/agent-keys'
import { agentKeysListed } from '@agent-iam/contract/agent-keys'
import { registrationProofSeconds, rotationText } from '@agent-iam/contract/agent-proofs'
import type { AgentId } from '@agent-iam/contract/ids'
import {
  inTransaction,
  type Caller,
  type Context,
  type PlatformAction,
  type Transaction,
} from '../../platform/context.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { listReach, requireMayDelegate, requireOwnSession } from '../capabilities/service.ts'
import type { AgentKey } from '../credentials/model.ts'
import {
  countKeys,
  findKey,
  listAllKeys,
  makeAgentKey,
  readAgentKey,
  replaceAgentKey,
  revokeKeys,
  verifySignature,
  type StoredAgentKey,
} from '../credentials/service.ts'
import { requireChangeable, type Agent } from '../identities/model.ts'
import { findAgent, findAgentForUpdate, protectAgent } from '../identities/service.ts'
import { endSessionsOf } from '../sessions/service.ts'

export interface Rotated {
  readonly key: StoredAgentKey
  readonly replaced: StoredAgentKey | undefined
  /** PKCS#8 PEM, when the server made the key. */
  readonly privateKey: string | undefined
}

/** Gives an agent a new key, for the agent itself or for who answers for it. */
export async function rotateAgentKey(ctx: Context, agentId: AgentId, input: RotateAgentKey): Promise<Rotated> {
  const { key, privateKey } = input.publicKey === undefined ? makeAgentKey() : broughtKey(ctx, agentId, input)
  const graceSeconds = input.revokeOld ? 0 : input.graceSeconds
  return inTransaction(ctx, async (tx) => {
    const agent = await requireForChange(tx, 'agents:rotate-key', agentId, privateKey !== undefined)
    requireChangeable(agent, tx.clock.now())
    if (!isWhole(tx.caller, agentId)) await requireMayDelegate(tx, await listReach(tx, agentId))
    requireOwnSession(tx, 'the new key of an agent')
    const rotation = await replaceAgentKey(tx, agentId, key, graceSeconds)
    if (!rotation) throw new Problem('already-exists', 'this public key is, or was, an agent’s; every key is new')
    const { replaced, ended } = rotation
    if (input.revokeOld) await endSessionsOf(tx, agentId, { reason: 'key revoked' })
    recordEvent(tx, {
      type: 'agent.key-rotated',
      resource: `agent-iam/agents/${agentId}`,
      data: { to: key.thumbprint, from: replaced?.thumbprint ?? null, graceSeconds, ended: [...ended] },
      narrows: ended.length > 0,
    })
    return {
      key: await requireKey(tx, agentId, key.thumbprint),
      replaced: await stored(tx, agentId, replaced),
      privateKey,
    }
  })
}

/** By its own key an agent is what it is already, also where those hold less by now who lend it authority. */
function isWhole(caller: Caller, agentId: AgentId): boolean {
  if (caller.kind !== 'identity' || caller.identityId !== agentId) return false
  return caller.actors.length === 0 && caller.scope === undefined && caller.attenuation === undefined
}

/** The newest keys of an agent, and how often one took another's place. */
export async function listAgentKeys(ctx: Context, id: AgentId): Promise<{ keys: StoredAgentKey[]; rotations: number }> {
  return inTransaction(ctx, async (tx) => {
    const agent = requireFound(await findAgent(tx, id), id)
    await tx.authorize('agents:read', await protectAgent(tx, agent))
    const rotations = Math.max((await countKeys(tx, id)) - 1, 0)
    return { keys: await listAllKeys(tx, id, agentKeysListed), rotations }
  })
}

/** Ends a key now. Its sessions cannot be told from those of another key, so all of the agent's end. */
export async function revokeAgentKey(ctx: Context, agentId: AgentId, thumbprint: string): Promise<StoredAgentKey> {
  return inTransaction(ctx, async (tx) => {
    await requireForChange(tx, 'agents:revoke-key', agentId)
    const key = await requireKey(tx, agentId, thumbprint)
    if (key.status === 'revoked') throw new Problem('wrong-state', `the key ${thumbprint} was revoked already`)
    await revokeKeys(tx, agentId, [thumbprint])
    await endSessionsOf(tx, agentId, { reason: 'key revoked' })
    recordEvent(tx, {
      type: 'agent.key-revoked',
      resource: `agent-iam/agents/${agentId}`,
      data: { keyThumbprint: thumbprint },
      narrows: true,
    })
    return requireKey(tx, agentId, thumbprint)
  })
}

function broughtKey(ctx: Context, agentId: AgentId, { publicKey = '', proof }: RotateAgentKey) {
  const key = readAgentKey(publicKey)
  if (!proof || !isProved(ctx, agentId, key, proof))
    throw new Problem('invalid-request', 'proof: must be a signature by the new key, made just now for this agent', {
      errors: [{ field: 'proof', message: 'does not verify' }],
    })
  return { key, privateKey: undefined }
}

function isProved(
  ctx: Context,
  agentId: AgentId,
  key: AgentKey,
  { issuedAt, signature }: NonNullable<RotateAgentKey['proof']>,
): boolean {
  const ageSeconds = Math.abs(ctx.clock.now().getTime() - Date.parse(issuedAt)) / 1000
  const text = rotationText(ctx.keys.issuerOf(ctx.caller.tenantId), agentId, key.thumbprint, issuedAt)
  return ageSeconds <= registrationProofSeconds && verifySignature(key, text, signature)
}

async function requireForChange(
  tx: Transaction,
  action: PlatformAction,
  id: AgentId,
  returnsPrivateKey = false,
): Promise<Agent> {
  const agent = requireFound(await findAgentForUpdate(tx, id), id)
  await tx.authorize(action, { ...(await protectAgent(tx, agent)), ...(returnsPrivateKey && { returnsPrivateKey }) })
  return agent
}

function requireFound(agent: Agent | undefined, id: AgentId): Agent {
  if (!agent) throw notFound('agents', id)
  return agent
}

async function requireKey(tx: Transaction, agentId: AgentId, thumbprint: string): Promise<StoredAgentKey> {
  const key = await findKey(tx, agentId, thumbprint)
  if (!key) throw notFound('keys', thumbprint)
  return key
}

async function stored(tx: Transaction, agentId: AgentId, key: AgentKey | undefined) {
  return key && requireKey(tx, agentId, key.thumbprint)
}
