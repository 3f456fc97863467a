/**
 * Capabilities and roles: what an identity holds. A grant is `type[/idPrefix*]:action`; a role is a named set of them.
 * It guarantees that nobody grants what they do not hold (DESIGN D5).
 */
import type { IdentityId } from '@agent-iam/contract/ids'
import { actingOf, type Caller, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { closureOf, firstExcess, intersection, isLabel, type Role } from './model.ts'
import {
  deleteGrants,
  deleteOtherRoles,
  insertGrants,
  insertRole,
  listGrants,
  listHoldings,
  readHeld,
  type Holding,
} from './store.ts'
import { listReached, listRoleKeys } from './store/reach.ts'
import { readRoleDefinitions } from './store/role-definitions.ts'

export { listGrants, listReached, readHeld, readRoleDefinitions }
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

/** Throws `capability-exceeded`, naming the first entry that lies outside the ceiling. */
export function requireWithin(entries: readonly string[], ceiling: readonly string[], whose: string): void {
  const excess = firstExcess(entries, ceiling)
  if (excess !== undefined) throw new Problem('capability-exceeded', `${excess} lies outside ${whose}`)
}

/**
 * Throws unless the caller, an identity, holds all that it wants to grant, and holds it for as long.
 *
 * @param until when what is granted ends; undefined: never
 */
export async function requireMayGrant(tx: Transaction, entries: readonly string[], until?: Date): Promise<void> {
  if (entries.every(isLabel)) return
  // It would go on when who made it for another is stopped, and no chain would name them.
  if (tx.caller.kind === 'identity' && tx.caller.actors.length > 0)
    throw new Problem('forbidden', 'who acts for another grants nothing; log in as yourself')
  await requireHolds(tx, entries)
  // The end itself is the first instant at which it is held no more.
  await requireAlong(tx, entries, alwaysHeld, until ? new Date(until.getTime() - 1) : 'infinity')
}

/** Throws unless the caller holds all of this now: nobody decides about who, or what, holds more than they do. */
export async function requireHolds(tx: Transaction, entries: readonly string[]): Promise<void> {
  if (entries.every(isLabel)) return
  if (await isBoundByBlocks(tx))
    throw new Problem('capability-exceeded', 'a token that was attenuated, or who was made with one, grants nothing')
  await requireAlong(tx, entries, alwaysHeld)
}

/** Whether a Biscuit’s blocks bind the caller or who lends it authority: what it granted would be bound by none. */
async function isBoundByBlocks(tx: Transaction): Promise<boolean> {
  const { caller } = tx
  if (caller.kind !== 'identity') return false
  if (caller.attenuation !== undefined) return true
  return (await listHoldings(tx, actingOf(caller))).some(({ isAttenuated }) => isAttenuated)
}

/**
 * Throws unless all the entries lie within what the caller holds, within what each holds who lends it authority, and
 * within what its session and theirs were narrowed to. The refusal names the first that does not. What is held under
 * conditions may be lent: they are asked again of who lends, at every decision.
 */
export async function requireMayLend(tx: Transaction, entries: readonly string[]): Promise<void> {
  await requireAlong(tx, entries, allHeld)
}

type HeldBy = (holding: Holding | undefined) => string[]

async function requireAlong(
  tx: Transaction,
  entries: readonly string[],
  heldBy: HeldBy,
  at?: Date | 'infinity',
): Promise<void> {
  const { caller } = tx
  const [own, ...above] = caller.kind === 'identity' ? await listHoldings(tx, actingOf(caller), at) : []
  const whose = at
    ? 'what the caller holds for as long as it would be granted'
    : 'what the caller holds and so may grant'
  requireWithin(entries, heldBy(own), whose)
  if (caller.kind === 'identity' && caller.scope) requireWithin(entries, caller.scope, 'the scope of the session')
  for (const holding of above) requireWithin(entries, heldBy(holding), 'what they hold who lend the caller authority')
  for (const { lentScope } of own ? [own, ...above] : [])
    if (lentScope) requireWithin(entries, lentScope, 'what the caller, or who lends it authority, was made within')
}

/**
 * The first of some entries that an identity, or one who lends it authority, does not hold: for what is told to others,
 * who ask for no decision. Undefined when all are held all along the chain.
 */
export async function firstNotHeld(
  tx: Transaction,
  identityId: IdentityId,
  entries: readonly string[],
): Promise<string | undefined> {
  const holdings = await listHoldings(tx, [identityId])
  const excesses = holdings.map((holding) => {
    const within = [alwaysHeld(holding), ...(holding.lentScope ? [holding.lentScope] : [])]
    return holding.isAttenuated ? entries[0] : within.map((held) => firstExcess(entries, held)).find(isNamed)
  })
  return holdings.length === 0 ? entries[0] : excesses.find(isNamed)
}

function isNamed(entry: string | undefined): entry is string {
  return entry !== undefined
}

/**
 * The grant entries that the caller's session reaches now: what the caller holds, as far as all hold it who lend it
 * authority, within what its session and theirs were narrowed to. Undefined where a Biscuit's blocks bind one of them:
 * those only a decision can weigh.
 */
export async function listEffective(tx: Transaction): Promise<string[] | undefined> {
  const { caller } = tx
  if (caller.kind !== 'identity') return []
  const holdings = await listHoldings(tx, actingOf(caller))
  if (caller.attenuation !== undefined || holdings.some(({ isAttenuated }) => isAttenuated)) return undefined
  const bounds = [...holdings.map(alwaysHeld), ...holdings.flatMap(({ lentScope }) => (lentScope ? [lentScope] : []))]
  const [own = [], ...others] = caller.scope ? [...bounds, caller.scope] : bounds
  return others.reduce<string[]>(intersection, intersection(own, own))
}

/** What is granted may be used in all circumstances, so what is held in some only does not suffice for it. */
function alwaysHeld(holding: Holding | undefined): string[] {
  return (holding?.held ?? []).filter(({ conditions }) => !conditions).map(({ entry }) => entry)
}

function allHeld(holding: Holding | undefined): string[] {
  return (holding?.held ?? []).map(({ entry }) => entry)
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

/** Gives an identity one role in place of those it has. */
export async function setRole(tx: Transaction, identityId: IdentityId, role: Role): Promise<void> {
  await deleteOtherRoles(tx, identityId, role)
  await insertRole(tx, identityId, role)
}
