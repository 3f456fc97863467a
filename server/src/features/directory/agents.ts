import type { AgentId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import * as identities from '../identities/service.ts'
import type { Asked, StoppedView } from '../identities/service.ts'
import { endSessionsOf } from '../sessions/service.ts'

/** Revokes an agent for good, with its sessions. */
export async function revokeAgent(ctx: Context | Transaction, id: AgentId, asked: Asked): Promise<StoppedView> {
  return inTransaction(ctx, async (tx) => {
    const stopped = await identities.revokeAgent(tx, id, asked)
    await endSessionsOf(tx, id, { reason: 'agent revoked' })
    return stopped
  })
}

/** Ends an agent for good, with its sessions. */
export async function deleteAgent(ctx: Context | Transaction, id: AgentId, asked: Asked): Promise<StoppedView> {
  return inTransaction(ctx, async (tx) => {
    const stopped = await identities.deleteAgent(tx, id, asked)
    await endSessionsOf(tx, id, { reason: 'agent deleted' })
    return stopped
  })
}
