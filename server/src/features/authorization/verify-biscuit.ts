import { actingOf, asCaller, inTransaction, type Context } from '../../platform/context.ts'
import type { BiscuitFault } from '../biscuits/model.ts'
import { checkBiscuit, failedChecks, rightsOf, type CheckedBiscuit, type ShownBiscuit } from '../biscuits/service.ts'
import type { ResourceName } from '../capabilities/model.ts'
import type { Decider } from './decider.ts'
import { resourceText, type Question } from './model.ts'
import { presentedBy } from './presented.ts'
import { readFacts } from './store.ts'
import { weigh } from './weigh.ts'

export interface AskedBiscuit extends ShownBiscuit {
  readonly operation?: string | undefined
  readonly resource?: ResourceName | undefined
}

export interface VerifiedBiscuit extends CheckedBiscuit {
  readonly rights: readonly string[]
  /** Undefined where nothing was asked. */
  readonly allowed: boolean | undefined
  /** Why not. */
  readonly failed: readonly string[]
}

/**
 * Says whether a Biscuit is good, and whether it allows what is asked: just what a check would answer to who presents it,
 * but that nothing is recorded and no quota is spent. Whoever holds a token may ask: it could present it as well.
 */
export async function verifyBiscuit(
  ctx: Context,
  decider: Decider,
  { operation: action, resource, ...shown }: AskedBiscuit,
): Promise<VerifiedBiscuit | BiscuitFault> {
  const checked = await checkBiscuit(ctx, shown)
  if (typeof checked === 'string') return checked
  const rights = await rightsOf(ctx, checked)
  if (action === undefined || resource === undefined) return { ...checked, rights, allowed: undefined, failed: [] }
  return { ...checked, rights, ...(await decide(ctx, decider, checked, { token: shown.token, action, resource })) }
}

interface Asked extends Pick<Question, 'action' | 'resource'> {
  readonly token: string
}

async function decide(
  ctx: Context,
  decider: Decider,
  checked: CheckedBiscuit,
  { token, action, resource }: Asked,
): Promise<{ allowed: boolean; failed: readonly string[] }> {
  const now = ctx.clock.now()
  const blocks = {
    operation: action,
    resource: resourceText(resource),
    audience: checked.read.facts.audience,
    time: now,
  }
  const failed = await failedChecks(ctx, token, checked, blocks)
  if (failed.length > 0) return { allowed: false, failed }
  const { presenter } = checked
  const { tenantId, address } = presenter
  const question = { tenantId, action, resource, resourceFacts: {}, request: {}, now, address }
  const verdict = await inTransaction(asCaller(ctx, presenter), async (tx) => {
    const facts = await readFacts(tx, actingOf(presenter), presenter.sessionId)
    const lent = { scope: presenter.scope, blocks: presenter.attenuation }
    return (await weigh(tx, decider, { ...facts, lent, presented: presentedBy(presenter) }, { question })).verdict
  })
  await decider.recordFaults(ctx)
  const allowed = verdict.decision === 'allow'
  return { allowed, failed: allowed ? [] : verdict.reasons.map(({ policyId, title }) => `${policyId}: ${title}`) }
}
