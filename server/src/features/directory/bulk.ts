import { BulkItem } from '@agent-iam/contract/identities'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { read } from '../../platform/route.ts'
import { requireBulk } from '../tenants/service.ts'
import { reactivateIdentity, revokeIdentity, suspendIdentity } from './life.ts'
import { createIdentity, updateIdentity } from './making.ts'
import type { IdentityView } from './model.ts'

/** What became of one item. */
export type BulkResult =
  | { readonly done: 'created' | 'changed'; readonly view: IdentityView & { readonly privateKey?: string | undefined } }
  | { readonly done: 'refused'; readonly problem: Problem }

/** Told of each refusal, before it is answered. */
export type OnRefused = (ctx: Context, problem: Problem) => Promise<void>

/** Refuses who may not send bulks, whatever is in one. */
export async function requireBulkSender(ctx: Context): Promise<void> {
  await inTransaction(ctx, authorizeBulk)
}

async function authorizeBulk(tx: Transaction): Promise<void> {
  await tx.authorize('identities:bulk', { type: 'identities' })
}

/**
 * Does many changes, one after the other, each in its own transaction and with its own events: what one is refused harms
 * no other, and what was done stays done. It must not run inside a transaction.
 */
export async function bulkIdentities(
  ctx: Context,
  items: readonly unknown[],
  onRefused: OnRefused,
): Promise<BulkResult[]> {
  await inTransaction(ctx, async (tx) => {
    await authorizeBulk(tx)
    await requireBulk(tx, items.length)
  })
  const results: BulkResult[] = []
  for (const item of items) results.push(await doOne(ctx, item, onRefused))
  return results
}

async function doOne(ctx: Context, item: unknown, onRefused: OnRefused): Promise<BulkResult> {
  try {
    return await perform(ctx, read(BulkItem, item, 'item'))
  } catch (error) {
    const problem = error instanceof Problem ? error : faultOf(ctx, error)
    await onRefused(ctx, problem)
    return { done: 'refused', problem }
  }
}

async function perform(ctx: Context, item: BulkItem): Promise<BulkResult> {
  if (item.op === 'create') return { done: 'created', view: await createIdentity(ctx, item.identity) }
  const { identityId: id, revision } = item
  const ifMatch = revision === undefined ? undefined : [revision]
  switch (item.op) {
    case 'update':
      return { done: 'changed', view: await updateIdentity(ctx, id, item.change, ifMatch) }
    case 'suspend':
      return { done: 'changed', view: await suspendIdentity(ctx, id, { reason: item.reason, ifMatch }) }
    case 'reactivate':
      return { done: 'changed', view: await reactivateIdentity(ctx, id, { reason: item.reason, ifMatch }) }
    case 'revoke':
      return { done: 'changed', view: await revokeIdentity(ctx, id, { reason: item.reason, ifMatch }) }
  }
}

/** Our fault: the rest is done all the same, and what was done before must be told. */
function faultOf({ log, requestId }: Context, error: unknown): Problem {
  log.error({ error, requestId }, 'an item of a bulk failed')
  return new Problem('internal-error', 'something went wrong on our side; the operator finds it by the requestId')
}
