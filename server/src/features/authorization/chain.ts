import type { DecisionReason } from '@agent-iam/contract/authorization'
import type { IdentityId } from '@agent-iam/contract/ids'
import type { Context, Transaction } from '../../platform/context.ts'
import { closureOf, type Held, type RoleDefinition } from '../capabilities/model.ts'
import type { CedarRequest, Verdict } from '../policies/model.ts'
import { capabilityPolicy, withRoles, withUnmet } from './basis.ts'
import { blocksPermit } from './blocks.ts'
import type { Decider, Rules } from './decider.ts'
import { presentedAlong } from './presented.ts'
import { askForIdentity, coveringGrants, type ActingIdentity, type Facts, type Question } from './model.ts'

/** The verdict on a whole chain: an allow is everybody's, a deny is of the first who lacked the right. */
export interface ChainVerdict extends Verdict {
  /** With what of who acts they rest on besides policies; of its delegators that is not told. */
  readonly reasons: readonly DecisionReason[]
  readonly deniedBy: { readonly identityId: IdentityId; readonly hop: number } | undefined
  /**
   * Of an allow, for each who was asked for, the grants it rests on that have conditions; none where something without
   * any permits it too.
   */
  readonly used: ReadonlyArray<readonly Held[]>
}

/** Who decides, by which rules, and for whose request. */
export interface Bench {
  readonly decider: Decider
  readonly rules: Rules
  readonly ctx: Context | Transaction
}

/**
 * Decides for everyone of a chain, who acts first, and allows only what all are allowed (DESIGN D6). Each is asked the
 * same question as a principal of its own, with all guards.
 */
export async function decideAlong(bench: Bench, facts: Facts, question: Question): Promise<ChainVerdict> {
  const permitted: NamedVerdict[] = []
  const used: Array<readonly Held[]> = []
  for (const [hop, identity] of facts.hops.entries()) {
    const verdict = await decideHop(bench, { facts, identity, hop }, question)
    const reached = closureOf(identity.roles, bench.rules.definitions.roles)
    if (verdict.decision === 'deny') {
      const reasons = hop === 0 ? withUnmet(verdict.reasons, identity, { question, roles: reached }) : verdict.reasons
      return { ...verdict, reasons, deniedBy: { identityId: identity.id, hop }, used: [] }
    }
    const covering = coveringRoles(reached, question)
    permitted.push(hop === 0 ? { ...verdict, reasons: withRoles(verdict.reasons, covering) } : verdict)
    used.push(restsOn(verdict, identity, { question, isByRole: covering.length > 0 }))
  }
  return { ...together(permitted), deniedBy: undefined, used }
}

type NamedVerdict = Verdict & Pick<ChainVerdict, 'reasons'>

interface Asked {
  readonly facts: Facts
  readonly identity: ActingIdentity
  readonly hop: number
}

async function decideHop(bench: Bench, asked: Asked, question: Question): Promise<Verdict> {
  const request = await askHop(bench, asked, question)
  return bench.decider.evaluate(bench.rules, { request, root: asked.facts.root })
}

/** The question about one of a chain, in Cedar's words. */
export async function askHop(bench: Bench, { facts, identity, hop }: Asked, question: Question): Promise<CedarRequest> {
  // The session's narrowing holds once for all, so it is asked of who acts.
  const lent = hop === 0 ? [facts.lent, identity.lent] : [identity.lent]
  const blocks = lent.flatMap((each) => each.blocks ?? [])
  return askForIdentity(identity, question, {
    hop,
    actor: facts.hops[0]?.id ?? '',
    isChainWhole: facts.isChainWhole,
    scopes: lent.flatMap(({ scope }) => (scope ? [scope] : [])),
    isWithinBlocks: await blocksPermit(bench.ctx, { tokens: blocks, root: facts.root }, question),
    presented: presentedAlong(facts),
    roles: bench.rules.definitions.roles,
  })
}

/** The reasons of one of a chain, with what they rest on besides policies. */
export function nameBasis(
  { decision, reasons }: Pick<Verdict, 'decision' | 'reasons'>,
  identity: ActingIdentity,
  { question, rules }: { readonly question: Question; readonly rules: Rules },
): readonly DecisionReason[] {
  const roles = closureOf(identity.roles, rules.definitions.roles)
  if (decision === 'deny') return withUnmet(reasons, identity, { question, roles })
  return withRoles(reasons, coveringRoles(roles, question))
}

function coveringRoles(roles: readonly RoleDefinition[], question: Question): RoleDefinition[] {
  return roles.filter(({ permissions }) => coveringGrants(permissions, question).length > 0)
}

function restsOn(
  { reasons }: Verdict,
  identity: ActingIdentity,
  { question, isByRole }: { readonly question: Question; readonly isByRole: boolean },
): readonly Held[] {
  const others = reasons.some(({ policyId }) => policyId !== capabilityPolicy)
  const covering = others || isByRole ? [] : coveringGrants(identity.grants, question)
  return covering.every(({ conditions }) => conditions) ? covering : []
}

/** Every policy that permitted it to somebody, once; as it permitted it to who acts, where it did. */
function together(verdicts: readonly NamedVerdict[]): NamedVerdict {
  const [first] = verdicts
  if (!first) throw new Error('nobody was asked for')
  if (verdicts.length === 1) return first
  const reasons = new Map<string, DecisionReason>()
  for (const reason of verdicts.flatMap((verdict) => verdict.reasons))
    if (!reasons.has(reason.policyId)) reasons.set(reason.policyId, reason)
  const errors = new Map(verdicts.flatMap((verdict) => verdict.errors).map((error) => [error.policyId, error]))
  return { decision: 'allow', reasons: [...reasons.values()], errors: [...errors.values()] }
}
