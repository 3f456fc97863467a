import type { IdentitySort, IdentityStatus } from '@agent-iam/contract/agents'
import type { IdentityId, TenantId, UserId } from '@agent-iam/contract/ids'
import { OpenObject } from '@agent-iam/contract/json'
import { sql } from 'kysely'
import { storedSkeleton } from '../../../lib/confusable.ts'
import type { Transaction } from '../../../platform/context.ts'
import { sqlState } from '../../../platform/database.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { readSort, type Agent, type AnyIdentity } from '../model.ts'
import { toAgent, type IdentityRow } from '../store.ts'

/**
 * Notes that an identity is about to act, and holds it. Returns false when somebody up the chain may not act: what it was
 * lent is worth nothing then.
 */
export async function touchIdentity(tx: Transaction, id: IdentityId): Promise<boolean> {
  const touched = await tx.db
    .updateTable('identities')
    .set({ last_activity: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .returning(['parent_id', 'source_session'])
    .executeTakeFirst()
  if (touched?.source_session) return mayAct(tx, toUuid(id))
  return !touched?.parent_id || mayAct(tx, touched.parent_id)
}

/** Whether an identity, by UUID, and all who lend it authority may act. */
async function mayAct(tx: Transaction, uuid: string): Promise<boolean> {
  const { rows } = await sql<{ acts: boolean }>`
    select identity_acts(${uuid}::uuid, ${tx.clock.now()}::timestamptz) as acts`.execute(tx.db)
  return rows[0]?.acts === true
}

/** Whether an identity, and all who delegate to it, may act. */
export async function mayIdentityAct(tx: Transaction, id: IdentityId): Promise<boolean> {
  return mayAct(tx, toUuid(id))
}

/** Holds the row of an identity, of whatever kind, so that what hangs on it is counted and ended by one at a time. */
export async function lockIdentity(tx: Transaction, id: IdentityId): Promise<void> {
  await tx.db
    .selectFrom('identities')
    .select('id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .forNoKeyUpdate()
    .execute()
}

/** Whether an identity, of whatever kind, may act. It is held: whoever stops it came before, or comes after. */
export async function holdWhetherActive(tx: Transaction, id: IdentityId): Promise<boolean> {
  const row = await tx.db
    .selectFrom('identities')
    .select(['status', 'expires_at'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .forNoKeyUpdate()
    .executeTakeFirst()
  return row?.status === 'active' && (row.expires_at === null || row.expires_at > tx.clock.now())
}

/** Looks through all tenants: this is how a login by agent id learns which tenant it is for. */
export async function findIdentityTenant(tx: Transaction, id: IdentityId): Promise<TenantId | undefined> {
  const { rows } = await sql<{ id: string | null }>`select find_identity_tenant(${toUuid(id)}) as id`.execute(tx.db)
  const found = rows[0]?.id
  return found ? fromUuid('tenant', found) : undefined
}

export async function findIdentity(tx: Transaction, id: IdentityId): Promise<AnyIdentity | undefined> {
  const row = await identities(tx).where('id', '=', toUuid(id)).executeTakeFirst()
  return row && toIdentity(row)
}

const uniqueViolation = '23505'

/** Changes what users and services have in common; false when the new name is taken, or looks like one that is. */
export async function updateDescription(
  tx: Transaction,
  id: IdentityId,
  change: { name?: string | undefined; tags?: readonly string[] | undefined; successor?: UserId | null | undefined },
): Promise<boolean> {
  const { name, tags, successor } = change
  try {
    await tx.db
      .updateTable('identities')
      .set({
        ...(name !== undefined && { name, name_skeleton: storedSkeleton(name) }),
        ...(tags !== undefined && { tags: [...tags] }),
        ...(successor !== undefined && { successor_id: successor === null ? null : toUuid(successor) }),
        updated_at: tx.clock.now(),
      })
      .where('tenant_id', '=', toUuid(tx.caller.tenantId))
      .where('id', '=', toUuid(id))
      .execute()
    return true
  } catch (error) {
    if (sqlState(error) === uniqueViolation) return false
    throw error
  }
}

export interface IdentityFilter {
  readonly kinds: ReadonlyArray<'user' | 'service' | 'agent'>
  readonly status?: IdentityStatus | undefined
  readonly type?: string | undefined
  readonly owner?: IdentityId | undefined
  readonly parent?: IdentityId | undefined
  readonly tag?: string | undefined
  /** Text that the name, or the e-mail address, holds. */
  readonly text?: string | undefined
  /** Text that the name holds. */
  readonly name?: string | undefined
  readonly expiringBefore?: Date | undefined
  readonly sort: IdentitySort
  /** What the last row of the page before was sorted by, and its UUID. */
  readonly after?: readonly [string, string] | undefined
}

export async function listAgents(
  tx: Transaction,
  filter: Omit<IdentityFilter, 'kinds'>,
  limit: number,
): Promise<Agent[]> {
  return (await listed(tx, { ...filter, kinds: ['agent'] }, limit).execute()).map(toAgent)
}

export async function listIdentities(tx: Transaction, filter: IdentityFilter, limit: number): Promise<AnyIdentity[]> {
  return (await listed(tx, filter, limit).execute()).map(toIdentity)
}

/** In the order of `sort`. Deleted identities are shown only when asked for by status. */
function listed(tx: Transaction, filter: IdentityFilter, limit: number) {
  const { status, type, owner, parent, tag, expiringBefore, after } = filter
  const { by, cast, isDescending } = orderOf(filter.sort)
  const [place, uuid] = after ?? []
  const isBeyond = isDescending
    ? sql<boolean>`(${by}, id) < (${place}::${cast}, ${uuid}::uuid)`
    : sql<boolean>`(${by}, id) > (${place}::${cast}, ${uuid}::uuid)`
  return withText(identities(tx), filter)
    .where('kind', 'in', [...filter.kinds])
    .$if(status === undefined, (query) => query.where('status', '<>', 'deleted'))
    .$if(status !== undefined, (query) => query.where('status', '=', status ?? 'active'))
    .$if(type !== undefined, (query) => query.where('type', '=', type ?? ''))
    .$if(owner !== undefined, (query) => query.where('owner_id', '=', toUuid(owner ?? 'usr_')))
    .$if(parent !== undefined, (query) => query.where('parent_id', '=', toUuid(parent ?? 'usr_')))
    .$if(tag !== undefined, (query) => query.where(sql<boolean>`tags @> array[${tag}]::text[]`))
    .$if(expiringBefore !== undefined, (query) => query.where('expires_at', '<', expiringBefore ?? null))
    .$if(after !== undefined, (query) => query.where(isBeyond))
    .orderBy(by, isDescending ? 'desc' : 'asc')
    .orderBy('id', isDescending ? 'desc' : 'asc')
    .limit(limit)
}

function withText(query: ReturnType<typeof identities>, { text, name }: IdentityFilter) {
  return query
    .$if(name !== undefined, (some) => some.where(sql<boolean>`position(lower(${name}) in lower(name)) > 0`))
    .$if(text !== undefined, (some) =>
      some.where(
        sql<boolean>`(position(lower(${text}) in lower(name)) > 0 or position(lower(${text}) in lower(email)) > 0)`,
      ),
    )
}

/** What a list is sorted by; what never was, or never will be, comes last in either direction. */
function orderOf(sort: IdentitySort) {
  const { by, isDescending } = readSort(sort)
  const never = sql.raw(isDescending ? `'-infinity'` : `'infinity'`)
  const columns = {
    name: sql<string>`name`,
    createdAt: sql<string>`created_at`,
    expiresAt: sql<string>`coalesce(expires_at, ${never})`,
    lastActivity: sql<string>`coalesce(last_activity, ${never})`,
  }
  return { by: columns[by], cast: sql.raw(by === 'name' ? 'text' : 'timestamptz'), isDescending }
}

function identities(tx: Transaction) {
  return tx.db.selectFrom('identities').selectAll().where('tenant_id', '=', toUuid(tx.caller.tenantId))
}

function toIdentity(row: IdentityRow): AnyIdentity {
  const isAgent = row.kind === 'agent'
  return {
    id: fromUuid(row.kind, row.id),
    name: row.name,
    type: row.type,
    status: row.status,
    email: row.email ?? undefined,
    owner: row.owner_kind && row.owner_id ? fromUuid(row.owner_kind, row.owner_id) : undefined,
    parent: row.parent_kind && row.parent_id ? fromUuid(row.parent_kind, row.parent_id) : undefined,
    task: { id: row.task_id ?? undefined, scope: row.task_scope ?? undefined },
    successor: row.successor_id === null ? undefined : fromUuid('user', row.successor_id),
    tags: row.tags,
    labels: row.labels,
    metadata: OpenObject.parse(row.metadata),
    trust: isAgent ? { score: Number(row.trust_score), basis: row.trust_basis } : undefined,
    revision: row.revision,
    expiresAt: row.expires_at ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lastActivity: row.last_activity ?? undefined,
  }
}
