/**
 * Identities: the users, services and agents of a tenant. Every agent has a person who answers for it (DESIGN D6). A
 * change of status is one operation, and one that takes something away raises the log's epoch, so that it is in force
 * on every instance with the next decision. What descends from an identity is never touched with it: every decision
 * looks up the chain.
 */
import type { AgentId, IdentityId, TenantId } from '@agent-iam/contract/ids'
import { inTransaction, sourceAgentOf, type Context, type Transaction } from '../../platform/context.ts'
import { toUuid } from '../../platform/ids.ts'
import { decodeCursor, ofAnotherList, toPage } from '../../platform/paging.ts'
import type { IfMatch } from '../../platform/revision.ts'
import { recordEvent } from '../audit/service.ts'
import { grant, listGrants, listReached, requireMayDelegate, revokeGrants } from '../capabilities/service.ts'
import { requireWithinLenders } from './lenders.ts'
import { activateIfVerified } from './life.ts'
import {
  applyChange,
  isSooner,
  placeIn,
  requireChangeable,
  type Agent,
  type AgentChange,
  type AgentView,
} from './model.ts'
import { findIdentityTenant, listAgents, type IdentityFilter } from './store/identities.ts'
import { holdAgent, requireAgent, viewAgent, viewAgents } from './views.ts'
import { freeText, requireFuture, resourceName, save } from './writing.ts'

export { importUsers } from './import-users.ts'
export { registerAgent } from './register.ts'
export { unlockUser } from './unlock-user.ts'
export { revokeDescendants, revokeExpiredAgents } from './ending.ts'
export {
  activateAgent,
  deleteAgent,
  endEnrolment,
  reactivateAgent,
  revokeAgent,
  suspendAgent,
  verifyAgent,
  type Asked,
  type StoppedView,
} from './life.ts'
export { changeAgentOwner, holdAccountable, requireAccountable } from './owners.ts'
export { findHeir, handOn, requireSuccessor } from './succession.ts'
export { protectAgent, viewAgent } from './views.ts'
export { requireWithinLenders }
export { findAgent, findAgentForUpdate, insertAgent } from './store.ts'
export { save as saveAgent } from './writing.ts'
export { countDescendants, findRoot, findStopping, listAncestors } from './store/chain.ts'
export {
  findIdentity,
  holdWhetherActive,
  listIdentities,
  lockIdentity,
  mayIdentityAct,
  touchIdentity,
  updateDescription,
  type IdentityFilter,
} from './store/identities.ts'
export { queueSettling } from './store/settling.ts'
export { findUser, findUserByEmail, insertUser, listUsers, updateUser } from './store/users.ts'

export async function getAgent(ctx: Context | Transaction, id: AgentId): Promise<AgentView> {
  return inTransaction(ctx, async (tx) => viewAgent(tx, await requireAgent(tx, 'agents:read', id)))
}

export interface AgentsQuery extends Omit<IdentityFilter, 'kinds' | 'after'> {
  readonly limit: number
  readonly cursor?: string | undefined
}

export async function pageAgents(
  ctx: Context,
  query: AgentsQuery,
): Promise<{ rows: AgentView[]; nextCursor: string | null }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('agents:read', { type: 'agents' })
    const found = await listAgents(tx, { ...query, after: readPlace(query) }, query.limit + 1)
    const page = toPage(found, query.limit, (agent) => cursorOf(query, agent))
    return { rows: await viewAgents(tx, page.rows), nextCursor: page.nextCursor }
  })
}

type Sorted = Pick<AgentsQuery, 'sort' | 'cursor'>

