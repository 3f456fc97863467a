import type { AgentId, IdentityId, UserId } from '@agent-iam/contract/ids'
import {
  actingOf,
  inTransaction,
  sourceAgentOf,
  type Context,
  type ProtectedResource,
  type Transaction,
} from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { firstExcess } from '../capabilities/model.ts'
import {
  grant,
  listReachByRole,
  listReached,
  requireMayDelegate,
  requireOwnAuthority,
  requireOwnSession,
  revokeGrants,
} from '../capabilities/service.ts'
import { chainDepthMax, requireChangeable, type Agent, type AgentView } from '../identities/model.ts'
import { findAgent, holdAccountable, replaceGrants, viewAgent } from '../identities/service.ts'
import { requireActive } from '../sessions/model.ts'
import { requireDepth as requireTenantDepth, requireRoomFor } from '../tenants/service.ts'
import { chainEnd, type ChainMember } from './model.ts'
import { heightOf, holdIdentities, readChain, updateParent } from './store.ts'

export interface Move {
  readonly parent: IdentityId | null
  readonly capabilities: readonly string[]
  readonly reason?: string | undefined
}

/**
 * Gives an agent another parent, or none, and with it new grants: those it had were within another's. Throws
 * `capability-exceeded` for more than the new chain holds, a chain too deep or a parent that ends before the agent, and
 * `wrong-state` for a parent that descends from the agent itself.
 */
export async function moveAgent(ctx: Context, id: AgentId, move: Move): Promise<AgentView> {
  return inTransaction(ctx, async (tx) => {
    const { agent, held, owner } = await holdAgent(tx, id, move.parent)
    requireChangeable(agent, tx.clock.now())
    const lenders = move.parent === null ? [] : await loadLenders(tx, id, move.parent)
    if (lenders.some((member) => !held.includes(member.id)))
      throw new Problem('unavailable', 'the new parent was moved meanwhile; try again')
    requireOwnSession(tx, 'the new place of an agent')
    requireWithinLenders(agent.expiresAt, move.capabilities, lenders)
    // Also what it was granted before: with another lender, or none, it may come to more than it was worth until now.
    const byRole = await listReachByRole(tx, id)
    if (byRole.length > 0) requireOwnAuthority(tx, 'the new place of an agent that has roles')
    await requireMayDelegate(tx, [...move.capabilities, ...byRole], { until: agent.expiresAt })
    await requireDepth(tx, id, lenders)
    await place(tx, agent, { parent: lenders[0], owner })
    await giveAnew(tx, id, move.capabilities)
    recordMove(tx, agent, move)
    return viewAgent(tx, requireFound(await findAgent(tx, id), id))
  })
}

/**
 * What an agent was granted within another's rights would stand by itself where nobody holds it back: an agent that moves it
 * grants all of it anew, and it ends with that agent.
 */
async function giveAnew(tx: Transaction, id: AgentId, capabilities: readonly string[]): Promise<void> {
  const mover = sourceAgentOf(tx.caller)
  if (!mover) return replaceGrants(tx, id, capabilities)
  await revokeGrants(tx, id, await listReached(tx, id))
  return grant(tx, id, capabilities, mover)
}

async function place(
  tx: Transaction,
  agent: Agent,
  { parent, owner }: { parent: ChainMember | undefined; owner: UserId },
): Promise<void> {
  if (parent && parent.id !== agent.parent) await requireRoomFor(tx, parent.id)
  await updateParent(tx, agent.id, { parent, owner })
}

async function requireDepth(tx: Transaction, id: AgentId, lenders: readonly ChainMember[]): Promise<void> {
  const depth = (await heightOf(tx, id)) + lenders.length
  if (depth > chainDepthMax)
    throw new Problem('capability-exceeded', `below that parent, what descends from ${id} would lie too deep`)
  if (lenders.length > 0) await requireTenantDepth(tx, depth)
}

function recordMove(tx: Transaction, agent: Agent, { parent, capabilities, reason }: Move): void {
  recordEvent(tx, {
    type: 'agent.moved',
    resource: `agent-iam/agents/${agent.id}`,
    data: { from: agent.parent ?? null, to: parent, capabilities: [...capabilities] },
    ...(reason !== undefined && { personal: { subject: 'month', fields: { reason } } }),
    narrows: true,
  })
}

/**
 * Holds the agent and everyone above its new place. Two moves that would form a cycle between them hold at least one
 * identity in common, so that the second sees what the first did.
 */
async function holdAgent(tx: Transaction, id: AgentId, parent: IdentityId | null) {
  requireFound(await findAgent(tx, id), id)
  const above = parent === null ? [] : await readChain(tx, parent)
  if (parent !== null && above.length === 0) throw notFound('identities', parent)
  const held: readonly IdentityId[] = [id, ...above.map((member) => member.id)]
  // NOTE: people before agents, as whoever leaves holds them.
  await holdIdentities(
    tx,
    held.filter((each) => isId('user', each)),
  )
  const owner = await holdAccountable(tx, parent ?? id)
  await holdIdentities(tx, held)
  const agent = requireFound(await findAgent(tx, id), id)
  const ancestors = (await readChain(tx, id)).slice(1).map((member) => member.id)
  await tx.authorize('agents:move', { type: 'agents', id, owner: agent.owner, identity: id, ancestors })
  await requireFromOutside(tx, id)
  await tx.authorize('agents:move', newPlaceOf(parent, above))
  return { agent, held, owner }
}

/** Nobody moves what it is itself below: it would escape whoever delegates to it. */
async function requireFromOutside(tx: Transaction, id: AgentId): Promise<void> {
  for (const acting of tx.caller.kind === 'identity' ? actingOf(tx.caller) : []) {
    const chain = await readChain(tx, acting)
    if (chain.some((member) => member.id === id))
      throw new Problem('forbidden', `${acting} descends from ${id}; who delegates to it, or its owner, moves it`)
  }
}

/** What is authorised besides the agent: who it is put below, or, at the root, agents as such. */
function newPlaceOf(parent: IdentityId | null, above: readonly ChainMember[]): ProtectedResource {
  const [nearest, ...others] = above
  if (parent === null || !nearest) return { type: 'agents' }
  const ancestors = others.map((member) => member.id)
  return { type: 'agents', id: parent, identity: parent, ancestors, ...(nearest.owner && { owner: nearest.owner }) }
}

function requireFound(agent: Agent | undefined, id: AgentId): Agent {
  if (!agent) throw notFound('agents', id)
  return agent
}

async function loadLenders(tx: Transaction, id: AgentId, parent: IdentityId): Promise<ChainMember[]> {
  if (parent === id) throw new Problem('wrong-state', `${id} cannot be its own parent`)
  const lenders = await readChain(tx, parent)
  const [nearest] = lenders
  if (!nearest) throw notFound('identities', parent)
  if (lenders.some((member) => member.id === id))
    throw new Problem('wrong-state', `${parent} descends from ${id}, so it cannot lend it authority`)
  for (const member of lenders) requireActive(member, tx.clock.now())
  return lenders
}

function requireWithinLenders(
  expiresAt: Date | undefined,
  capabilities: readonly string[],
  lenders: readonly ChainMember[],
): void {
  for (const lender of lenders) {
    const excess = firstExcess(capabilities, lender.held)
    if (excess !== undefined) throw new Problem('capability-exceeded', `${excess} lies outside what ${lender.id} holds`)
  }
  const end = chainEnd(lenders)
  if (end && (!expiresAt || expiresAt > end))
    throw new Problem(
      'capability-exceeded',
      `the agent would outlive who lends it authority, until ${end.toISOString()}`,
    )
}
