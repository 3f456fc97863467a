/**
 * Identities: the users, services and agents of a tenant. Every agent has an owner who answers for it (DESIGN D6). A
 * change of status is one operation, and one that takes something away raises the log's epoch, so that it is in force
 * on every instance with the next decision.
 */
import type { AgentId, EnrolmentTokenId, IdentityId, TenantId } from '@agent-iam/contract/ids'
import type { EventType } from '@agent-iam/contract/event-types'
import {
  inTransaction,
  type Context,
  type PlatformAction,
  type ProtectedResource,
  type Transaction,
} from '../../platform/context.ts'
import { readNameCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { toUuid } from '../../platform/ids.ts'
import { recordEvent } from '../audit/service.ts'
import { grant, listGrants, requireMayGrant, revokeGrants } from '../capabilities/service.ts'
import type { EnrolmentToken } from '../credentials/model.ts'
import { findAgentKeys, revokeAgentKeys, revokeEnrolmentToken } from '../credentials/service.ts'
import { applyChange, changeStatus, requireChangeable, type Agent, type AgentChange, type AgentView } from './model.ts'
import {
  findAgent,
  findAgentForUpdate,
  findIdentityTenant,
  listAgents,
  revokeEnrolled,
  updateAgent as updateAgentRow,
  type AgentFilter,
} from './store.ts'

export { importUsers } from './import-users.ts'
export { registerAgent } from './register.ts'
export { unlockUser } from './unlock-user.ts'
export { revokeDescendants, revokeExpiredAgents } from './ending.ts'
export {
  findAgent,
  findAgentForUpdate,
  findUser,
  findUserByEmail,
  holdWhetherActive,
  insertAgent,
  insertUser,
  listUsers,
  lockIdentity,
  touchIdentity,
  updateUser,
} from './store.ts'

export async function getAgent(ctx: Context, id: AgentId): Promise<AgentView> {
  return inTransaction(ctx, async (tx) => {
    const agent = requireFound(await findAgent(tx, id), id)
    await tx.authorize('agents:read', protectedAgent(agent))
    return viewAgent(tx, agent)
  })
}

export interface AgentsQuery extends Omit<AgentFilter, 'after'> {
  readonly limit: number
  readonly cursor?: string | undefined
}

export async function pageAgents(
  ctx: Context,
  query: AgentsQuery,
): Promise<{ rows: AgentView[]; nextCursor: string | null }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('agents:read', { type: 'agents' })
    const found = await listAgents(tx, { ...query, after: readNameCursor(query.cursor) }, query.limit + 1)
    const page = toPage(found, query.limit, ({ name, id }) => [name, toUuid(id)])
    return { rows: await views(tx, page.rows), nextCursor: page.nextCursor }
  })
}

/** Changes what is given. Capabilities are replaced whole; only what is added must be the caller's to grant. */
export async function updateAgent(ctx: Context, id: AgentId, change: AgentChange): Promise<AgentView> {
  return inTransaction(ctx, async (tx) => {
    const agent = await requireForChange(tx, 'agents:update', id)
    requireChangeable(agent)
    if (change.capabilities) await replaceGrants(tx, id, change.capabilities)
    const updated = applyChange(agent, change, tx.clock.now())
    await save(tx, updated)
    const { name, type, capabilities, metadata } = change
    recordEvent(tx, {
      type: 'agent.updated',
      resource: resourceName(id),
      data: { ...(name && { name }), ...(type && { type }), ...(capabilities && { capabilities: [...capabilities] }) },
      ...(metadata && { personal: { subject: 'month', fields: { metadata } } }),
      // Policies may ask for any of the three, so any change of them may take a right away.
      narrows: Boolean(name ?? type ?? capabilities),
    })
    return viewAgent(tx, updated)
  })
}

export async function suspendAgent(ctx: Context, id: AgentId, reason: string | undefined): Promise<AgentView> {
  return move(ctx, id, { to: 'suspended', action: 'agents:suspend', event: 'agent.suspended', reason, narrows: true })
}

export async function reactivateAgent(ctx: Context, id: AgentId, reason: string | undefined): Promise<AgentView> {
  return move(ctx, id, {
    to: 'active',
    action: 'agents:reactivate',
    event: 'agent.reactivated',
    reason,
    narrows: false,
  })
}

/** Ends an agent for good. Its row stays, so that the log can name it; its key is never accepted again. */
export async function deleteAgent(ctx: Context, id: AgentId): Promise<AgentView> {
  return inTransaction(ctx, async (tx) => {
    const agent = await requireForChange(tx, 'agents:delete', id)
    const deleted = changeStatus(agent, 'deleted', tx.clock.now())
    await save(tx, deleted)
    await revokeAgentKeys(tx, [id])
    await replaceGrants(tx, id, [])
    recordEvent(tx, { type: 'agent.deleted', resource: resourceName(id), narrows: true })
    return viewAgent(tx, deleted)
  })
}

