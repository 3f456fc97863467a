import type { Role } from '@agent-iam/contract/accounts'
import type { IdentityStatus } from '@agent-iam/contract/agents'
import type { UserId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import type { UserView } from '../model.ts'

export async function findUser(tx: Transaction, id: UserId): Promise<UserView | undefined> {
  const row = await users(tx).where('id', '=', toUuid(id)).executeTakeFirst()
  return row && toUser(row)
}

export interface UserFilter {
  readonly status: IdentityStatus | undefined
  /** `any`: who holds some role. */
  readonly role: Role | 'any' | undefined
  readonly after: UserId | undefined
}

/** In the order of their ids. Deleted ones are shown only when asked for by status. */
export async function listUsers(
  tx: Transaction,
  { status, role, after }: UserFilter,
  limit: number,
): Promise<UserView[]> {
  const rows = await users(tx)
    .$if(role !== undefined, (query) => query.where(holding(tx, role ?? 'any')))
    .$if(status === undefined, (query) => query.where('status', '<>', 'deleted'))
    .$if(status !== undefined, (query) => query.where('status', '=', status ?? 'active'))
    .$if(after !== undefined, (query) => query.where('id', '>', toUuid(after ?? 'usr_')))
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(toUser)
}

/**
 * Holds a user and every active administrator, in the order of their ids: so two administrators who suspend each other
 * at once do it one after the other. Returns the active administrators whose role has no end.
 */
export async function lockWithAdministrators(tx: Transaction, id: UserId): Promise<UserId[]> {
  const tenant = toUuid(tx.caller.tenantId)
  await sql`
    select from identities i
    where i.tenant_id = ${tenant} and i.kind = 'user' and (i.id = ${toUuid(id)} or i.id in (
      select identity_id from role_assignments where tenant_id = ${tenant} and role = 'admin'))
    order by i.id for no key update`.execute(tx.db)
  // A statement of its own: while the first waited, a role may have been taken, which changes no row that it held.
  const rows = await users(tx).where('status', '=', 'active').where(holdingAlways(tx, 'admin')).orderBy('id').execute()
  return rows.map(({ id: holder }) => fromUuid('user', holder))
}

function holding(tx: Transaction, role: Role | 'any') {
  const wanted = role === 'any' ? null : role
  return sql<boolean>`exists (select from role_assignments r where ${isOwnNow(tx)}
    and (${wanted}::text is null or r.role = ${wanted}))`
}

function holdingAlways(tx: Transaction, role: Role) {
  return sql<boolean>`exists (select from role_assignments r where ${isOwnNow(tx)}
    and r.role = ${role} and r.valid_until is null and r.source_session is null)`
}

/** An assignment of the identity that counts at this moment. */
function isOwnNow(tx: Transaction) {
  const now = tx.clock.now()
  return sql`r.tenant_id = identities.tenant_id and r.identity_id = identities.id
    and (r.valid_from is null or r.valid_from <= ${now}) and (r.valid_until is null or r.valid_until > ${now})
    and (r.source_session is null or source_lives(r.source_session, ${now}))`
}

export async function updateUserStatus(tx: Transaction, id: UserId, status: IdentityStatus): Promise<void> {
  await tx.db
    .updateTable('identities')
    .set({ status, updated_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .where('kind', '=', 'user')
    .execute()
}

function users(tx: Transaction) {
  return tx.db
    .selectFrom('identities')
    .select(['id', 'name', 'email', 'status', 'created_at', 'last_activity'])
    .select(sql<string[]>`array(select role from role_assignments r where ${isOwnNow(tx)} order by role)`.as('roles'))
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('kind', '=', 'user')
}

interface Row {
  id: string
  name: string
  email: string | null
  status: IdentityStatus
  created_at: Date
  last_activity: Date | null
  roles: string[]
}

function toUser(row: Row): UserView {
  return {
    id: fromUuid('user', row.id),
    name: row.name,
    email: row.email ?? undefined,
    status: row.status,
    roles: row.roles,
    createdAt: row.created_at,
    lastActivity: row.last_activity ?? undefined,
  }
}
