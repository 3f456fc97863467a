import type { IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { recordEnd } from './ending.ts'
import { methodsWithoutLimit } from './model.ts'
import { endAllButNewest } from './store/ending.ts'

/**
 * Ends the oldest sessions of an agent that is about to begin another, so that it never has more than are allowed. The
 * identity is held already: of many who begin at once, each sees those before it, on every instance.
 */
export async function makeRoom(tx: Transaction, identityId: IdentityId, method: string): Promise<void> {
  if (!isId('agent', identityId) || methodsWithoutLimit.includes(method)) return
  const reason = 'limit'
  const ended = await endAllButNewest(tx, identityId, { kept: tx.settings.sessionsPerAgent - 1, reason })
  for (const id of ended) recordEnd(tx, id, { identityId, reason })
}
