import type { RoleId } from '@agent-iam/contract/ids'
import { sql, type Selectable } from 'kysely'
import { storedSkeleton } from '../../../lib/confusable.ts'
import type { Transaction } from '../../../platform/context.ts'
import { sqlState, type Tables } from '../../../platform/database.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { StoredPermissions } from '../../capabilities/service.ts'
import type { OwnRole } from '../model.ts'

/**
 * Holds the version of what decisions rest on until the transaction ends: changes of roles follow one another, so that no
 * two together make a cycle that neither does.
 */
export async function holdDefinitions(tx: Transaction): Promise<void> {
  await sql`
    insert into policy_versions (tenant_id, version) values (${toUuid(tx.caller.tenantId)}, 0)
      on conflict (tenant_id) do update set version = policy_versions.version`.execute(tx.db)
}

/** Returns false when another role's name looks the same. */
export async function insertRole(tx: Transaction, role: OwnRole): Promise<boolean> {
  const { made } = role
  const inserted = await tx.db
    .insertInto('roles')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(role.key),
      ...changing(role),
      revision: role.revision,
      created_by: made.by,
      created_at: made.at,
      updated_at: made.changedAt,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'name_skeleton']).doNothing())
    .returning('id')
    .executeTakeFirst()
  return inserted !== undefined
}

const uniqueViolation = '23505'

/** Returns false when another role's name looks the same. */
export async function updateRole(tx: Transaction, role: OwnRole): Promise<boolean> {
  try {
    await tx.db
      .updateTable('roles')
      .set({ ...changing(role), revision: role.revision, updated_at: role.made.changedAt })
      .where('tenant_id', '=', toUuid(tx.caller.tenantId))
      .where('id', '=', toUuid(role.key))
      .execute()
    return true
  } catch (error) {
    if (sqlState(error) === uniqueViolation) return false
    throw error
  }
}

/** Deletes a role and takes it out of those that inherit it; returns these. */
export async function deleteRole(tx: Transaction, id: RoleId): Promise<RoleId[]> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ id: string }>`
    update roles set inherits = array_remove(inherits, ${id}), revision = revision + 1, updated_at = ${tx.clock.now()}
      where tenant_id = ${tenant} and ${id} = any(inherits) returning id`.execute(tx.db)
  await tx.db.deleteFrom('roles').where('tenant_id', '=', tenant).where('id', '=', toUuid(id)).execute()
  return rows.map((row) => fromUuid('role', row.id))
}

export async function findRole(tx: Transaction, id: RoleId): Promise<OwnRole | undefined> {
  const row = await roles(tx).selectAll().where('id', '=', toUuid(id)).executeTakeFirst()
  return row && toRole(row)
}

/** The same, held until the transaction ends: nobody gets it meanwhile. */
export async function findRoleForUpdate(tx: Transaction, id: RoleId): Promise<OwnRole | undefined> {
  const row = await roles(tx).selectAll().where('id', '=', toUuid(id)).forUpdate().executeTakeFirst()
  return row && toRole(row)
}

/** Whether a role is there; it stays until the transaction ends. */
export async function holdRole(tx: Transaction, id: RoleId): Promise<boolean> {
  const row = await roles(tx).select('id').where('id', '=', toUuid(id)).forShare().executeTakeFirst()
  return row !== undefined
}

/** By name, after the role that the page before ended with. */
export async function listRoles(
  tx: Transaction,
  after: readonly [name: string, uuid: string] | undefined,
  limit: number,
): Promise<OwnRole[]> {
  const [name, uuid] = after ?? []
  const rows = await roles(tx)
    .selectAll()
    .$if(after !== undefined, (query) => query.where(sql<boolean>`(name, id) > (${name}, ${uuid}::uuid)`))
    .orderBy('name')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(toRole)
}

function roles(tx: Transaction) {
  return tx.db.selectFrom('roles').where('tenant_id', '=', toUuid(tx.caller.tenantId))
}

function changing({ name, description, permissions, inherits }: OwnRole) {
  return {
    name,
    name_skeleton: storedSkeleton(name),
    description,
    permissions: JSON.stringify(permissions),
    inherits: [...inherits],
  }
}

function toRole(row: Selectable<Tables['roles']>): OwnRole {
  return {
    key: fromUuid('role', row.id),
    name: row.name,
    description: row.description,
    permissions: StoredPermissions.parse(row.permissions),
    inherits: row.inherits,
    revision: row.revision,
    made: { by: row.created_by, at: row.created_at, changedAt: row.updated_at },
  }
}
