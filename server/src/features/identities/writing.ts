import type { AgentId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import type { Agent } from './model.ts'
import { updateAgent } from './store.ts'

/** Writes an agent; its new revision comes back with it. */
export async function save(tx: Transaction, agent: Agent): Promise<Agent> {
  const saved = await updateAgent(tx, agent)
  if (saved) return saved
  throw new Problem('already-exists', `the name "${agent.name}" is taken, or looks like one that is`)
}

/** What people write may name anyone, so it is sealed with the tenant's key of the month. */
export function freeText(reason: string | undefined) {
  return reason === undefined ? {} : { personal: { subject: 'month' as const, fields: { reason } } }
}

export function resourceName(id: AgentId): string {
  return `agent-iam/agents/${id}`
}

/** Throws unless an end, where there is one, is still to come. */
export function requireFuture(expiresAt: Date | undefined, now: Date): void {
  if (expiresAt === undefined || expiresAt > now) return
  const message = 'is past; suspend, revoke or delete what shall end now'
  throw new Problem('invalid-request', `expiresAt: ${message}`, { errors: [{ field: 'expiresAt', message }] })
}
