import type { IdentityStatus } from '@agent-iam/contract/agents'
import type { AgentId, ServiceId, UserId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

/** A person's status, which stays until the transaction ends; others may hold it as well. */
export async function holdStatus(tx: Transaction, id: UserId): Promise<IdentityStatus | undefined> {
  const row = await tx.db
    .selectFrom('identities')
    .select('status')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .where('kind', '=', 'user')
    .forShare()
    .executeTakeFirst()
  return row?.status
}

/** What a person owned, as it was before it changed hands or was stopped. */
export interface Owned {
  readonly agents: readonly AgentId[]
  readonly services: readonly ServiceId[]
}

/** Gives all that a person owns, and that has not ended for good, to another. */
export async function giveOwned(tx: Transaction, from: UserId, to: UserId): Promise<Owned> {
  const rows = await owned(tx, from)
    .set({ owner_kind: 'user', owner_id: toUuid(to), updated_at: tx.clock.now() })
    .where('status', 'in', ['pending', 'active', 'suspended'])
    .returning(['kind', 'id'])
    .execute()
  return toOwned(rows)
}

/** Suspends what a person owns and is active, or revokes what is pending and could become so. */
export async function stopOwned(tx: Transaction, owner: UserId, was: 'active' | 'pending'): Promise<Owned> {
  const rows = await owned(tx, owner)
    .set({ status: was === 'active' ? 'suspended' : 'revoked', updated_at: tx.clock.now() })
    .where('status', '=', was)
    .returning(['kind', 'id'])
    .execute()
  return toOwned(rows)
}

function owned(tx: Transaction, owner: UserId) {
  return tx.db
    .updateTable('identities')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('owner_id', '=', toUuid(owner))
}

function toOwned(rows: ReadonlyArray<{ kind: 'user' | 'service' | 'agent'; id: string }>): Owned {
  return {
    agents: rows.filter(({ kind }) => kind === 'agent').map(({ id }) => fromUuid('agent', id)),
    services: rows.filter(({ kind }) => kind === 'service').map(({ id }) => fromUuid('service', id)),
  }
}
