import type { UserId } from '@agent-iam/contract/ids'
import { inTransaction, type Context } from '../../platform/context.ts'
import { notFound } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { listReach, requireHolds } from '../capabilities/service.ts'
import { releaseUser } from '../credentials/service.ts'
import { findUser } from './store/users.ts'

/**
 * Has a user's failed attempts forgotten; tells whether there were any. Of nobody who holds more than the caller, who could
 * else guess at them without end.
 */
export async function unlockUser(ctx: Context, id: UserId): Promise<boolean> {
  return inTransaction(ctx, async (tx) => {
    const user = await findUser(tx, id)
    if (!user) throw notFound('users', id)
    await tx.authorize('users:unlock', { type: 'users', id })
    await requireHolds(tx, await listReach(tx, id))
    const wasLocked = await releaseUser(tx, user)
    recordEvent(tx, { type: 'user.unlocked', resource: `agent-iam/users/${id}`, data: { wasLocked } })
    return wasLocked
  })
}
