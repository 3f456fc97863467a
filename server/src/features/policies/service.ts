/**
 * Policies: a tenant's own Cedar rules beside the system's, as documents with versions: draft, active, retired. Each text
 * is checked in a thread of its own before it is stored; what comes into force does so at once, everywhere: the change
 * raises the log's epoch, so no decision made before it is recorded after it. Nobody's policies can hurt another tenant,
 * and none keeps an administrator from reading, retiring, rolling back and deleting policies (DESIGN D5).
 */
import type { PolicyId } from '@agent-iam/contract/ids'
import { inTransaction, type Context } from '../../platform/context.ts'
import { decodeCursor, toPage } from '../../platform/paging.ts'
import type { IfMatch } from '../../platform/revision.ts'
import { requireForChange, requirePolicy, storeRemoval } from './changes.ts'
import type { Policy } from './model.ts'
import { listPolicies, type PolicyFilter } from './store/documents.ts'
import { checkText, requireValidText } from './texts.ts'
import type { PolicyCheck } from './validate.ts'

export { PolicyEngine, type EngineFault } from './engine.ts'
export { PolicySets } from './policy-sets.ts'
export type { PolicySet } from './selection.ts'
export { holdPolicies } from './store.ts'
export { requirePolicy, requireValidText }
export { exportPolicies } from './export.ts'
export { checkFile, importFile, reportFile, requireImporter } from './import.ts'
export { checkFromTemplate, checkNewPolicy, createPolicy } from './new-policy.ts'
export { templates } from './templates.ts'
export { checkPack, listPacks, setPack, type PackView } from './packs.ts'
export { activatePolicy, checkForActivation, checkForUpdate, retirePolicy, updatePolicy } from './life.ts'
export { checkForRollback, diffPolicy, getVersion, pageVersions, rollbackPolicy } from './versions.ts'

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

/** Throws unless the caller may read policies, and what there is to make them from. */
export async function authorizeReading(ctx: Context): Promise<void> {
  await inTransaction(ctx, (tx) => tx.authorize('policies:read', { type: 'policies' }))
}
