import type { AgentId } from '@agent-iam/contract/ids'
import type { PlatformAction, ProtectedResource, Transaction } from '../../platform/context.ts'
import { toUuid } from '../../platform/ids.ts'
import { notFound } from '../../platform/problem.ts'
import { requireRevision, type IfMatch } from '../../platform/revision.ts'
import { listGrants } from '../capabilities/service.ts'
import { findAgentKeys } from '../credentials/service.ts'
import type { Agent, AgentView } from './model.ts'
import { findAgent, findAgentForUpdate } from './store.ts'
import { findStopping, listAncestors } from './store/chain.ts'

/** An agent that the caller may do this to; absent, or not to be seen: `not-found`. */
export async function requireAgent(tx: Transaction, action: PlatformAction, id: AgentId): Promise<Agent> {
  const agent = requireFound(await findAgent(tx, id), id)
  await tx.authorize(action, await protectAgent(tx, agent))
  return agent
}

/** The same, held until the transaction ends, at a revision that the caller will have changed. */
export async function holdAgent(
  tx: Transaction,
  action: PlatformAction,
  id: AgentId,
  ifMatch: IfMatch,
): Promise<Agent> {
  const agent = requireFound(await findAgentForUpdate(tx, id), id)
  await tx.authorize(action, await protectAgent(tx, agent))
  requireRevision(agent, ifMatch)
  return agent
}

/** What policies may ask of an agent that something is done to. */
export async function protectAgent(
  tx: Transaction,
  { id, owner, parent }: Pick<Agent, 'id' | 'owner' | 'parent'>,
): Promise<ProtectedResource> {
  const ancestors = parent && (await listAncestors(tx, parent))
  return { type: 'agents', id, owner, identity: id, ...(ancestors && { ancestors }) }
}

export async function viewAgent(tx: Transaction, agent: Agent): Promise<AgentView> {
  const [only] = await viewAgents(tx, [agent])
  if (!only) throw new Error('one agent gives one view')
  return only
}

export async function viewAgents(tx: Transaction, agents: readonly Agent[]): Promise<AgentView[]> {
  const ids = agents.map(({ id }) => id)
  const grants = await listGrants(tx, ids)
  const keys = await findAgentKeys(tx, ids)
  const lent = agents.filter(({ parent }) => parent !== undefined).map(({ id }) => id)
  const stopping = await findStopping(tx, lent)
  return agents.map((agent) => ({
    agent,
    grants: grants.get(agent.id) ?? [],
    keyThumbprint: keys.get(agent.id)?.thumbprint,
    stoppedBy: stopping.get(toUuid(agent.id)),
  }))
}

function requireFound(agent: Agent | undefined, id: AgentId): Agent {
  if (!agent) throw notFound('agents', id)
  return agent
}
