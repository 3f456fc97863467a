import type { RoleKey } from '@agent-iam/contract/roles'
import type { PlatformAction, Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { notFound } from '../../platform/problem.ts'
import { builtInRoles, type Role } from './model.ts'
import { findRole } from './store/roles.ts'

/** A role that the caller may do this to; absent, or not to be seen: `not-found`. */
export async function requireRole(tx: Transaction, action: PlatformAction, key: RoleKey): Promise<Role> {
  const role = await findAnyRole(tx, key)
  if (!role) throw notFound('roles', key)
  await tx.authorize(action, { type: 'roles', id: key })
  return role
}

async function findAnyRole(tx: Transaction, key: RoleKey): Promise<Role | undefined> {
  return isId('role', key) ? findRole(tx, key) : builtInRoles.find((role) => role.key === key)
}