export async function setAgentTrust(
  ctx: Context,
  id: AgentId,
  trustScore: number,
  reason: string | undefined,
): Promise<AgentView> {
  return inTransaction(ctx, async (tx) => {
    const agent = await requireForChange(tx, 'agents:set-trust', id)
    requireChangeable(agent)
    const updated: Agent = { ...agent, trustScore, trustBasis: 'administrator', updatedAt: tx.clock.now() }
    await save(tx, updated)
    const data = { from: agent.trustScore, to: trustScore }
    recordEvent(tx, {
      type: 'agent.trust-set',
      resource: resourceName(id),
      data,
      ...freeText(reason),
      narrows: trustScore !== agent.trustScore,
    })
    return viewAgent(tx, updated)
  })
}

/** The first proof of a pending agent's key makes it active. */
export async function activateAgent(tx: Transaction, agent: Agent): Promise<Agent> {
  const active = changeStatus(agent, 'active', tx.clock.now())
  await save(tx, active)
  recordEvent(tx, { type: 'agent.activated', resource: resourceName(agent.id) })
  return active
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
    await revokeAgentKeys(tx, revoked)
    for (const agentId of revoked) {
      const data = { enrolmentTokenId: id }
      recordEvent(tx, { type: 'agent.revoked', resource: resourceName(agentId), data, narrows: true })
    }
    return { token, revokedAgents: revoked.length }
  })
}

/** The tenant of an identity, whoever asks: a login by id begins with it. */
export async function tenantOfIdentity(ctx: Context, id: IdentityId): Promise<TenantId | undefined> {
  return inTransaction(ctx, (tx) => findIdentityTenant(tx, id))
}

interface Move {
  readonly to: 'active' | 'suspended'
  readonly action: PlatformAction
  readonly event: EventType
  readonly reason: string | undefined
  readonly narrows: boolean
}

async function move(ctx: Context, id: AgentId, { to, action, event, reason, narrows }: Move): Promise<AgentView> {
  return inTransaction(ctx, async (tx) => {
    const agent = await requireForChange(tx, action, id)
    if (to === 'active' && agent.status === 'pending')
      throw new Problem('wrong-state', `agent ${id} is pending: it becomes active when it logs in with its key`)
    const moved = changeStatus(agent, to, tx.clock.now())
    await save(tx, moved)
    recordEvent(tx, { type: event, resource: resourceName(id), ...freeText(reason), narrows })
    return viewAgent(tx, moved)
  })
}

async function requireForChange(tx: Transaction, action: PlatformAction, id: AgentId): Promise<Agent> {
  const agent = requireFound(await findAgentForUpdate(tx, id), id)
  await tx.authorize(action, protectedAgent(agent))
  return agent
}

function protectedAgent(agent: Agent): ProtectedResource {
  return { type: 'agents', id: agent.id, owner: agent.owner, identity: agent.id }
}

function requireFound(agent: Agent | undefined, id: AgentId): Agent {
  if (!agent) throw notFound('agents', id)
  return agent
}

export async function replaceGrants(tx: Transaction, id: AgentId, wanted: readonly string[]): Promise<void> {
  const held = (await listGrants(tx, [id])).get(id) ?? []
  const gained = wanted.filter((entry) => !held.includes(entry))
  const lost = held.filter((entry) => !wanted.includes(entry))
  await requireMayGrant(tx, gained)
  await grant(tx, id, gained)
  await revokeGrants(tx, id, lost)
}

async function save(tx: Transaction, agent: Agent): Promise<void> {
  if (await updateAgentRow(tx, agent)) return
  throw new Problem('already-exists', `the name "${agent.name}" is taken, or looks like one that is`)
}

export async function viewAgent(tx: Transaction, agent: Agent): Promise<AgentView> {
  const [only] = await views(tx, [agent])
  if (!only) throw new Error('one agent gives one view')
  return only
}

async function views(tx: Transaction, agents: readonly Agent[]): Promise<AgentView[]> {
  const ids = agents.map(({ id }) => id)
  const grants = await listGrants(tx, ids)
  const keys = await findAgentKeys(tx, ids)
  return agents.map((agent) => ({
    agent,
    grants: grants.get(agent.id) ?? [],
    keyThumbprint: keys.get(agent.id)?.thumbprint,
  }))
}

/** What people write may name anyone, so it is sealed with the tenant's key of the month. */
function freeText(reason: string | undefined) {
  return reason === undefined ? {} : { personal: { subject: 'month' as const, fields: { reason } } }
}

function resourceName(id: AgentId): string {
  return `agent-iam/agents/${id}`
}
