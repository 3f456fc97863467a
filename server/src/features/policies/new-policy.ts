import type { PolicyStatus } from '@agent-iam/contract/policies'
import type { Parameters } from '@agent-iam/contract/policy-templates'
import { actorOf, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { notFound } from '../../platform/problem.ts'
import { requireWithinQuotas, storeChange } from './changes.ts'
import { inForce, type Policy, type PolicyHead, type PolicyText } from './model.ts'
import { holdPolicies } from './store.ts'
import { fillTemplate, findTemplate } from './templates.ts'
import { requireValidText } from './texts.ts'

export interface NewPolicy extends PolicyHead {
  readonly status: PolicyStatus
  readonly comment?: string
  /** The pack that brings it. */
  readonly pack?: string
}

/** Throws `policy-invalid` for a text that may not be stored. Waits for others' checks: not inside a transaction. */
export async function checkNewPolicy(ctx: Context, status: NewPolicy['status'], text: string): Promise<PolicyText> {
  // Asked twice: first so that a stranger cannot make us check policies, then with the change itself.
  await inTransaction(ctx, (tx) => authorizeNew(tx, status))
  return requireValidText(ctx, text)
}

interface FromTemplate {
  readonly template: string
  readonly parameters: Parameters
  readonly status: NewPolicy['status']
}

/** The same for what a template says with these parameters. */
export async function checkFromTemplate(
  ctx: Context,
  { template, parameters, status }: FromTemplate,
): Promise<PolicyText> {
  await inTransaction(ctx, (tx) => authorizeNew(tx, status))
  const found = findTemplate(template)
  if (!found) throw notFound('policy-templates', template)
  return requireValidText(ctx, fillTemplate(found, parameters))
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

/** Stores one of several, of a pack say. The tenant's policies must be held. */
export async function storeNew(
  tx: Transaction,
  { name, description, priority, status, pack, comment = '' }: NewPolicy,
  text: PolicyText,
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
  const [after, type] =
    status === 'active'
      ? ([inForce(draft), 'policy.created'] as const)
      : ([{ ...draft, status }, 'policy.drafted'] as const)
  return storeChange(tx, { after, type, comment })
}

/** Who brings a policy into force needs the right to, beside that to write one. */
async function authorizeNew(tx: Transaction, status: NewPolicy['status']): Promise<void> {
  await tx.authorize('policies:create', { type: 'policies' })
  if (status === 'active') await tx.authorize('policies:activate', { type: 'policies' })
}