/** Where a page ended: a cursor names its order, so that it is of no use in another. */
export function cursorOf(
  { sort }: Sorted,
  row: { readonly id: IdentityId } & Parameters<typeof placeIn>[1],
): readonly string[] {
  return [sort, placeIn(sort, row), toUuid(row.id)]
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const instant = /^(-?infinity|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)$/

export function readPlace({ sort, cursor }: Sorted): [place: string, uuid: string] | undefined {
  if (cursor === undefined) return undefined
  const [order, place = '', id = ''] = decodeCursor(cursor, 3)
  if (order !== sort || !uuid.test(id)) throw ofAnotherList()
  if (!sort.endsWith('name') && !isInstant(place)) throw ofAnotherList()
  return [place, id]
}

/** Whether the database knows the instant: it has no 31st of February, which Date takes for a day in March, and no year 0. */
function isInstant(place: string): boolean {
  if (!instant.test(place) || place.startsWith('0000')) return false
  if (place.endsWith('infinity')) return true
  const at = new Date(place)
  return !Number.isNaN(at.getTime()) && at.toISOString() === place
}

/** Changes what is given. Capabilities are replaced whole; only what is added must be the caller's to grant. */
export async function updateAgent(
  ctx: Context | Transaction,
  id: AgentId,
  change: AgentChange,
  ifMatch?: IfMatch,
): Promise<AgentView> {
  return inTransaction(ctx, async (tx) => {
    const agent = await holdAgent(tx, 'agents:update', id, ifMatch)
    requireChangeable(agent, tx.clock.now())
    requireFuture(change.expiresAt ?? undefined, tx.clock.now())
    await requireWithinLenders(tx, agent, change)
    if (change.capabilities) await replaceGrants(tx, id, change.capabilities)
    const updated = await save(tx, applyChange(agent, change, tx.clock.now()))
    recordUpdate(tx, agent, updated, change)
    return viewAgent(tx, await activateIfVerified(tx, updated))
  })
}

function recordUpdate(tx: Transaction, before: Agent, after: Agent, change: AgentChange): void {
  const { name, type, capabilities, metadata, tags, expiresAt } = change
  recordEvent(tx, {
    type: 'agent.updated',
    resource: resourceName(after.id),
    data: {
      ...(name && { name }),
      ...(type && { type }),
      ...(capabilities && { capabilities: [...capabilities] }),
      ...(tags && { tags: [...tags] }),
      ...(expiresAt !== undefined && { expiresAt: expiresAt?.toISOString() ?? null }),
    },
    ...(metadata && { personal: { subject: 'month', fields: { metadata } } }),
    // Policies may ask for any of the three, so any change of them may take a right away.
    narrows: Boolean(name ?? type ?? capabilities) || isSooner(before.expiresAt, after.expiresAt),
  })
}

export async function setAgentTrust(
  ctx: Context,
  id: AgentId,
  { trustScore, reason, ifMatch }: { trustScore: number; reason?: string | undefined; ifMatch?: IfMatch },
): Promise<AgentView> {
  return inTransaction(ctx, async (tx) => {
    const agent = await holdAgent(tx, 'agents:set-trust', id, ifMatch)
    requireChangeable(agent, tx.clock.now())
    const updated = await save(tx, { ...agent, trustScore, trustBasis: 'administrator', updatedAt: tx.clock.now() })
    recordEvent(tx, {
      type: 'agent.trust-set',
      resource: resourceName(id),
      data: { from: agent.trustScore, to: trustScore },
      ...freeText(reason),
      narrows: trustScore !== agent.trustScore,
    })
    return viewAgent(tx, await activateIfVerified(tx, updated))
  })
}

/** The tenant of an identity, whoever asks: a login by id begins with it. */
export async function tenantOfIdentity(ctx: Context, id: IdentityId): Promise<TenantId | undefined> {
  return inTransaction(ctx, (tx) => findIdentityTenant(tx, id))
}

export async function replaceGrants(tx: Transaction, id: AgentId, wanted: readonly string[]): Promise<void> {
  const held = (await listGrants(tx, [id])).get(id) ?? []
  const gained = wanted.filter((entry) => !held.includes(entry))
  // Also what has not begun: it would come back.
  const lost = (await listReached(tx, id)).filter((entry) => !wanted.includes(entry))
  await requireMayDelegate(tx, gained)
  await grant(tx, id, gained, sourceAgentOf(tx.caller))
  await revokeGrants(tx, id, lost)
}
