import type { RoleKey } from '@agent-iam/contract/roles'
import type { IdentityKind } from '@agent-iam/contract/identities'
import type { IdentityId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { isRoleKey, type Assignment } from '../model.ts'

/** Gives an identity a role, or changes the time of it. */
export async function upsertAssignment(tx: Transaction, assignment: Assignment): Promise<void> {
  const changing = {
    granted_by: assignment.grantedBy,
    granted_at: assignment.grantedAt,
    valid_from: assignment.validFrom ?? null,
    valid_until: assignment.validUntil ?? null,
  }
  await tx.db
    .insertInto('role_assignments')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      identity_id: toUuid(assignment.identityId),
      role: assignment.role,
      ...changing,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['tenant_id', 'identity_id', 'role'])
        .doUpdateSet({ ...changing, source_session: sql`excluded.source_session` }),
    )
    .execute()
}

export async function deleteAssignment(tx: Transaction, role: RoleKey, id: IdentityId): Promise<void> {
  await tx.db
    .deleteFrom('role_assignments')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(id))
    .where('role', '=', role)
    .execute()
}

/** Takes a role from everybody; returns how many had it or would have had. */
export async function deleteAssignments(tx: Transaction, role: RoleKey): Promise<number> {
  const { total } = await listHolders(tx, role, 0)
  await tx.db
    .deleteFrom('role_assignments')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('role', '=', role)
    .execute()
  return total
}

/** How many have a role, or will have it, and some of them. */
export async function listHolders(
  tx: Transaction,
  role: RoleKey,
  limit: number,
): Promise<{ total: number; some: IdentityId[] }> {
  const { rows } = await sql<{ total: number }>`
    select count(*)::int as total ${lasting(tx)} and r.role = ${role}`.execute(tx.db)
  const some = limit === 0 ? [] : await listAssignments(tx, role, undefined, limit)
  return { total: rows[0]?.total ?? 0, some: some.map(({ identityId }) => identityId) }
}

/** In the order of the identities' ids. */
export async function listAssignments(
  tx: Transaction,
  role: RoleKey,
  after: string | undefined,
  limit: number,
): Promise<Assignment[]> {
  const { rows } = await sql<Row>`
    ${columns} ${lasting(tx)} and r.role = ${role} and (${after ?? null}::uuid is null or r.identity_id > ${after ?? null}::uuid)
    order by r.identity_id limit ${limit}`.execute(tx.db)
  return rows.flatMap(toAssignment)
}

/** The roles of an identity, the first given first. */
export async function listAssignmentsOf(tx: Transaction, id: IdentityId): Promise<Assignment[]> {
  const { rows } = await sql<Row>`
    ${columns} ${lasting(tx)} and r.identity_id = ${toUuid(id)} order by r.granted_at, r.role`.execute(tx.db)
  return rows.flatMap(toAssignment)
}

interface Row {
  kind: IdentityKind
  identity_id: string
  role: string
  valid_from: Date | null
  valid_until: Date | null
  granted_by: string
  granted_at: Date
  source_session: string | null
}

const columns = sql`select i.kind, r.identity_id, r.role, r.valid_from, r.valid_until, r.granted_by, r.granted_at,
  r.source_session`

/** Assignments that count or will count, of who has not ended. */
function lasting(tx: Transaction) {
  const tenant = toUuid(tx.caller.tenantId)
  return sql`
    from role_assignments r join identities i on i.tenant_id = r.tenant_id and i.id = r.identity_id
    where r.tenant_id = ${tenant} and i.status not in ('revoked', 'deleted')
      and (r.valid_until is null or r.valid_until > ${tx.clock.now()})
      and (r.source_session is null or source_lives(r.source_session, ${tx.clock.now()}))`
}

function toAssignment(row: Row): Assignment[] {
  if (!isRoleKey(row.role)) return []
  return [
    {
      role: row.role,
      identityId: fromUuid(row.kind, row.identity_id),
      validFrom: row.valid_from ?? undefined,
      validUntil: row.valid_until ?? undefined,
      grantedBy: row.granted_by,
      grantedAt: row.granted_at,
      standsAlone: row.source_session === null,
    },
  ]
}
