import type { AgentId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { revokeAllGrants } from '../capabilities/service.ts'
import { revokeAgentKeys } from '../credentials/service.ts'
import { revokeExpired, type ExpiredAgent } from './store/expiring.ts'
import { resourceName } from './writing.ts'
import { queueSettling, revokeBelow, type SettledAgent } from './store/settling.ts'

/**
 * Revokes agents that have expired, for good. The clock denied them on every instance from their very instant on, so
 * nothing is narrowed by this: what was decided before it was decided rightly.
 */
export async function revokeExpiredAgents(tx: Transaction, limit: number): Promise<ExpiredAgent[]> {
  const expired = await revokeExpired(tx, limit)
  const ids = expired.map(({ id }) => id)
  await takeAway(tx, ids)
  await queueSettling(tx, ids)
  for (const { id, expiresAt } of expired)
    recordEvent(tx, { type: 'agent.expired', resource: resourceName(id), data: { expiresAt: expiresAt.toISOString() } })
  return expired
}

/**
 * Revokes what lives below identities that were revoked, deleted or have expired, a step further down with each call. It
 * may not act since theirs was committed, for every decision looks up the chain; so nothing is narrowed by this either.
 */
export async function revokeDescendants(tx: Transaction, limit: number): Promise<SettledAgent[]> {
  const stopped = await revokeBelow(tx, limit)
  await takeAway(
    tx,
    stopped.map(({ id }) => id),
  )
  for (const { id, because } of stopped)
    recordEvent(tx, { type: 'agent.revoked', resource: resourceName(id), data: { because } })
  return stopped
}

/** Whoever has ended holds nothing, and proves itself by nothing. */
export async function takeAway(tx: Transaction, ids: readonly AgentId[]): Promise<void> {
  await revokeAgentKeys(tx, ids)
  await revokeAllGrants(tx, ids)
}
