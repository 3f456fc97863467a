import type { IdentityStatus } from '@agent-iam/contract/agents'
import type { AgentId, ServiceId, UserId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
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
  const rows = await tx.db
    .updateTable('identities')
    .set({ owner_kind: 'user', owner_id: toUuid(to), updated_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('owner_id', '=', toUuid(from))
    .where('status', 'in', ['pending', 'active', 'suspended'])
    .returning(['kind', 'id'])
    .execute()
  return toOwned(rows)
}

/**
 * Suspends what is active and a person answers for, or revokes what is pending and could become so: what they own, and
 * what services of theirs own, however many stand between.
 */
export async function stopOwned(tx: Transaction, person: UserId, was: 'active' | 'pending'): Promise<Owned> {
  const tenant = toUuid(tx.caller.tenantId)
  const rows = await tx.db
    .updateTable('identities')
    .set({ status: was === 'active' ? 'suspended' : 'revoked', updated_at: tx.clock.now() })
    .where('tenant_id', '=', tenant)
    .where('status', '=', was)
    .where(
      sql<boolean>`owner_id in (
        with recursive owners (id) as (
          select ${toUuid(person)}::uuid
          union
          select i.id from owners o
            join identities i on i.tenant_id = ${tenant} and i.owner_id = o.id and i.kind = 'service')
        select id from owners)`,
    )
    .returning(['kind', 'id'])
    .execute()
  return toOwned(rows)
}

function toOwned(rows: ReadonlyArray<{ kind: 'user' | 'service' | 'agent'; id: string }>): Owned {
  return {
    agents: rows.filter(({ kind }) => kind === 'agent').map(({ id }) => fromUuid('agent', id)),
    services: rows.filter(({ kind }) => kind === 'service').map(({ id }) => fromUuid('service', id)),
  }
}
