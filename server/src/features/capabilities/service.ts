/**
 * Capabilities and roles: what an identity holds. A grant is `type[/idPrefix*]:action`; a role is a named set of them.
 * It guarantees that nobody grants what they do not hold (DESIGN D5).
 */
import type { AgentId, IdentityId } from '@agent-iam/contract/ids'
import type { Caller, Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { alwaysHeld, listHoldings } from './holdings.ts'
import { endWithSource } from './delegable.ts'
import { closureOf, firstExcess, isLabel, type Role } from './model.ts'
import { deleteGrants, deleteOtherRoles, insertGrants, insertRole, listGrants, readHeld } from './store.ts'
import { listReached, listRoleKeys } from './store/reach.ts'
import { readRoleDefinitions } from './store/role-definitions.ts'

export { listGrants, listReached, readHeld, readRoleDefinitions }
export {
  endWithSource,
  requireHeldBy,
  requireMayDelegate,
  requireOwnAuthority,
  requireOwnSession,
} from './delegable.ts'
export { confirmGrants } from './confirmed.ts'
export { onlySupported } from './holdings.ts'
export { firstNotHeld, listEffective, requireHolds, requireMayLend, requireWithin, withinDelegator } from './within.ts'
export { authorityStands } from './store.ts'
export { findSessionEnd, sourceLives } from './store/sources.ts'
export { StoredPermissions } from './store/role-definitions.ts'
export { endExpiredGrants } from './expired.ts'
export { countUses, deleteOldUses, holdUses, listUses, type Use } from './store/uses.ts'
export { deleteAllGrants as revokeAllGrants } from './store/expiring.ts'

/** Every entry that an identity itself holds at this moment whatever the circumstances, by grant or by role. */
export async function listHeld(tx: Transaction, identityId: IdentityId): Promise<string[]> {
  const [own] = await listHoldings(tx, [identityId])
  return alwaysHeld(own)
}

/**
 * Every entry that an identity holds now or later, under whatever circumstances: what somebody would get at who could act as
 * the identity.
 */
export async function listReach(tx: Transaction, identityId: IdentityId): Promise<string[]> {
  return [...(await listReached(tx, identityId)), ...(await listReachByRole(tx, identityId))]
}

/** What of it comes by role. */
export async function listReachByRole(tx: Transaction, identityId: IdentityId): Promise<string[]> {
  const roles = closureOf(await listRoleKeys(tx, identityId), await readRoleDefinitions(tx))
  return roles.flatMap(({ permissions }) => permissions.map(({ entry }) => entry))
}

/**
 * Throws `insufficient-scope` unless the caller's session reaches a permission of the platform. For what everybody may
 * do about itself, which nobody is asked for: a session that was narrowed must not change its own credentials.
 *
 * @param permission such as `agent-iam/own-password:update`
 */
export function requireScope(caller: Caller, permission: string): void {
  const isNarrowed = caller.kind === 'identity' && caller.scope !== undefined
  if (isNarrowed && firstExcess([permission], caller.scope) !== undefined)
    throw new Problem('insufficient-scope', `the session’s scope lacks ${permission}; ask for a token that has it`, {
      scope: permission,
    })
}

/**
 * Gives an identity the grants among the entries. The caller's right to do so was checked before.
 *
 * @param source the agent that grants them from rights of its own, and with which they end
 */
export async function grant(
  tx: Transaction,
  identityId: IdentityId,
  entries: readonly string[],
  source?: AgentId,
): Promise<void> {
  const granted = entries.filter((entry) => !isLabel(entry))
  await insertGrants(tx, identityId, granted, { source, expiresAt: await endWithSource(tx, undefined) })
}

export async function revokeGrants(tx: Transaction, identityId: IdentityId, entries: readonly string[]): Promise<void> {
  await deleteGrants(tx, identityId, entries)
}

export async function assignRole(tx: Transaction, identityId: IdentityId, role: Role): Promise<void> {
  await insertRole(tx, identityId, role, await endWithSource(tx, undefined))
}

/** Gives an identity one role in place of those it has. */
export async function setRole(tx: Transaction, identityId: IdentityId, role: Role): Promise<void> {
  await deleteOtherRoles(tx, identityId, role)
  await insertRole(tx, identityId, role, await endWithSource(tx, undefined))
}
