/**
 * Policies: a tenant's own Cedar rules beside the system's. Each is checked in a thread of its own before it is stored
 * and is in force at once, everywhere: the change raises the log's epoch, so no decision made before it is recorded
 * after it. Nobody's policies can hurt another tenant (DESIGN D5).
 */
import type { PolicyId } from '@agent-iam/contract/ids'
import { actorOf, inTransaction, type Context } from '../../platform/context.ts'
import { decodeCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { policiesMax, type Policy } from './model.ts'
import { countPolicies, deletePolicy, findPolicy, insertPolicy, listPolicies, raiseVersion } from './store.ts'
import type { Effect } from './system-policies.ts'
import { validatePolicy, type PolicyCheck } from './validate.ts'

export { PolicyEngine, type EngineFault } from './engine.ts'
export { PolicySets } from './policy-sets.ts'

export interface NewPolicy {
  readonly name: string
  readonly description: string
  readonly policy: string
}

/** Throws `policy-invalid` for a text that may not be stored. Waits for others' checks: not inside a transaction. */
export async function checkNewPolicy(ctx: Context, text: string): Promise<Effect> {
  // Asked twice: first so that a stranger cannot make us check policies, then with the change itself.
  await inTransaction(ctx, (tx) => tx.authorize('policies:create', { type: 'policies' }))
  return requireValid(await validatePolicy(text))
}

/** Stores a policy that was checked. */
export async function createPolicy(ctx: Context, input: NewPolicy, effect: Effect): Promise<Policy> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('policies:create', { type: 'policies' })
    const { name, description, policy: cedar } = input
    const createdAt = tx.clock.now()
    const policy: Policy = {
      id: tx.newId('policy'),
      name,
      description,
      effect,
      cedar,
      createdBy: actorOf(tx.caller),
      createdAt,
    }
    await raiseVersion(tx)
    if ((await countPolicies(tx)) >= policiesMax)
      throw new Problem('quota-spent', `a tenant may have ${policiesMax} policies`)
    if (!(await insertPolicy(tx, policy))) throw new Problem('already-exists', `there is a policy named "${name}"`)
    recordEvent(tx, {
      type: 'policy.created',
      resource: resourceName(policy.id),
      data: { name, effect, cedar },
      narrows: true,
    })
    return policy
  })
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

function requireValid(check: PolicyCheck): Effect {
  if ('effect' in check) return check.effect
  const errors = check.errors.map(({ message, line, column }) => ({
    field: line === undefined ? 'policy' : `policy:${line}:${column ?? 1}`,
    message,
  }))
  throw new Problem('policy-invalid', errors.map(({ field, message }) => `${field}: ${message}`).join('; '), { errors })
}

function resourceName(id: PolicyId): string {
  return `agent-iam/policies/${id}`
}
