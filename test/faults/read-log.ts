import { leavesMax } from '@agent-iam/contract/audit'
import { type AuditVerdict, type Client, type KeptHead, type LeavesPage, verifyAuditLog } from '@agent-iam/sdk'
import { z } from 'zod'

const Leaf = z.object({
  type: z.string(),
  at: z.string(),
  chain: z.array(z.string()),
  resource: z.string().nullable(),
  decision: z.enum(['allow', 'deny']).nullable(),
  decisionId: z.string().nullable(),
  reasons: z.array(z.string()),
})

/** One event, read from the bytes that were hashed. */
export interface LoggedEvent extends z.infer<typeof Leaf> {
  readonly sequence: number
  readonly leafHash: string
}

export interface ReadLog {
  readonly verdict: AuditVerdict
  readonly events: readonly LoggedEvent[]
}

/** Verifies the whole log as an auditor would, against the head kept from last time, and keeps what it read. */
export async function readLog({ audit }: Client, kept?: KeptHead): Promise<ReadLog> {
  const events: LoggedEvent[] = []
  const verdict = await verifyAuditLog(
    async (from) => {
      const page = await audit.leaves({ query: { from, limit: leavesMax } })
      events.push(...page.leaves.map(toEvent))
      return page
    },
    { kept },
  )
  return { verdict, events }
}

function toEvent({ sequence, leaf, leafHash }: LeavesPage['leaves'][number]): LoggedEvent {
  return { ...Leaf.parse(JSON.parse(Buffer.from(leaf, 'base64').toString())), sequence, leafHash }
}
