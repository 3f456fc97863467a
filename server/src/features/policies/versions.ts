import type { PolicyId } from '@agent-iam/contract/ids'
import { lineDiff } from '../../lib/line-diff.ts'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { decodeCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import type { IfMatch } from '../../platform/revision.ts'
import { requireHolds } from '../capabilities/service.ts'
import { requireForChange, requirePolicy, requireWithinQuotas, storeChange } from './changes.ts'
import { inForce, revise, type Policy, type PolicyText, type PolicyVersion } from './model.ts'
import { findVersion, listVersions } from './store/versions.ts'
import { requireValidText } from './texts.ts'

export async function pageVersions(
  ctx: Context,
  id: PolicyId,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
) {
  return inTransaction(ctx, async (tx) => {
    await requireReadable(tx, id)
    const before = cursor === undefined ? undefined : readPlace(cursor)
    return toPage(await listVersions(tx, id, before, limit + 1), limit, ({ version }) => [version])
  })
}

function readPlace(cursor: string): number {
  const [version = ''] = decodeCursor(cursor, 1)
  if (!/^\d{1,9}$/.test(version)) throw new Problem('invalid-request', 'cursor: is of another list')
  return Number(version)
}

export async function getVersion(ctx: Context, id: PolicyId, version: number): Promise<PolicyVersion> {
  return inTransaction(ctx, async (tx) => {
    await requireReadable(tx, id)
    return requireVersion(tx, id, version)
  })
}

/** How two versions differ: the latest and the one before, unless said otherwise. */
export async function diffPolicy(
  ctx: Context,
  id: PolicyId,
  wanted: { readonly from?: number | undefined; readonly to?: number | undefined },
): Promise<{ from: number; to: number; diff: string }> {
  return inTransaction(ctx, async (tx) => {
    const policy = await requireReadable(tx, id)
    const to = wanted.to ?? policy.version
    const from = wanted.from ?? Math.max(1, to - 1)
    const [older, newer] = [await requireVersion(tx, id, from), await requireVersion(tx, id, to)]
    return { from, to, diff: lineDiff(older.cedar, newer.cedar) }
  })
}

/** The earlier text, once the caller may roll back to it and it is still valid. Not inside a transaction. */
export async function checkForRollback(ctx: Context, id: PolicyId, version: number): Promise<PolicyText> {
  const { cedar } = await inTransaction(ctx, async (tx) => {
    await requirePolicy(tx, id)
    await tx.authorize('policies:rollback', { type: 'policies', id })
    return requireVersion(tx, id, version)
  })
  return requireValidText(ctx, cedar)
}

/** Makes an earlier text, which was checked, the latest version. What was in force is so with this text. */
export async function rollbackPolicy(
  ctx: Context,
  { id, ifMatch }: { readonly id: PolicyId; readonly ifMatch: IfMatch },
  comment: string,
  text: PolicyText,
): Promise<Policy> {
  return inTransaction(ctx, async (tx) => {
    const before = await requireForChange(tx, id, 'policies:rollback', ifMatch)
    // The earlier text may never have been in force. Held, not asked: no policy keeps an administrator from this.
    if (before.status === 'active') await requireHolds(tx, [`agent-iam/policies/${id}:activate`])
    const revised = revise(before, {}, text, tx.clock.now())
    const after = before.status === 'active' ? inForce(revised) : revised
    if (before.version === after.version && before.activeVersion === after.activeVersion)
      throw new Problem('wrong-state', `version ${before.version} says the same already`)
    await storeChange(tx, { before, after, type: 'policy.rolled-back', comment })
    await requireWithinQuotas(tx)
    return after
  })
}

async function requireReadable(tx: Transaction, id: PolicyId): Promise<Policy> {
  const policy = await requirePolicy(tx, id)
  await tx.authorize('policies:read', { type: 'policies', id })
  return policy
}

async function requireVersion(tx: Transaction, id: PolicyId, version: number): Promise<PolicyVersion> {
  const found = await findVersion(tx, id, version)
  if (!found) throw notFound('policies', `${id}/versions/${version}`)
  return found
}
