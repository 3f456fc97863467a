import type { EventType } from '@agent-iam/contract/event-types'
import type { AgentId, EnrolmentTokenId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type PlatformAction, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { requireRevision, type IfMatch } from '../../platform/revision.ts'
import { recordEvent } from '../audit/service.ts'
import type { EnrolmentToken } from '../credentials/model.ts'
import { findAgentKeys, revokeEnrolmentToken } from '../credentials/service.ts'
import { takeAway } from './ending.ts'
import { changeStatus, verifiesItself, type Agent, type AgentView } from './model.ts'
import { requireAccountable } from './owners.ts'
import { findAgentForUpdate, revokeEnrolled } from './store.ts'
import { countDescendants } from './store/chain.ts'
import { queueSettling } from './store/settling.ts'
import { holdAgent, requireAgent, viewAgent } from './views.ts'
import { freeText, resourceName, save } from './writing.ts'

/** How a change of a life is asked for. */
export interface Asked {
  readonly reason?: string | undefined
  readonly ifMatch?: IfMatch
}

/** A stopped agent, with how many that descend from it stop with it. */
export interface StoppedView extends AgentView {
  readonly stoppedDescendants: number
}

/** Makes a pending agent active on the caller's word. */
export async function verifyAgent(ctx: Context | Transaction, id: AgentId, asked: Asked): Promise<AgentView> {
  return inTransaction(ctx, async (tx) => {
    const agent = await holdAgent(tx, 'agents:verify', id, asked.ifMatch)
    if (agent.status !== 'pending')
      throw new Problem('wrong-state', `agent ${id} is ${agent.status}; only a pending one is verified`)
    if (!(await hasKey(tx, id)))
      throw new Problem('wrong-state', `agent ${id} has no key any more; delete it, and register another`)
    return viewAgent(tx, await activate(tx, agent, 'verification', asked.reason))
  })
}

/** Stops an agent until it is reactivated, and for as long what descends from it: every decision looks up the chain. */
export async function suspendAgent(ctx: Context | Transaction, id: AgentId, asked: Asked): Promise<StoppedView> {
  return inTransaction(ctx, async (tx) => {
    const agent = await move(tx, id, { to: 'suspended', action: 'agents:suspend', event: 'agent.suspended' }, asked)
    return viewStopped(tx, agent)
  })
}

export async function reactivateAgent(ctx: Context | Transaction, id: AgentId, asked: Asked): Promise<AgentView> {
  return inTransaction(ctx, async (tx) => {
    const { owner } = await requireAgent(tx, 'agents:reactivate', id)
    await requireAccountable(tx, { id, owner })
    const agent = await findAgentForUpdate(tx, id)
    if (agent?.owner !== owner) throw new Problem('unavailable', `${id} got another owner meanwhile; try again`)
    requireRevision(agent, asked.ifMatch)
    if (agent.status === 'pending')
      throw new Problem('wrong-state', `agent ${id} is pending: it becomes active by its first login, or when verified`)
    const active = await save(tx, changeStatus(agent, 'active', tx.clock.now()))
    record(tx, 'agent.reactivated', id, { reason: asked.reason, narrows: false })
    return viewAgent(tx, active)
  })
}

/** Revokes an agent for good: its keys and grants are gone with this transaction, and all below it may not act. */
export async function revokeAgent(ctx: Context | Transaction, id: AgentId, asked: Asked): Promise<StoppedView> {
  return inTransaction(ctx, async (tx) => {
    const agent = await move(tx, id, { to: 'revoked', action: 'agents:revoke', event: 'agent.revoked' }, asked)
    return end(tx, agent)
  })
}

/** The same, and its name is free again. Its row stays, so that the log can name it. */
export async function deleteAgent(ctx: Context | Transaction, id: AgentId, asked: Asked): Promise<StoppedView> {
  return inTransaction(ctx, async (tx) => {
    const agent = await move(tx, id, { to: 'deleted', action: 'agents:delete', event: 'agent.deleted' }, asked)
    return end(tx, agent)
  })
}

/** The first proof of a pending agent's key makes it active. */
export async function activateAgent(tx: Transaction, agent: Agent): Promise<Agent> {
  return activate(tx, agent, 'login', undefined)
}

/** Makes a pending agent active if it has all that this takes; else returns it as it is. */
export async function activateIfVerified(tx: Transaction, agent: Agent): Promise<Agent> {
  if (agent.status !== 'pending' || !verifiesItself(agent, await hasKey(tx, agent.id))) return agent
  return activate(tx, agent, 'automatic', undefined)
}

/** Ends an enrolment token and, if wanted, revokes every agent that it registered, all in one. */
export async function endEnrolment(
  ctx: Context,
  id: EnrolmentTokenId,
  agents: 'keep' | 'revoke',
): Promise<{ token: EnrolmentToken; revokedAgents: number }> {
  return inTransaction(ctx, async (tx) => {
    const token = await revokeEnrolmentToken(tx, id)
    const revoked = agents === 'revoke' ? await revokeEnrolled(tx, id) : []
    await takeAway(tx, revoked)
    await queueSettling(tx, revoked)
    for (const agentId of revoked) {
      const data = { enrolmentTokenId: id }
      recordEvent(tx, { type: 'agent.revoked', resource: resourceName(agentId), data, narrows: true })
    }
    return { token, revokedAgents: revoked.length }
  })
}

interface Move {
  readonly to: 'suspended' | 'revoked' | 'deleted'
  readonly action: PlatformAction
  readonly event: EventType
}

async function move(tx: Transaction, id: AgentId, { to, action, event }: Move, asked: Asked): Promise<Agent> {
  const agent = await holdAgent(tx, action, id, asked.ifMatch)
  const moved = await save(tx, changeStatus(agent, to, tx.clock.now()))
  record(tx, event, id, { reason: asked.reason, narrows: true })
  return moved
}

async function end(tx: Transaction, agent: Agent): Promise<StoppedView> {
  // Before anything below is tidied up, so that all that stops now is counted.
  const stopped = await viewStopped(tx, agent)
  await takeAway(tx, [agent.id])
  await queueSettling(tx, [agent.id])
  return { ...stopped, grants: [], keyThumbprint: undefined }
}

async function viewStopped(tx: Transaction, agent: Agent): Promise<StoppedView> {
  return { ...(await viewAgent(tx, agent)), stoppedDescendants: await countDescendants(tx, agent.id) }
}

async function activate(
  tx: Transaction,
  agent: Agent,
  by: 'login' | 'verification' | 'automatic',
  reason: string | undefined,
): Promise<Agent> {
  const active = await save(tx, changeStatus(agent, 'active', tx.clock.now()))
  recordEvent(tx, { type: 'agent.activated', resource: resourceName(agent.id), data: { by }, ...freeText(reason) })
  return active
}

async function hasKey(tx: Transaction, id: AgentId): Promise<boolean> {
  return (await findAgentKeys(tx, [id])).has(id)
}

function record(
  tx: Transaction,
  type: EventType,
  id: AgentId,
  { reason, narrows }: { reason: string | undefined; narrows: boolean },
): void {
  recordEvent(tx, { type, resource: resourceName(id), ...freeText(reason), narrows })
}
