/**
 * Capabilities and roles: what an identity holds. A grant is `type[/idPrefix*]:action`; a role is a named set of them.
 * It guarantees that nobody grants what they do not hold (DESIGN D5).
 */
import type { IdentityId } from '@agent-iam/contract/ids'
import { actingOf, type Caller, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { builtInRoles, firstExcess, isLabel, type Role } from './model.ts'
import { deleteGrants, insertGrants, insertRole, listGrants, listHoldings, listRoles, type Holding } from './store.ts'

export { listGrants }
export { endExpiredGrants } from './expired.ts'
export { deleteAllGrants as revokeAllGrants } from './store/expiring.ts'

/** Every entry that an identity holds, by grant or by role. */
export async function listHeld(tx: Transaction, identityId: IdentityId): Promise<string[]> {
  const grants = (await listGrants(tx, [identityId])).get(identityId) ?? []
  const roles = await listRoles(tx, identityId)
  return [...grants, ...roles.flatMap((role) => builtInRoles[role])]
}

/** Throws `capability-exceeded`, naming the first entry that lies outside the ceiling. */
export function requireWithin(entries: readonly string[], ceiling: readonly string[], whose: string): void {
  const excess = firstExcess(entries, ceiling)
  if (excess !== undefined) throw new Problem('capability-exceeded', `${excess} lies outside ${whose}`)
}

/** Throws unless the caller, an identity, holds all that it wants to grant. */
export async function requireMayGrant(tx: Transaction, entries: readonly string[]): Promise<void> {
  if (entries.every(isLabel)) return
  const { caller } = tx
  if (caller.kind === 'identity' && caller.attenuation !== undefined)
    throw new Problem('capability-exceeded', 'a token that was attenuated grants nothing; use a whole one')
  await requireMayLend(tx, entries)
}

/**
 * Throws unless all the entries lie within what the caller holds, within what each holds who lends it authority, and
 * within what its session and theirs were narrowed to. The refusal names the first that does not.
 */
export async function requireMayLend(tx: Transaction, entries: readonly string[]): Promise<void> {
  const { caller } = tx
  const [own, ...above] = caller.kind === 'identity' ? await listHoldings(tx, actingOf(caller)) : []
  requireWithin(entries, heldBy(own), 'what the caller holds and so may grant')
  if (caller.kind === 'identity' && caller.scope) requireWithin(entries, caller.scope, 'the scope of the session')
  for (const holding of above) requireWithin(entries, heldBy(holding), 'what they hold who lend the caller authority')
  for (const { lentScope } of own ? [own, ...above] : [])
    if (lentScope) requireWithin(entries, lentScope, 'what the caller, or who lends it authority, was made within')
}

function heldBy(holding: Holding | undefined): string[] {
  return holding ? [...holding.grants, ...holding.roles.flatMap((role) => builtInRoles[role])] : []
}

/**
 * Throws `insufficient-scope` unless the caller's session reaches a permission of the platform. For what everybody may
 * do about itself, which nobody is asked for: a session that was narrowed must not change its own credentials.
 *
 * @param permission such as `agent-iam/own-password:update`
 */
export function requireScope(caller: Caller, permission: string): void {
  if (caller.kind === 'identity' && (caller.actors.length > 0 || caller.attenuation !== undefined))
    throw new Problem('insufficient-scope', 'only a token of the identity’s own, unattenuated, is good for this', {
      scope: permission,
    })
  const isNarrowed = caller.kind === 'identity' && caller.scope !== undefined
  if (isNarrowed && firstExcess([permission], caller.scope) !== undefined)
    throw new Problem('insufficient-scope', `the session’s scope lacks ${permission}; ask for a token that has it`, {
      scope: permission,
    })
}

/** Gives an identity the grants among the entries. The caller's right to do so was checked before. */
export async function grant(tx: Transaction, identityId: IdentityId, entries: readonly string[]): Promise<void> {
  await insertGrants(
    tx,
    identityId,
    entries.filter((entry) => !isLabel(entry)),
  )
}

export async function revokeGrants(tx: Transaction, identityId: IdentityId, entries: readonly string[]): Promise<void> {
  await deleteGrants(tx, identityId, entries)
}

export async function assignRole(tx: Transaction, identityId: IdentityId, role: Role): Promise<void> {
  await insertRole(tx, identityId, role)
}
