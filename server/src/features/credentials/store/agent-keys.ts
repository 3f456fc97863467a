import type { AgentId } from '@agent-iam/contract/ids'
import type { Selectable } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { toUuid } from '../../../platform/ids.ts'
import type { AgentKey } from '../model.ts'

/** A key with its life. A retiring one is good until it expires, and has expired by itself then. */
export interface StoredAgentKey extends AgentKey {
  readonly status: 'active' | 'retiring' | 'expired' | 'revoked'
  readonly createdAt: Date
  readonly expiresAt: Date | undefined
}

/** Keys that log in now, the active one first. */
export async function listLiveKeys(tx: Transaction, agentId: AgentId): Promise<StoredAgentKey[]> {
  const rows = await keysOf(tx, agentId)
    .where('status', 'in', ['active', 'retiring'])
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', tx.clock.now())]))
    .orderBy('status')
    .execute()
  return rows.map(toStoredKey)
}

/** Every key that the agent ever had, the newest first, up to a limit. */
export async function listAllKeys(tx: Transaction, agentId: AgentId, limit: number): Promise<StoredAgentKey[]> {
  const rows = await keysOf(tx, agentId)
    .orderBy('created_at', 'desc')
    .orderBy('status')
    .orderBy('thumbprint')
    .limit(limit)
    .execute()
  return rows.map(toStoredKey)
}

export async function countKeys(tx: Transaction, agentId: AgentId): Promise<number> {
  const { count } = await tx.db
    .selectFrom('agent_keys')
    .select(({ fn }) => fn.countAll<string>().as('count'))
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(agentId))
    .executeTakeFirstOrThrow()
  return Number(count)
}

export async function findKey(
  tx: Transaction,
  agentId: AgentId,
  thumbprint: string,
): Promise<StoredAgentKey | undefined> {
  const row = await keysOf(tx, agentId).where('thumbprint', '=', thumbprint).executeTakeFirst()
  return row && toStoredKey(row)
}

/** Lets the agent's active key log in until then, and no longer be its own. */
export async function retireActiveKey(tx: Transaction, agentId: AgentId, until: Date): Promise<void> {
  await tx.db
    .updateTable('agent_keys')
    .set({ status: 'retiring', expires_at: until })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(agentId))
    .where('status', '=', 'active')
    .execute()
}

/** The row stays: a key that was given up never comes back. */
export async function revokeKeys(tx: Transaction, agentId: AgentId, thumbprints: readonly string[]): Promise<void> {
  if (thumbprints.length === 0) return
  await tx.db
    .updateTable('agent_keys')
    .set({ status: 'revoked', expires_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(agentId))
    .where('thumbprint', 'in', [...thumbprints])
    .execute()
}

function keysOf(tx: Transaction, agentId: AgentId) {
  return tx.db
    .selectFrom('agent_keys')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(agentId))
}

function toStoredKey(row: Selectable<Tables['agent_keys']>): StoredAgentKey {
  return {
    thumbprint: row.thumbprint,
    publicKey: row.public_key,
    status: row.status,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
  }
}
