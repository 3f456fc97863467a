/**
 * Policies: a tenant's own Cedar rules beside the system's, as documents with versions: draft, active, retired. Each text
 * is checked in a thread of its own before it is stored; what comes into force does so at once, everywhere: the change
 * raises the log's epoch, so no decision made before it is recorded after it. Nobody's policies can hurt another tenant,
 * and none keeps an administrator from reading, retiring, rolling back and deleting policies (DESIGN D5).
 */
import type { PolicyId } from '@agent-iam/contract/ids'
import { actorOf, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { decodeCursor, toPage } from '../../platform/paging.ts'
import type { IfMatch } from '../../platform/revision.ts'
import { requireForChange, requirePolicy, requireWithinQuotas, storeChange, storeRemoval } from './changes.ts'
import { inForce, type Policy, type PolicyHead, type PolicyText } from './model.ts'
import { holdPolicies } from './store.ts'
import { listPolicies, type PolicyFilter } from './store/documents.ts'
import { checkText, requireValidText } from './texts.ts'
import type { PolicyCheck } from './validate.ts'

export { PolicyEngine, type EngineFault } from './engine.ts'
export { PolicySets } from './policy-sets.ts'
export type { PolicySet } from './selection.ts'
export { requirePolicy, requireValidText }
export { activatePolicy, checkForActivation, checkForUpdate, retirePolicy, updatePolicy } from './life.ts'
export { checkForRollback, diffPolicy, getVersion, pageVersions, rollbackPolicy } from './versions.ts'

export interface NewPolicy extends PolicyHead {
  readonly status: 'active' | 'draft'
  readonly comment?: string
}

/** Throws `policy-invalid` for a text that may not be stored. Waits for others' checks: not inside a transaction. */
export async function checkNewPolicy(ctx: Context, status: NewPolicy['status'], text: string): Promise<PolicyText> {
  // Asked twice: first so that a stranger cannot make us check policies, then with the change itself.
  await inTransaction(ctx, (tx) => authorizeNew(tx, status))
  return requireValidText(ctx, text)
}

/** Stores a policy whose text was checked. */
export async function createPolicy(ctx: Context, input: NewPolicy, text: PolicyText): Promise<Policy> {
  return inTransaction(ctx, async (tx) => {
    await authorizeNew(tx, input.status)
    await holdPolicies(tx)
    const policy = await storeNew(tx, input, text)
    await requireWithinQuotas(tx)
    return policy
  })
}

/** Stores one, of a pack say. The tenant's policies must be held. */
export async function storeNew(
  tx: Transaction,
  { name, description, priority, status, comment = '' }: NewPolicy,
  text: PolicyText,
  pack?: string,
): Promise<Policy> {
  const now = tx.clock.now()
  const draft: Policy = {
    id: tx.newId('policy'),
    name,
    description,
    priority,
    pack,
    ...text,
    status: 'draft',
    version: 1,
    activeVersion: undefined,
    revision: 1,
    createdBy: actorOf(tx.caller),
    createdAt: now,
    updatedAt: now,
  }
  if (status === 'draft') return storeChange(tx, { after: draft, type: 'policy.drafted', comment })
  return storeChange(tx, { after: inForce(draft), type: 'policy.created', comment })
}

/** Who brings a policy into force needs the right to, beside that to write one. */
async function authorizeNew(tx: Transaction, status: NewPolicy['status']): Promise<void> {
  await tx.authorize('policies:create', { type: 'policies' })
  if (status === 'active') await tx.authorize('policies:activate', { type: 'policies' })
}

export interface PoliciesQuery extends PolicyFilter {
  readonly limit: number
  readonly cursor?: string | undefined
}

export async function pagePolicies(ctx: Context, { limit, cursor, ...filter }: PoliciesQuery) {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('policies:read', { type: 'policies' })
    const after = cursor === undefined ? undefined : decodeCursor(cursor, 1)[0]
    return toPage(await listPolicies(tx, filter, { after, limit: limit + 1 }), limit, ({ name }) => [name])
  })
}

export async function getPolicy(ctx: Context, id: PolicyId): Promise<Policy> {
  return inTransaction(ctx, async (tx) => {
    const policy = await requirePolicy(tx, id)
    await tx.authorize('policies:read', { type: 'policies', id })
    return policy
  })
}

export async function removePolicy(ctx: Context, id: PolicyId, ifMatch: IfMatch): Promise<Policy> {
  return inTransaction(ctx, async (tx) => {
    const policy = await requireForChange(tx, id, 'policies:delete', ifMatch)
    await storeRemoval(tx, policy)
    return policy
  })
}

/** What is right or wrong with a text that nobody stores. */
export async function checkAnyText(ctx: Context, text: string): Promise<PolicyCheck> {
  await inTransaction(ctx, (tx) => tx.authorize('policies:create', { type: 'policies' }))
  return checkText(ctx, text)
}
