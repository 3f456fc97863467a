import type { Context } from '../../platform/context.ts'
import { decideAlong, type Answered, type Decider, type Rules } from '../authorization/service.ts'
import type { ShadowedDraft } from './model.ts'

export interface ShadowVerdict {
  readonly would: 'allow' | 'deny'
  readonly isErring: boolean
}

const permitAll = {
  id: 'shadow:permit-all',
  title: 'What is in force permits it',
  effect: 'permit',
  cedar: 'permit(principal, action, resource);',
} as const
const defaultDeny = 'system:default-deny'

/**
 * What the answer would have been with the draft in force as well. One policy more can only do this: a forbid denies what
 * was allowed, a permit allows what nothing permitted. So the draft is asked alone, and the cost does not grow with the
 * policies in force; only along a chain, where more than one may lack the right, all are asked.
 */
export async function shadowVerdict(
  ctx: Context,
  decider: Decider,
  { facts, question, verdict, rules }: Answered,
  draft: ShadowedDraft,
): Promise<ShadowVerdict> {
  const decide = (policies: Rules['policies']) =>
    decideAlong({ decider, rules: { ...rules, policies }, ctx }, facts, question)
  const own = { id: draft.policyId, title: draft.name, effect: draft.effect, cedar: draft.cedar }
  const { tenantId } = rules.policies
  const policies = draft.effect === 'forbid' ? [permitAll, own] : [own]
  const alone = await decide({ tenantId, version: draft.run, policies })
  const isErring = alone.fault === true || alone.errors.some(({ policyId }) => policyId === draft.policyId)
  const live = verdict.decision
  if (alone.fault) return { would: live, isErring }
  if (draft.effect === 'forbid') return { would: live === 'allow' ? alone.decision : live, isErring }
  if (live === 'allow' || verdict.reasons.some(({ policyId }) => policyId !== defaultDeny))
    return { would: live, isErring }
  if (facts.hops.length === 1) return { would: alone.decision, isErring }
  const version = `${rules.policies.version} ${draft.run}`
  const together = await decide({ tenantId, version, policies: [...rules.policies.policies, own] })
  return { would: together.fault ? live : together.decision, isErring }
}
