import type { AgentId, IdentityId, UserId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { requireRevision, type IfMatch } from '../../platform/revision.ts'
import { recordEvent } from '../audit/service.ts'
import { requireChangeable, type AgentView } from './model.ts'
import { findAgentForUpdate } from './store.ts'
import { findAccountable } from './store/chain.ts'
import { holdStatus } from './store/owners.ts'
import { requireAgent, viewAgent } from './views.ts'
import { freeText, resourceName, save } from './writing.ts'

/**
 * The person who will answer for what an identity makes: itself, or its owner's owner. They are held, so that whoever
 * leaves came before and is refused, or comes after and hands on what is made.
 */
export async function holdAccountable(tx: Transaction, id: IdentityId): Promise<UserId> {
  const person = isId('user', id) ? id : await findAccountable(tx, id)
  const status = person && (await holdStatus(tx, person))
  if (person && status !== undefined && status !== 'revoked' && status !== 'deleted') return person
  throw new Problem('wrong-state', `nobody answers for ${id} any more; an active person must own it first`)
}

/** Throws unless somebody answers for an agent or a service; it must not be held yet, for people are held before. */
export async function requireAccountable(
  tx: Transaction,
  { id, owner }: { readonly id: IdentityId; readonly owner: IdentityId },
): Promise<void> {
  const person = await findAccountable(tx, owner)
  const status = person && (await holdStatus(tx, person))
  if (status === undefined || status === 'revoked' || status === 'deleted')
    throw new Problem('wrong-state', `the owner of ${id} has left, so nobody answers for it`)
}

/** Gives an agent another owner, who must be an active person. The one before may no longer see or stop it. */
export async function changeAgentOwner(
  ctx: Context,
  id: AgentId,
  { owner, reason, ifMatch }: { owner: UserId; reason?: string | undefined; ifMatch?: IfMatch },
): Promise<AgentView> {
  return inTransaction(ctx, async (tx) => {
    await requireAgent(tx, 'agents:change-owner', id)
    // NOTE: people are held before agents, as by whoever leaves and hands them on.
    if ((await holdStatus(tx, owner)) !== 'active')
      throw new Problem('wrong-state', `${owner} is no active person of this tenant; only such a one owns agents`)
    const agent = await findAgentForUpdate(tx, id)
    if (!agent) throw new Error(`agent ${id} has vanished`)
    requireRevision(agent, ifMatch)
    requireChangeable(agent, tx.clock.now())
    const owned = await save(tx, { ...agent, owner, updatedAt: tx.clock.now() })
    recordEvent(tx, {
      type: 'agent.owner-changed',
      resource: resourceName(id),
      data: { from: agent.owner, to: owner },
      ...freeText(reason),
      narrows: true,
    })
    return viewAgent(tx, owned)
  })
}
