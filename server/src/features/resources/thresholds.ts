import { inTransaction, type Context } from '../../platform/context.ts'
import { requireRevision, type IfMatch } from '../../platform/revision.ts'
import { recordEvent } from '../audit/service.ts'
import type { SetThresholds, TrustThresholds } from './model.ts'
import { findThresholds, upsertThresholds } from './store/thresholds.ts'
import { holdRegistry } from './store/types.ts'

export async function getTrustThresholds(ctx: Context): Promise<SetThresholds> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('trust-thresholds:read', { type: 'trust-thresholds' })
    return findThresholds(tx)
  })
}

/** Asking for more trust takes rights away at once. */
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
      // Policies may ask how much trust is needed, so asking for less may take a right away, too.
      narrows: true,
    })
    return after
  })
}
