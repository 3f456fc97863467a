import type { DecisionId, IdentityId } from '@agent-iam/contract/ids'
import { IdentityIdSchema } from '@agent-iam/contract/ids'
import type { OpenObject } from '@agent-iam/contract/json'
import { z } from 'zod'
import type { Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { unescapeText } from './event-text.ts'
import { fromLeaf } from './model.ts'
import { openPersonal } from './personal-fields.ts'
import { getHead, listEvents, type StoredEvent } from './store.ts'

/** A decision as the log keeps it. */
export interface LoggedDecision {
  readonly sequence: number
  readonly id: DecisionId
  readonly at: Date
  /** Whose rights were intersected, from the root to who acted. */
  readonly chain: readonly IdentityId[]
  readonly action: string
  /** `type` or `type/id`. */
  readonly resource: string
  readonly decision: 'allow' | 'deny'
  /** Ids of policies. */
  readonly reasons: readonly string[]
  /** What the caller sent with its question; undefined when it can no longer be opened. */
  readonly context: OpenObject | undefined
}

/** The newest decisions before a sequence. */
export async function listDecisions(
  tx: Transaction,
  { before, limit }: { before: number | undefined; limit: number },
): Promise<LoggedDecision[]> {
  const stored = await listEvents(tx, { type: 'decision.made', before }, limit)
  const decisions: LoggedDecision[] = []
  for (const event of stored) decisions.push(await toDecision(tx, event))
  return decisions
}

/** How many events the tenant’s log has. */
export async function readLogSize(tx: Transaction): Promise<number> {
  return (await getHead(tx)).size
}

const Context = z.object({ context: z.record(z.string(), z.json()) })

async function toDecision(tx: Transaction, { leaf: bytes, sequence }: StoredEvent): Promise<LoggedDecision> {
  const { id, decisionId, at, chain, action, resource, decision, reasons, sealed } = fromLeaf(bytes)
  if (decisionId === null || !isId('decision', decisionId) || action === null || resource === null || decision === null)
    throw new Error(`leaf ${sequence} is a decision without its question`)
  const personal = sealed ? await openPersonal(tx, id, sealed) : { context: {} }
  return {
    sequence,
    id: decisionId,
    at: new Date(at),
    chain: chain.map((each) => IdentityIdSchema.parse(each)),
    action: unescapeText(action),
    resource: unescapeText(resource),
    decision,
    reasons,
    context: personal === null ? undefined : Context.parse({ context: {}, ...personal }).context,
  }
}
