import { inTransaction, type Context } from '../../platform/context.ts'
import { requireRevision, type IfMatch } from '../../platform/revision.ts'
import { recordEvent } from '../audit/service.ts'
import { isRaised, type SetThresholds, type TrustThresholds } from './model.ts'
import { findThresholds, upsertThresholds } from './store/thresholds.ts'
import { holdRegistry } from './store/types.ts'

export async function getTrustThresholds(ctx: Context): Promise<SetThresholds> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('trust-thresholds:read', { type: 'trust-thresholds' })
    return findThresholds(tx)
  })
}

/** Asking for more trust takes rights away at once; asking for less gives them within a second. */
export async function setTrustThresholds(
  ctx: Context,
  { byLabel, byRisk }: TrustThresholds,
  ifMatch: IfMatch,
): Promise<SetThresholds> {
  return inTransaction(ctx, async (tx) => {
    await holdRegistry(tx)
    await tx.authorize('trust-thresholds:update', { type: 'trust-thresholds' })
    const before = await findThresholds(tx)
    requireRevision({ id: 'trust-thresholds', revision: before.revision }, ifMatch)
    const after = { byLabel, byRisk, revision: before.revision + 1, updatedAt: tx.clock.now() }
    await upsertThresholds(tx, after)
    recordEvent(tx, {
      type: 'trust-thresholds.set',
      resource: 'agent-iam/trust-thresholds',
      data: { byLabel: { ...byLabel }, byRisk: { ...byRisk } },
      narrows: isRaised(before, after),
    })
    return after
  })
}
