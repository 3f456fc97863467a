import { asCaller, inTransaction, type Context } from '../../platform/context.ts'
import { addSeconds } from '../../platform/clock.ts'
import { deleteRefreshTokensOf } from '../tokens/service.ts'
import { deleteSdkTokensOf, deleteSessions, findTenantsToSweep, listOldSessions } from './store/sweeping.ts'

/** How long a session is shown after its end; the log tells of it for longer. */
const keptSeconds = 30 * 86_400
/** Few enough for a short transaction. */
const sessionsAtOnce = 500
/** Each minute, so that what a busy tenant's clients leave behind is caught up with. */
const batchesMax = 40
const tenantsAtOnce = 100

/** Forgets sessions that ended long ago, with their tokens. Any number of instances may do it at once. */
export async function sweepSessions(ctx: Context): Promise<void> {
  const before = addSeconds(ctx.clock.now(), -keptSeconds)
  const tenants = await inTransaction(ctx, (tx) => findTenantsToSweep(tx, before, tenantsAtOnce))
  for (const tenantId of tenants) {
    const there = asCaller(ctx, { kind: 'system', tenantId, address: '' })
    for (let batch = 1; batch <= batchesMax; batch++) if ((await sweepSome(there, before)) < sessionsAtOnce) break
  }
}

/** How many were deleted: none, where others hold them or refer to them still. */
async function sweepSome(ctx: Context, before: Date): Promise<number> {
  return inTransaction(ctx, async (tx) => {
    const ids = await listOldSessions(tx, before, sessionsAtOnce)
    await deleteRefreshTokensOf(tx, ids)
    await deleteSdkTokensOf(tx, ids)
    return deleteSessions(tx, ids)
  })
}
