import type { GrantId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import type { Transaction } from '../../platform/context.ts'
import { periodEnd, quotaLimits, type Held, type Period } from '../capabilities/model.ts'
import { countUses, deleteOldUses, holdUses, type Use } from '../capabilities/service.ts'

/** Why nothing was reserved. */
export interface QuotaSpent {
  /** Whose grants are spent: the place in the chain, 0 for who acts. */
  readonly hop: number
  readonly grantId: GrantId
  readonly entry: string
  /** When one of them has room again. */
  readonly until: Date
}

/** A day after their day, so that no clock that lags finds its hour forgotten. */
const keptSeconds = 2 * 86_400
/** Each new hour of a grant makes one or two rows, so this keeps up. */
const forgottenAtOnce = 100

/**
 * Takes one from the quota of every hop that rests on a grant with one, of all or of none (DESIGN D6). Of several grants of
 * a hop any with room will do. What was taken counts once the transaction, which records the decision, is committed;
 * until then who wants the same waits, on whichever instance.
 *
 * @param used for each hop, who acts first, the grants that its permission rests on; none where it rests on something else
 */
export async function reserve(tx: Transaction, used: ReadonlyArray<readonly Held[]>): Promise<QuotaSpent | undefined> {
  const now = tx.clock.now()
  const hops = used.map(quotasOf)
  const uses = await holdUses(tx, distinct(hops.flat().flatMap(({ limits }) => limits)), now)
  const taken = new Map<GrantId, Quota>()
  for (const [hop, quotas] of hops.entries()) {
    const [first] = quotas
    if (!first) continue
    const chosen = quotas.find(({ grantId }) => taken.has(grantId)) ?? quotas.find((quota) => !isSpent(quota, uses))
    if (!chosen) return { hop, grantId: first.grantId, entry: first.entry, until: roomAgain(quotas, uses, now) }
    taken.set(chosen.grantId, chosen)
  }
  await countUses(
    tx,
    [...taken.values()].flatMap(({ limits }) => limits),
    // Others may have kept this waiting into the next hour: what was held is counted, no other.
    now,
  )
  // A row that is new tells that a period began: time to forget those that ended.
  if (uses.some((use) => use.used === 0)) await deleteOldUses(tx, addSeconds(now, -keptSeconds), forgottenAtOnce)
  return undefined
}

/** A grant with its quotas, one or two. */
interface Quota {
  readonly grantId: GrantId
  readonly entry: string
  readonly limits: ReadonlyArray<{ readonly grantId: GrantId; readonly period: Period; readonly limit: number }>
}

/** The quotas of which one must have room; none, where a grant without quota permits it too. */
function quotasOf(held: readonly Held[]): Quota[] {
  const quotas = held.map(({ grantId, entry, conditions }) => {
    if (!grantId || !conditions?.quota) return undefined
    return { grantId, entry, limits: quotaLimits(conditions).map((limit) => ({ ...limit, grantId })) }
  })
  return quotas.every((quota) => quota !== undefined) ? quotas : []
}

function distinct<Row extends { readonly grantId: GrantId; readonly period: Period }>(rows: readonly Row[]): Row[] {
  return [...new Map(rows.map((row) => [`${row.grantId} ${row.period}`, row])).values()]
}

function isSpent(quota: Quota, uses: readonly Use[]): boolean {
  return spentOf(quota, uses).length > 0
}

/** The periods in which nothing is left. */
function spentOf({ limits }: Quota, uses: readonly Use[]): Period[] {
  const spent = limits.filter(({ grantId, period, limit }) =>
    uses.some((use) => use.grantId === grantId && use.period === period && use.used >= limit),
  )
  return spent.map(({ period }) => period)
}

/** The first of the grants to have room, once the last of its spent periods has ended. */
function roomAgain(quotas: readonly Quota[], uses: readonly Use[], now: Date): Date {
  const ends = quotas.map((quota) =>
    Math.max(...spentOf(quota, uses).map((period) => periodEnd(period, now).getTime())),
  )
  return new Date(Math.min(...ends))
}
