import type { IdentityId } from '@agent-iam/contract/ids'
import type { Context, Transaction } from '../../platform/context.ts'
import { closureOf, type Held, type RoleDefinition } from '../capabilities/model.ts'
import type { CedarRequest, Verdict } from '../policies/model.ts'
import { blocksPermit } from './blocks.ts'
import type { Decider, Rules } from './decider.ts'
import { presentedAlong } from './presented.ts'
import { askForIdentity, coveringGrants, type ActingIdentity, type Facts, type Question } from './model.ts'

/** The verdict on a whole chain: an allow is everybody's, a deny is of the first who lacked the right. */
export interface ChainVerdict extends Verdict {
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
  const permitted: Verdict[] = []
  const used: Array<readonly Held[]> = []
  for (const [hop, identity] of facts.hops.entries()) {
    const verdict = await decideHop(bench, { facts, identity, hop }, question)
    if (verdict.decision === 'deny') return { ...verdict, deniedBy: { identityId: identity.id, hop }, used: [] }
    permitted.push(verdict)
    used.push(restsOn(verdict, identity, { question, roles: bench.rules.definitions.roles }))
  }
  return { ...together(permitted), deniedBy: undefined, used }
}

interface Asked {
  readonly facts: Facts
  readonly identity: ActingIdentity
  readonly hop: number
}

async function decideHop(bench: Bench, asked: Asked, question: Question): Promise<Verdict> {
  return bench.decider.evaluate(bench.rules, await askHop(bench, asked, question))
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
    isWithinBlocks: await blocksPermit(bench.ctx, blocks, question),
    presented: presentedAlong(facts),
    roles: bench.rules.definitions.roles,
  })
}

function restsOn(
  { reasons }: Verdict,
  identity: ActingIdentity,
  { question, roles }: { readonly question: Question; readonly roles: readonly RoleDefinition[] },
): readonly Held[] {
  const others = reasons.some(({ policyId }) => policyId !== 'system:capability')
  const byRole = closureOf(identity.roles, roles).flatMap(({ permissions }) => coveringGrants(permissions, question))
  const covering = others || byRole.length > 0 ? [] : coveringGrants(identity.grants, question)
  return covering.every(({ conditions }) => conditions) ? covering : []
}

/** Every policy that permitted it to somebody, once. */
function together(verdicts: readonly Verdict[]): Verdict {
  const [first] = verdicts
  if (!first) throw new Error('nobody was asked for')
  if (verdicts.length === 1) return first
  const reasons = new Map(verdicts.flatMap((verdict) => verdict.reasons).map((reason) => [reason.policyId, reason]))
  const errors = new Map(verdicts.flatMap((verdict) => verdict.errors).map((error) => [error.policyId, error]))
  return { decision: 'allow', reasons: [...reasons.values()], errors: [...errors.values()] }
}
