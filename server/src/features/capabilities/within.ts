import type { IdentityId } from '@agent-iam/contract/ids'
import { actingOf, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { alwaysHeld, listHoldings } from './holdings.ts'
import { firstExcess, intersection, isLabel } from './model.ts'
import type { Holding } from './store.ts'

/** Throws `capability-exceeded`, naming the first entry that lies outside the ceiling. */
export function requireWithin(entries: readonly string[], ceiling: readonly string[], whose: string): void {
  const excess = firstExcess(entries, ceiling)
  if (excess !== undefined) throw new Problem('capability-exceeded', `${excess} lies outside ${whose}`)
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

async function requireAlong(tx: Transaction, entries: readonly string[], heldBy: HeldBy): Promise<void> {
  const { caller } = tx
  const [own, ...above] = caller.kind === 'identity' ? await listHoldings(tx, actingOf(caller)) : []
  requireWithin(entries, heldBy(own), 'what the caller holds and so may grant')
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

function allHeld(holding: Holding | undefined): string[] {
  return (holding?.held ?? []).map(({ entry }) => entry)
}

/** What a session reaches at most. */
export interface Reach {
  /** Capability entries; undefined: all that the identity holds. */
  readonly scope: readonly string[] | undefined
  /** Whether time alone changes nothing of it, so that it may be kept until the tenant changes. */
  readonly isLasting: boolean
}

/**
 * What is left of a session's scope where its credential acts with the authority of somebody else, who created it: no more
 * than they hold now, as far as all hold it who delegate to them (DESIGN D6).
 */
export async function withinDelegator(
  tx: Transaction,
  delegator: IdentityId | undefined,
  scope: readonly string[] | undefined,
): Promise<Reach> {
  if (delegator === undefined) return { scope, isLasting: true }
  const holdings = await listHoldings(tx, [delegator])
  const isLasting = holdings.every((holding) => holding.isLasting)
  if (holdings.length === 0 || holdings.some(({ isAttenuated }) => isAttenuated)) return { scope: [], isLasting }
  const bounds = [...holdings.map(alwaysHeld), ...holdings.flatMap(({ lentScope }) => (lentScope ? [lentScope] : []))]
  const [first = [], ...others] = scope ? [...bounds, scope] : bounds
  return { scope: others.reduce<string[]>(intersection, intersection(first, first)), isLasting }
}
