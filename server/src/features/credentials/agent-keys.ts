import { generateKeyPairSync } from 'node:crypto'
import type { AgentId } from '@agent-iam/contract/ids'
import { thumbprint } from '@agent-iam/standards/ed25519-key'
import type { Transaction } from '../../platform/context.ts'
import { addSeconds } from '../../platform/clock.ts'
import type { AgentKey } from './model.ts'
import { insertAgentKey } from './store.ts'
import { listLiveKeys, retireActiveKey, revokeKeys, type StoredAgentKey } from './store/agent-keys.ts'

/** The keys that log an agent in at one time: its own, and the one that it took the place of. */
export const liveAgentKeysMax = 2

/** A pair for an agent that brings none; the private half is PKCS#8 PEM and is kept nowhere. */
export function makeAgentKey(): { key: AgentKey; privateKey: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
  return {
    key: { thumbprint: thumbprint(raw), publicKey: raw },
    privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

/** The keys by which an agent may log in now, its own first. */
export async function listLoginKeys(tx: Transaction, agentId: AgentId): Promise<AgentKey[]> {
  return listLiveKeys(tx, agentId)
}

export interface KeyRotation {
  /** Undefined when the agent had no key. */
  readonly replaced: StoredAgentKey | undefined
  /** Keys that logged in until now and no longer do. */
  readonly ended: readonly string[]
}

/**
 * Puts a key in the place of an agent's own, which logs in for the grace yet; one that was retiring before ends, so that
 * never more than two are about. Undefined when the tenant has the key already. The agent is held.
 */
export async function replaceAgentKey(
  tx: Transaction,
  agentId: AgentId,
  key: AgentKey,
  graceSeconds: number,
): Promise<KeyRotation | undefined> {
  const live = await listLiveKeys(tx, agentId)
  const active = live.find(({ status }) => status === 'active')
  const ended = live.filter((each) => graceSeconds === 0 || each !== active).map((each) => each.thumbprint)
  await revokeKeys(tx, agentId, ended)
  if (active && graceSeconds > 0) await retireActiveKey(tx, agentId, addSeconds(tx.clock.now(), graceSeconds))
  if (!(await insertAgentKey(tx, agentId, key))) return undefined
  return { replaced: active, ended }
}
