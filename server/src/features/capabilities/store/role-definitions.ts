import { GrantConditions } from '@agent-iam/contract/conditions'
import { z } from 'zod'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { builtInDefinitions, type RoleDefinition } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    roles: {
      tenant_id: string
      id: string
      name: string
      name_skeleton: string
      description: string
      permissions: unknown
      inherits: string[]
      revision: number
      created_by: string
      created_at: Date
      updated_at: Date
    }
  }
}

/** How a role's permissions are stored. */
export const StoredPermissions = z.array(z.object({ entry: z.string(), conditions: GrantConditions.exactOptional() }))

/** All roles that a tenant knows: the built-in ones, and its own. */
export async function readRoleDefinitions(tx: Transaction): Promise<RoleDefinition[]> {
  const rows = await tx.db
    .selectFrom('roles')
    .select(['id', 'name', 'permissions', 'inherits'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .execute()
  const own = rows.map(({ id, name, permissions, inherits }) => ({
    key: fromUuid('role', id),
    name,
    permissions: StoredPermissions.parse(permissions),
    inherits,
  }))
  return [...builtInDefinitions, ...own]
}
