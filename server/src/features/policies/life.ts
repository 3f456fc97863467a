import type { PolicyId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import type { IfMatch } from '../../platform/revision.ts'
import { requireForChange, requirePolicy, requireWithinQuotas, storeChange } from './changes.ts'
import { activate, inForce, retire, revise, type Policy, type PolicyHead, type PolicyText } from './model.ts'
import { requireValidText } from './texts.ts'

export interface PolicyUpdate extends PolicyHead {
  readonly policy: string
  /** Whether an active policy gets the new text at once. */
  readonly activate: boolean
  readonly comment: string
}

/** Throws `policy-invalid` for a text that may not be stored, once the caller may store one. Not inside a transaction. */
export async function checkForUpdate(ctx: Context, id: PolicyId, input: PolicyUpdate): Promise<PolicyText> {
  await inTransaction(ctx, async (tx) => {
    const policy = await requirePolicy(tx, id)
    await tx.authorize('policies:update', { type: 'policies', id })
    await authorizeForce(tx, policy, input)
  })
  return requireValidText(ctx, input.policy)
}

/** Replaces what a policy is called and says, by a text that was checked. */
export async function updatePolicy(
  ctx: Context,
  { id, ifMatch }: { readonly id: PolicyId; readonly ifMatch: IfMatch },
  input: PolicyUpdate,
  text: PolicyText,
): Promise<Policy> {
  return inTransaction(ctx, async (tx) => {
    const before = await requireForChange(tx, id, 'policies:update', ifMatch)
    await authorizeForce(tx, before, input)
    const { name, description, priority, comment } = input
    const revised = revise(before, { name, description, priority }, text, tx.clock.now())
    const after = before.status === 'active' && input.activate ? inForce(revised) : revised
    await storeChange(tx, { before, after, type: 'policy.updated', comment })
    await requireWithinQuotas(tx)
    return after
  })
}

/** Another text in force, or another name for its reasons, is an administrator's word. */
async function authorizeForce(tx: Transaction, policy: Policy, input: PolicyUpdate): Promise<void> {
  if (policy.status !== 'active') return
  const isInForce = input.policy === policy.cedar && policy.activeVersion === policy.version
  if ((input.activate && !isInForce) || input.name !== policy.name)
    await tx.authorize('policies:activate', { type: 'policies', id: policy.id })
}

/** A text that was stored long ago may no longer be valid: the tenant's resource types are others now. */
export async function checkForActivation(ctx: Context, id: PolicyId): Promise<PolicyText> {
  const { cedar } = await inTransaction(ctx, async (tx) => {
    const policy = await requirePolicy(tx, id)
    await tx.authorize('policies:activate', { type: 'policies', id })
    return policy
  })
  return requireValidText(ctx, cedar)
}

/** Brings the latest version into force; throws `wrong-state` when it is another than that which was checked. */
export async function activatePolicy(
  ctx: Context,
  { id, ifMatch }: { readonly id: PolicyId; readonly ifMatch: IfMatch },
  comment: string,
  checked: PolicyText,
): Promise<Policy> {
  return inTransaction(ctx, async (tx) => {
    const before = await requireForChange(tx, id, 'policies:activate', ifMatch)
    requireSame(before, checked)
    const after = activate(before, tx.clock.now())
    await storeChange(tx, { before, after, type: 'policy.activated', comment })
    await requireWithinQuotas(tx)
    return after
  })
}

function requireSame(policy: Policy, checked: PolicyText): void {
  if (policy.cedar !== checked.cedar) throw new Problem('wrong-state', 'the policy changed meanwhile; look at it again')
}

export async function retirePolicy(
  ctx: Context,
  { id, ifMatch }: { readonly id: PolicyId; readonly ifMatch: IfMatch },
  comment: string,
): Promise<Policy> {
  return inTransaction(ctx, async (tx) => {
    const before = await requireForChange(tx, id, 'policies:retire', ifMatch)
    return storeChange(tx, { before, after: retire(before, tx.clock.now()), type: 'policy.retired', comment })
  })
}
