import type { IdentityId, UserId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { chainDepthMax } from '../model.ts'

interface Named {
  kind: 'user' | 'service' | 'agent'
  id: string
}

/** Who lends authority to an identity with this parent: the parent first, the root last. */
export async function listAncestors(tx: Transaction, parent: IdentityId): Promise<IdentityId[]> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<Named>`
    with recursive chain (depth, kind, id, parent_id) as (
      select 1, i.kind, i.id, i.parent_id from identities i where i.tenant_id = ${tenant} and i.id = ${toUuid(parent)}
      union all
      select c.depth + 1, i.kind, i.id, i.parent_id
        from chain c join identities i on i.tenant_id = ${tenant} and i.id = c.parent_id
        where c.depth <= ${chainDepthMax})
    select kind, id from chain order by depth`.execute(tx.db)
  return rows.map(toId)
}

/** The root of an identity's chain: whom its use of shared resources counts against, with that of all its descendants. */
export async function findRoot(tx: Transaction, id: IdentityId): Promise<IdentityId> {
  return (await listAncestors(tx, id)).at(-1) ?? id
}

/** When the first of an identity and those who lend it authority ends; undefined when nobody does. */
export async function findChainEnd(tx: Transaction, first: IdentityId): Promise<Date | undefined> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ ends_at: Date | null }>`
    with recursive chain (depth, expires_at, parent_id) as (
      select 1, i.expires_at, i.parent_id from identities i where i.tenant_id = ${tenant} and i.id = ${toUuid(first)}
      union all
      select c.depth + 1, i.expires_at, i.parent_id
        from chain c join identities i on i.tenant_id = ${tenant} and i.id = c.parent_id
        where c.depth <= ${chainDepthMax})
    select min(expires_at) as ends_at from chain`.execute(tx.db)
  return rows[0]?.ends_at ?? undefined
}

/** Of some identities, by UUID, those with somebody up the chain who may not act, and the nearest of these. */
export async function findStopping(tx: Transaction, ids: readonly IdentityId[]): Promise<Map<string, IdentityId>> {
  if (ids.length === 0) return new Map()
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<Named & { first: string }>`
    with recursive chain (first, depth, kind, id, stops, parent_id) as (
      select i.id, 0, i.kind, i.id, false, i.parent_id
        from identities i where i.tenant_id = ${tenant} and i.id = any(${ids.map(toUuid)}::uuid[])
      union all
      select c.first, c.depth + 1, i.kind, i.id,
          i.status <> 'active' or coalesce(i.expires_at <= ${tx.clock.now()}::timestamptz, false), i.parent_id
        from chain c join identities i on i.tenant_id = ${tenant} and i.id = c.parent_id
        where not c.stops and c.depth <= ${chainDepthMax})
    select first, kind, id from chain where stops`.execute(tx.db)
  return new Map(rows.map((row) => [row.first, toId(row)]))
}

/** How many that have not ended descend from an identity. */
export async function countDescendants(tx: Transaction, id: IdentityId): Promise<number> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ count: number }>`
    with recursive below (id) as (
      select i.id from identities i
        where i.tenant_id = ${tenant} and i.parent_id = ${toUuid(id)} and i.status in ('pending', 'active', 'suspended')
      union
      select i.id from below b join identities i on i.tenant_id = ${tenant} and i.parent_id = b.id
        where i.status in ('pending', 'active', 'suspended'))
    select count(*)::int as count from below`.execute(tx.db)
  return rows[0]?.count ?? 0
}

/** The person who answers in the end: of a service, its owner's owner, and so on; undefined when nobody does. */
export async function findAccountable(tx: Transaction, id: IdentityId): Promise<UserId | undefined> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<Named>`
    with recursive owners (kind, id, owner_id) as (
      select i.kind, i.id, i.owner_id from identities i where i.tenant_id = ${tenant} and i.id = ${toUuid(id)}
      union
      select i.kind, i.id, i.owner_id
        from owners o join identities i on i.tenant_id = ${tenant} and i.id = o.owner_id where o.kind <> 'user')
    select kind, id from owners where kind = 'user'`.execute(tx.db)
  const [found] = rows
  return found && fromUuid('user', found.id)
}

/** Whom the successor's successor and so on lead to, the first first; each once. */
export async function listSuccessors(tx: Transaction, id: UserId): Promise<Array<{ id: UserId; isActive: boolean }>> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ id: string; is_active: boolean }>`
    with recursive heirs (depth, id, status, successor_id, seen) as (
      select 0, i.id, i.status, i.successor_id, array[i.id]
        from identities i where i.tenant_id = ${tenant} and i.id = ${toUuid(id)}
      union all
      select h.depth + 1, i.id, i.status, i.successor_id, h.seen || i.id
        from heirs h join identities i on i.tenant_id = ${tenant} and i.id = h.successor_id
        where i.id <> all(h.seen))
    select id, status = 'active' as is_active from heirs where depth > 0 order by depth`.execute(tx.db)
  return rows.map((row) => ({ id: fromUuid('user', row.id), isActive: row.is_active }))
}

function toId({ kind, id }: Named): IdentityId {
  return fromUuid(kind, id)
}
