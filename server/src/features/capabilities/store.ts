import type { IdentityId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import { toUuid } from '../../platform/ids.ts'
import { actorOf, type Transaction } from '../../platform/context.ts'
import { isRole, type Role } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    capability_grants: {
      tenant_id: string
      identity_id: string
      entry: string
      granted_by: string
      granted_at: Date
      expires_at: Date | null
    }
    role_assignments: { tenant_id: string; identity_id: string; role: string; granted_by: string; granted_at: Date }
  }
}

/** The grants of some identities that hold at this instant, by identity UUID. */
export async function listGrants(
  tx: Transaction,
  identityIds: readonly IdentityId[],
): Promise<Map<IdentityId, string[]>> {
  const grants = new Map<IdentityId, string[]>(identityIds.map((id) => [id, []]))
  if (identityIds.length === 0) return grants
  const rows = await tx.db
    .selectFrom('capability_grants')
    .select(['identity_id', 'entry'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', 'in', identityIds.map(toUuid))
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', tx.clock.now())]))
    .orderBy('entry')
    .execute()
  const byUuid = new Map(identityIds.map((id) => [toUuid(id), id]))
  for (const row of rows) {
    const id = byUuid.get(row.identity_id)
    if (id) grants.get(id)?.push(row.entry)
  }
  return grants
}

/** What one of those whose rights are intersected holds. */
export interface Holding {
  readonly grants: readonly string[]
  readonly roles: readonly Role[]
  /** What it was made within; undefined: it was not narrowed. */
  readonly lentScope: readonly string[] | undefined
  /** Whether it was made within a Biscuit’s blocks, which nothing but a decision can weigh. */
  readonly isAttenuated: boolean
}

/** What each of some identities holds, and each who lends them authority: nobody's rights are more than theirs. */
export async function listHoldings(tx: Transaction, acting: readonly IdentityId[]): Promise<Holding[]> {
  const { rows } = await sql<HoldingRow>`
    select grants, roles, lent_scope, lent_blocks is not null as attenuated
    from read_decision_facts(${acting.map(toUuid)}::uuid[], null, ${tx.clock.now()}::timestamptz)
    where place is not null`.execute(tx.db)
  return rows.map((row) => ({
    grants: row.grants,
    roles: row.roles.filter(isRole),
    lentScope: row.lent_scope ?? undefined,
    isAttenuated: row.attenuated,
  }))
}

interface HoldingRow {
  grants: string[]
  roles: string[]
  lent_scope: string[] | null
  attenuated: boolean
}

export async function insertGrants(tx: Transaction, identityId: IdentityId, entries: readonly string[]): Promise<void> {
  if (entries.length === 0) return
  const row = {
    tenant_id: toUuid(tx.caller.tenantId),
    identity_id: toUuid(identityId),
    granted_by: actorOf(tx.caller),
    granted_at: tx.clock.now(),
    expires_at: null,
  }
  await tx.db
    .insertInto('capability_grants')
    .values(entries.map((entry) => ({ ...row, entry })))
    .onConflict((conflict) => conflict.columns(['tenant_id', 'identity_id', 'entry']).doNothing())
    .execute()
}

export async function deleteGrants(tx: Transaction, identityId: IdentityId, entries: readonly string[]): Promise<void> {
  if (entries.length === 0) return
  await tx.db
    .deleteFrom('capability_grants')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where('entry', 'in', [...entries])
    .execute()
}

export async function insertRole(tx: Transaction, identityId: IdentityId, role: Role): Promise<void> {
  await tx.db
    .insertInto('role_assignments')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      identity_id: toUuid(identityId),
      role,
      granted_by: actorOf(tx.caller),
      granted_at: tx.clock.now(),
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'identity_id', 'role']).doNothing())
    .execute()
}

export async function deleteOtherRoles(tx: Transaction, identityId: IdentityId, kept: Role): Promise<void> {
  await tx.db
    .deleteFrom('role_assignments')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where('role', '<>', kept)
    .execute()
}

export async function listRoles(tx: Transaction, identityId: IdentityId): Promise<Role[]> {
  const rows = await tx.db
    .selectFrom('role_assignments')
    .select('role')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .execute()
  return rows.map(({ role }) => role).filter(isRole)
}
