import type { AgentId } from '@agent-iam/contract/ids'
import type { SessionStatus } from '@agent-iam/contract/sessions'
import { inTransaction, type Context } from '../../platform/context.ts'
import {
  countActiveByKind,
  countActiveByMethod,
  countByStatus,
  countStartedWithin,
  listBusiestAgents,
} from './store/listing.ts'

const daySeconds = 86_400
/** As many as fit a page of a console. */
const busiestMax = 10

export interface SessionStatistics {
  readonly byStatus: Record<SessionStatus, number>
  readonly byKind: Record<'user' | 'service' | 'agent', number>
  readonly byMethod: Record<string, number>
  readonly busiestAgents: Array<{ agentId: AgentId; active: number }>
  readonly startedInLastDay: number
}

/** How many sessions there are of which sort, for who may read them all. */
export async function countAllSessions(ctx: Context): Promise<SessionStatistics> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('sessions:read', { type: 'sessions' })
    return {
      byStatus: await countByStatus(tx),
      byKind: await countActiveByKind(tx),
      byMethod: await countActiveByMethod(tx),
      busiestAgents: await listBusiestAgents(tx, busiestMax),
      startedInLastDay: await countStartedWithin(tx, daySeconds),
    }
  })
}
