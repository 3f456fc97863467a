import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEnd } from './ending.ts'
import { methodsWithoutLimit } from './model.ts'
import { countLimited, endLineages, listFirstToEnd } from './store/ending.ts'

/**
 * Ends the oldest sessions of an agent that is about to begin another, so that it never has more than are allowed. The
 * identity is held already: of many who begin at once, each sees those before it, on every instance.
 *
 * Throws `quota-spent` when that would end the session that the new one is begun with.
 */
export async function makeRoom(
  tx: Transaction,
  identityId: IdentityId,
  { method, parentId }: { readonly method: string; readonly parentId?: SessionId | undefined },
): Promise<void> {
  if (!isId('agent', identityId) || methodsWithoutLimit.includes(method)) return
  const { sessionsPerAgent } = tx.settings
  const excess = (await countLimited(tx, identityId)) + 1 - sessionsPerAgent
  if (excess <= 0) return
  const first = await listFirstToEnd(tx, identityId, { begunWith: parentId, limit: excess })
  if (first.length < excess)
    throw new Problem('quota-spent', `an agent may have ${sessionsPerAgent} sessions here, and this is one of them`)
  const reason = 'limit'
  for (const id of await endLineages(tx, first, reason)) recordEnd(tx, id, { identityId, reason })
}
