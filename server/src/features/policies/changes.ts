import type { EventType } from '@agent-iam/contract/event-types'
import type { PolicyId } from '@agent-iam/contract/ids'
import type { Json } from '@agent-iam/contract/json'
import { actorOf, type PlatformAction, type Transaction } from '../../platform/context.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { requireRevision, type IfMatch } from '../../platform/revision.ts'
import { recordEvent } from '../audit/service.ts'
import * as limits from './model.ts'
import type { Policy } from './model.ts'
import * as inForce from './store.ts'
import * as documents from './store/documents.ts'
import * as versions from './store/versions.ts'

/** One change of one policy; without `before` it is a new one. */
export interface Change {
  readonly before?: Policy
  readonly after: Policy
  readonly type: EventType
  /** Why, in the author's words. */
  readonly comment?: string
}

/** A policy that may be changed so, held with all others of the tenant until the transaction ends. */
export async function requireForChange(
  tx: Transaction,
  id: PolicyId,
  action: PlatformAction,
  ifMatch: IfMatch,
): Promise<Policy> {
  await requirePolicy(tx, id)
  await tx.authorize(action, { type: 'policies', id })
  await inForce.holdPolicies(tx)
  // Read again: whoever held it may have changed it.
  const policy = await requirePolicy(tx, id)
  requireRevision(policy, ifMatch)
  return policy
}

export async function requirePolicy(tx: Transaction, id: PolicyId): Promise<Policy> {
  const policy = await documents.findPolicy(tx, id)
  if (!policy) throw notFound('policies', id)
  return policy
}

/** Writes a change of a policy with its event. The tenant's policies must be held. */
export async function storeChange(tx: Transaction, change: Change): Promise<Policy> {
  const { before, after, comment = '' } = change
  // NOTE: the document first: a trigger takes what is in force without one for the work of the release before.
  await storeDocument(tx, before, after)
  if (before?.version !== after.version) {
    const said = { ...after, author: actorOf(tx.caller), at: after.updatedAt, comment }
    await versions.insertVersion(tx, after.id, said)
    if (after.version > limits.versionsKept) await versions.pruneVersions(tx, after, limits.versionsKept)
  }
  await storeForce(tx, before, after)
  recordChange(tx, change)
  return after
}

async function storeDocument(tx: Transaction, before: Policy | undefined, after: Policy): Promise<void> {
  const isStored = before
    ? before.name === after.name || !(await documents.isNameTaken(tx, after.name, after.id))
    : await documents.insertDocument(tx, after)
  if (!isStored) throw new Problem('already-exists', `there is a policy named "${after.name}"`)
  if (before) await documents.updateDocument(tx, after)
}

async function storeForce(tx: Transaction, before: Policy | undefined, after: Policy): Promise<void> {
  if (!isInForce(before) && !isInForce(after)) return
  if (!isInForce(after)) await inForce.takeOutOfForce(tx, after.id)
  else if (before?.activeVersion === after.activeVersion) await inForce.renameInForce(tx, after)
  else await inForce.putInForce(tx, after)
  await inForce.raiseVersion(tx)
}

/** Removes a policy with its versions. The tenant's policies must be held. */
export async function storeRemoval(tx: Transaction, policy: Policy): Promise<void> {
  await documents.deleteDocument(tx, policy.id)
  if (isInForce(policy)) {
    await inForce.takeOutOfForce(tx, policy.id)
    await inForce.raiseVersion(tx)
  }
  const data = { ...told(policy), cedar: policy.cedar }
  recordEvent(tx, { type: 'policy.deleted', resource: resourceName(policy.id), data, narrows: isInForce(policy) })
}

/** Throws `quota-spent` when the tenant has more than it may, as it is stored now. */
export async function requireWithinQuotas(tx: Transaction): Promise<void> {
  const { policies, unscoped, bytes } = await inForce.readTotals(tx)
  if (policies > limits.policiesMax) throw spent(`a tenant may have ${limits.policiesMax} policies in force`)
  if (unscoped > limits.unscopedPoliciesMax)
    throw spent(
      `a tenant may have ${limits.unscopedPoliciesMax} policies whose scope is everything; name a principal, action or resource`,
    )
  if (bytes > limits.policyBytesMax)
    throw spent(`a tenant’s policies in force may be ${limits.policyBytesMax} bytes of text together`)
  if ((await documents.countDocuments(tx)) > limits.documentsMax)
    throw spent(`a tenant may have ${limits.documentsMax} policies, drafts and retired ones too; delete some`)
  if ((await versions.countVersionBytes(tx)) > limits.versionBytesMax)
    throw spent(`a tenant’s policies may be ${limits.versionBytesMax} bytes of text in all versions; delete some`)
}

function spent(detail: string): Problem {
  return new Problem('quota-spent', detail)
}

function isInForce(policy: Policy | undefined): boolean {
  return policy?.status === 'active'
}

function recordChange(tx: Transaction, { before, after, type, comment = '' }: Change): void {
  const isSaid = before?.version !== after.version
  recordEvent(tx, {
    type,
    resource: resourceName(after.id),
    data: {
      ...told(after),
      ...(before && { versionBefore: before.version, activeVersionBefore: before.activeVersion ?? null }),
      ...(isSaid && { cedar: after.cedar }),
    },
    verbatim: ['cedar'],
    ...(comment !== '' && { personal: { subject: 'month', fields: { comment } } }),
    // Whatever changes what is in force may take something away: a permit gone, a forbid come.
    narrows: isInForce(before) || isInForce(after),
  })
}

function told({ name, effect, status, priority, pack, version, activeVersion }: Policy): Record<string, Json> {
  return { name, effect, status, priority, version, activeVersion: activeVersion ?? null, ...(pack && { pack }) }
}

function resourceName(id: PolicyId): string {
  return `agent-iam/policies/${id}`
}
