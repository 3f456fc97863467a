/**
 * Policies: a tenant's own Cedar rules beside the system's. Each is checked in a thread of its own before it is stored
 * and is in force at once, everywhere: the change raises the log's epoch, so no decision made before it is recorded
 * after it. Nobody's policies can hurt another tenant (DESIGN D5).
 */
import type { PolicyId } from '@agent-iam/contract/ids'
import { actorOf, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { decodeCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { policiesMax, policyBytesMax, unscopedPoliciesMax, type Policy } from './model.ts'
import { deletePolicy, findPolicy, insertPolicy, listPolicies, raiseVersion, readTotals } from './store.ts'
import { validatePolicy, type CheckedPolicy, type PolicyCheck } from './validate.ts'

export { PolicyEngine, type EngineFault } from './engine.ts'
export { PolicySets } from './policy-sets.ts'

export interface NewPolicy {
  readonly name: string
  readonly description: string
  readonly policy: string
}

/** Throws `policy-invalid` for a text that may not be stored. Waits for others' checks: not inside a transaction. */
export async function checkNewPolicy(ctx: Context, text: string): Promise<CheckedPolicy> {
  // Asked twice: first so that a stranger cannot make us check policies, then with the change itself.
  await inTransaction(ctx, (tx) => tx.authorize('policies:create', { type: 'policies' }))
  return requireValid(await validatePolicy(text))
}

/** Stores a policy that was checked. */
export async function createPolicy(ctx: Context, input: NewPolicy, checked: CheckedPolicy): Promise<Policy> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('policies:create', { type: 'policies' })
    const { name, description, policy: cedar } = input
    const createdAt = tx.clock.now()
    const policy: Policy = {
      id: tx.newId('policy'),
      name,
      description,
      ...checked,
      cedar,
      createdBy: actorOf(tx.caller),
      createdAt,
    }
    await raiseVersion(tx)
    await requireQuota(tx, policy)
    if (!(await insertPolicy(tx, policy))) throw new Problem('already-exists', `there is a policy named "${name}"`)
    recordEvent(tx, {
      type: 'policy.created',
      resource: resourceName(policy.id),
      data: { name, effect: policy.effect, cedar },
      narrows: true,
    })
    return policy
  })
}

/** Call it once the version is raised: from then on no other change comes between. */
async function requireQuota(tx: Transaction, { cedar, isUnscoped }: Policy): Promise<void> {
  const { policies, unscoped, bytes } = await readTotals(tx)
  if (policies >= policiesMax) throw new Problem('quota-spent', `a tenant may have ${policiesMax} policies`)
  if (isUnscoped && unscoped >= unscopedPoliciesMax)
    throw new Problem(
      'quota-spent',
      `a tenant may have ${unscopedPoliciesMax} policies whose scope is everything; name a principal, action or resource`,
    )
  if (bytes + Buffer.byteLength(cedar) > policyBytesMax)
    throw new Problem('quota-spent', `a tenant’s policies may be ${policyBytesMax} bytes of text together`)
}

export async function pagePolicies(ctx: Context, query: { limit: number; cursor?: string | undefined }) {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('policies:read', { type: 'policies' })
    const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor, 1)[0]
    return toPage(await listPolicies(tx, after, query.limit + 1), query.limit, ({ name }) => [name])
  })
}

export async function removePolicy(ctx: Context, id: PolicyId): Promise<Policy> {
  return inTransaction(ctx, async (tx) => {
    const policy = await findPolicy(tx, id)
    if (!policy) throw notFound('policies', id)
    await tx.authorize('policies:delete', { type: 'policies', id })
    await raiseVersion(tx)
    if (!(await deletePolicy(tx, id))) throw notFound('policies', id)
    const data = { name: policy.name, effect: policy.effect, cedar: policy.cedar }
    recordEvent(tx, { type: 'policy.deleted', resource: resourceName(id), data, narrows: true })
    return policy
  })
}

function requireValid(check: PolicyCheck): CheckedPolicy {
  if ('effect' in check) return check
  const errors = check.errors.map(({ message, line, column }) => ({
    field: line === undefined ? 'policy' : `policy:${line}:${column ?? 1}`,
    message,
  }))
  throw new Problem('policy-invalid', errors.map(({ field, message }) => `${field}: ${message}`).join('; '), { errors })
}

function resourceName(id: PolicyId): string {
  return `agent-iam/policies/${id}`
}
