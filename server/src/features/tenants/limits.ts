import type { IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { foldAbove, nearLimit, type Counted, type Usage } from './model.ts'
import { countChildren, findTenantForUpdate, holdParent } from './store.ts'
import { foldCount, readLimits, readRoom } from './store/limits.ts'

interface Wanted {
  /** Whose children are meant. */
  readonly parent?: IdentityId
  /** How many are about to be made; one unless said otherwise. */
  readonly count?: number
}

/**
 * Throws `quota-spent` unless the tenant may have one more of these. Call it before it is made, and after whatever
 * else is held: near a limit it holds the tenant, so that of two who race for the last place one gets it. A child is an
 * agent of the tenant as well, and is counted as such; its parent is held.
 */
export async function requireRoom(tx: Transaction, of: Counted | 'children', wanted: Wanted = {}): Promise<void> {
  const { parent, count = 1 } = wanted
  const counted = of === 'children' ? 'agents' : of
  const { limits, used, rows } = await readRoom(tx, counted)
  if (parent) await requireRoomBelow(tx, parent, { count, limit: limits.children })
  if (rows > foldAbove) await foldCount(tx, counted)
  if (used + count + nearLimit <= limits[counted]) return
  await findTenantForUpdate(tx)
  // The limit as well: who holds the tenant may have changed it meanwhile.
  const present = await readRoom(tx, counted)
  if (present.used + count > present.limits[counted]) throw spent(counted, present.limits[counted])
}

/** For an agent that is there already and gets another parent. */
export async function requireRoomFor(tx: Transaction, parent: IdentityId): Promise<void> {
  await requireRoomBelow(tx, parent, { count: 1, limit: (await readLimits(tx)).children })
}

/** How many live identities the tenant has. */
export async function readUsage(tx: Transaction): Promise<Usage> {
  const { used: agents } = await readRoom(tx, 'agents')
  const { used: users } = await readRoom(tx, 'users')
  const { used: services } = await readRoom(tx, 'services')
  return { agents, users, services }
}

/** Throws `quota-spent` when a chain would be longer than the tenant allows. */
export async function requireDepth(tx: Transaction, depth: number): Promise<void> {
  const { delegationDepth } = await readLimits(tx)
  if (depth > delegationDepth)
    throw new Problem('quota-spent', `a chain of delegation may have ${delegationDepth} agents below its root here`)
}

/** Throws `quota-spent` when one bulk operation holds more than the tenant allows. */
export async function requireBulk(tx: Transaction, items: number): Promise<void> {
  const { bulkItems } = await readLimits(tx)
  if (items > bulkItems)
    throw new Problem('quota-spent', `a bulk operation may have ${bulkItems} items in this tenant; send several`)
}

async function requireRoomBelow(
  tx: Transaction,
  parent: IdentityId,
  { count, limit }: { count: number; limit: number },
): Promise<void> {
  await holdParent(tx, parent)
  if ((await countChildren(tx, parent, limit + 1)) + count > limit)
    throw new Problem('quota-spent', `an identity of this tenant may have ${limit} children; end some first`)
}

function spent(counted: Counted, limit: number): Problem {
  const detail = `the tenant may have ${limit} ${counted}: end some, or ask the platform’s operator for more`
  return new Problem('quota-spent', detail)
}
