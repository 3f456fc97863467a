import type { IdentityStatus } from '@agent-iam/contract/agents'
import type { AgentId, IdentityId, UserId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../platform/context.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import { closureOf, type Held, type RoleDefinition } from '../capabilities/model.ts'
import { onlySupported, readHeld, readRoleDefinitions } from '../capabilities/service.ts'
import type { ChainMember, Descendant } from './model.ts'

type Kind = 'user' | 'service' | 'agent'

interface ChainRow {
  kind: Kind
  id: string
  name: string
  status: IdentityStatus
  expires_at: Date | null
  trust_score: string
  owner_kind: 'user' | 'service' | null
  owner_id: string | null
  parent_id: string | null
  grants: string[]
  conditioned: unknown
  sourced: unknown
  roles: string[]
  lent_scope: string[] | null
  lent_blocks: string | null
  task_id: string | null
  task_scope: string | null
}

/** An identity and all who lend it authority, the nearest first; nothing when the tenant has no such identity. */
export async function readChain(tx: Transaction, id: IdentityId): Promise<ChainMember[]> {
  const { rows } = await sql<ChainRow>`
    select f.*, i.task_id, i.task_scope
    from read_decision_basis(array[${toUuid(id)}::uuid], null, ${tx.clock.now()}::timestamptz) f
      join identities i on i.tenant_id = ${toUuid(tx.caller.tenantId)} and i.id = f.id
    order by f.depth`.execute(tx.db)
  const roles = await readRoleDefinitions(tx)
  const granted = await onlySupported(tx, rows.map(readHeld))
  return rows.map((row, place) => toMember(row, granted[place] ?? [], roles))
}

/** Holds identities until the transaction ends, always in the same order, so that nobody stops or moves one meanwhile. */
export async function holdIdentities(tx: Transaction, ids: readonly IdentityId[]): Promise<void> {
  await sql`
    select id from identities where tenant_id = ${toUuid(tx.caller.tenantId)} and id = any(${ids.map(toUuid)}::uuid[])
    order by id for no key update`.execute(tx.db)
}

interface TreeRow {
  id: string
  parent_id: string
  name: string
  status: IdentityStatus
  expires_at: Date | null
  task_id: string | null
  total: number
}

/** Those to whom an identity lends authority, and they to others, the nearest first; deleted ones are left out. */
export async function listDescendants(
  tx: Transaction,
  id: IdentityId,
  limit: number,
): Promise<{ total: number; descendants: Descendant[] }> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<TreeRow>`
    with recursive tree (id, depth) as (
      select i.id, 1 from identities i where i.tenant_id = ${tenant} and i.parent_id = ${toUuid(id)}
      union all
      select i.id, t.depth + 1 from identities i join tree t on i.parent_id = t.id where i.tenant_id = ${tenant})
    select i.id, i.parent_id, i.name, i.status, i.expires_at, i.task_id, (count(*) over ())::int as total
      from tree t join identities i on i.tenant_id = ${tenant} and i.id = t.id
      where i.status <> 'deleted'
      order by t.depth, i.name, i.id limit ${limit}`.execute(tx.db)
  return { total: rows[0]?.total ?? 0, descendants: rows.map(toDescendant) }
}

/** How many levels hang below an identity. */
export async function heightOf(tx: Transaction, id: IdentityId): Promise<number> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ height: number }>`
    with recursive tree (id, depth) as (
      select ${toUuid(id)}::uuid, 0
      union all
      select i.id, t.depth + 1 from identities i join tree t on i.parent_id = t.id
        where i.tenant_id = ${tenant} and i.status <> 'deleted' and t.depth < 12)
    select max(depth)::int as height from tree`.execute(tx.db)
  return rows[0]?.height ?? 0
}

/** Gives an agent another parent, or none; what it was made within goes with the old one. */
export async function updateParent(
  tx: Transaction,
  id: AgentId,
  { parent, owner }: { parent: ChainMember | undefined; owner: UserId },
): Promise<void> {
  await tx.db
    .updateTable('identities')
    .set({
      parent_kind: parent?.kind ?? null,
      parent_id: parent ? toUuid(parent.id) : null,
      owner_kind: 'user',
      owner_id: toUuid(owner),
      lent_scope: null,
      lent_blocks: null,
      updated_at: tx.clock.now(),
    })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

function toMember(row: ChainRow, granted: readonly Held[], roles: readonly RoleDefinition[]): ChainMember {
  const held = [...granted, ...closureOf(row.roles, roles).flatMap(({ permissions }) => permissions)]
  return {
    id: fromUuid(row.kind, row.id),
    kind: row.kind,
    name: row.name,
    status: row.status,
    expiresAt: row.expires_at ?? undefined,
    trustScore: row.kind === 'agent' ? Number(row.trust_score) : undefined,
    owner: row.owner_kind && row.owner_id ? fromUuid(row.owner_kind, row.owner_id) : undefined,
    isRoot: row.parent_id === null,
    held: held.map(({ entry }) => entry),
    lent: { scope: row.lent_scope ?? undefined, blocks: row.lent_blocks ?? undefined },
    task: { id: row.task_id ?? undefined, scope: row.task_scope ?? undefined },
  }
}

function toDescendant(row: TreeRow): Descendant {
  return {
    id: fromUuid('agent', row.id),
    parentUuid: row.parent_id,
    name: row.name,
    status: row.status,
    expiresAt: row.expires_at ?? undefined,
    taskId: row.task_id ?? undefined,
  }
}
