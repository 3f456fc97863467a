import type { IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { listGrants, listHeld, requireWithin } from '../capabilities/service.ts'
import type { AgentChange, AnyIdentity } from './model.ts'
import { findChainEnd, listAncestors } from './store/chain.ts'

/**
 * Throws `capability-exceeded` for a change that gives an agent more than those have who lend it authority. It would gain
 * nothing, for every decision asks them too; but it would look so.
 */
export async function requireWithinLenders(
  tx: Transaction,
  { id, parent }: Pick<AnyIdentity, 'id' | 'parent'>,
  { capabilities, expiresAt }: AgentChange,
): Promise<void> {
  if (!parent) return
  if (expiresAt !== undefined) await requireEndWithin(tx, parent, expiresAt)
  const held = (await listGrants(tx, [id])).get(id) ?? []
  const gained = capabilities?.filter((entry) => !held.includes(entry)) ?? []
  if (gained.length === 0) return
  for (const lender of await listAncestors(tx, parent))
    requireWithin(gained, await listHeld(tx, lender), `what ${lender} holds`)
}

async function requireEndWithin(tx: Transaction, parent: IdentityId, expiresAt: Date | null): Promise<void> {
  const end = await findChainEnd(tx, parent)
  if (!end || (expiresAt !== null && expiresAt <= end)) return
  throw new Problem('capability-exceeded', `expiresAt: who lends it authority has it until ${end.toISOString()} only`)
}
