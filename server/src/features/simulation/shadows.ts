import { shadowsMax } from '@agent-iam/contract/simulation'
import type { PolicyId } from '@agent-iam/contract/ids'
import { actorOf, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { toUuid } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { holdPolicies, requirePolicy } from '../policies/service.ts'
import { noCounts } from './model.ts'
import type { Shadow } from './shadow.ts'
import { countShadows, deleteShadow, findShadow, insertShadow, type StoredShadow } from './store/shadows.ts'

/** Begins to evaluate a draft beside what is in force, from zero: also one that is shadowed already. */
export async function startShadow(ctx: Context, id: PolicyId): Promise<StoredShadow> {
  return inTransaction(ctx, async (tx) => {
    await requirePolicy(tx, id)
    await tx.authorize('policies:shadow', { type: 'policies', id })
    // Before any row: whoever removes the policy holds them all, and then takes its shadow along.
    await holdPolicies(tx)
    const policy = await requirePolicy(tx, id)
    if (policy.status !== 'draft')
      throw new Problem('wrong-state', `the policy is ${policy.status}; only a draft can be shadowed`)
    const { name, version, effect, cedar } = policy
    const draft = {
      policyId: id,
      name,
      version,
      effect,
      cedar,
      run: toUuid(tx.newId('request')),
      startedBy: actorOf(tx.caller),
      startedAt: tx.clock.now(),
    }
    await deleteShadow(tx, id)
    await insertShadow(tx, draft)
    if ((await countShadows(tx)) > shadowsMax)
      throw new Problem('quota-spent', `${shadowsMax} drafts may be shadowed at once; end another first`)
    recordEvent(tx, { type: 'policy.shadow-started', resource: `agent-iam/policies/${id}`, data: { name, version } })
    return { ...draft, ...noCounts, examples: [] }
  })
}

/** What was counted so far, that of this instance up to now. */
export async function getShadow(ctx: Context, shadow: Shadow, id: PolicyId): Promise<StoredShadow> {
  const look = () =>
    inTransaction(ctx, async (tx) => {
      await requirePolicy(tx, id)
      await tx.authorize('decisions:read', { type: 'decisions' })
      return requireShadow(tx, id)
    })
  await look()
  await shadow.flush(ctx)
  return look()
}

/** Ends it, and tells for the last time what was counted. */
export async function stopShadow(ctx: Context, id: PolicyId): Promise<StoredShadow> {
  return inTransaction(ctx, async (tx) => {
    await requirePolicy(tx, id)
    await tx.authorize('policies:shadow', { type: 'policies', id })
    // The answer tells of decisions, as `getShadow` does.
    await tx.authorize('decisions:read', { type: 'decisions' })
    await holdPolicies(tx)
    const found = await requireShadow(tx, id)
    if (!(await deleteShadow(tx, id))) throw notShadowed(id)
    const { name, version, evaluated, allowToDeny, denyToAllow, erred } = found
    const data = { name, version, evaluated, allowToDeny, denyToAllow, erred }
    recordEvent(tx, { type: 'policy.shadow-ended', resource: `agent-iam/policies/${id}`, data })
    return found
  })
}

async function requireShadow(tx: Transaction, id: PolicyId): Promise<StoredShadow> {
  const found = await findShadow(tx, id)
  if (!found) throw notShadowed(id)
  return found
}

function notShadowed(id: PolicyId): Problem {
  return new Problem('not-found', `policy ${id} is not shadowed`)
}
