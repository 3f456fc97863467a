import type { IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import type { Verdict } from '../policies/model.ts'
import { blocksPermit } from './blocks.ts'
import type { Decider } from './decider.ts'
import { askForIdentity, type ActingIdentity, type Facts, type Question } from './model.ts'

/** The verdict on a whole chain: an allow is everybody's, a deny is of the first who lacked the right. */
export interface ChainVerdict extends Verdict {
  readonly deniedBy: { readonly identityId: IdentityId; readonly hop: number } | undefined
}

/**
 * Decides for everyone of a chain, who acts first, and allows only what all are allowed (DESIGN D6). Each is asked the
 * same question as a principal of its own, with all guards.
 */
export async function decideAlong(
  decider: Decider,
  tx: Transaction,
  facts: Facts,
  question: Question,
): Promise<ChainVerdict> {
  const permitted: Verdict[] = []
  for (const [hop, identity] of facts.hops.entries()) {
    const verdict = await decideHop(decider, tx, { facts, identity, hop }, question)
    if (verdict.decision === 'deny') return { ...verdict, deniedBy: { identityId: identity.id, hop } }
    permitted.push(verdict)
  }
  return { ...together(permitted), deniedBy: undefined }
}

interface Asked {
  readonly facts: Facts
  readonly identity: ActingIdentity
  readonly hop: number
}

async function decideHop(
  decider: Decider,
  tx: Transaction,
  { facts, identity, hop }: Asked,
  question: Question,
): Promise<Verdict> {
  // The session's narrowing holds once for all, so it is asked of who acts.
  const lent = hop === 0 ? [facts.lent, identity.lent] : [identity.lent]
  const request = askForIdentity(identity, question, {
    hop,
    actor: facts.hops[0]?.id ?? '',
    isChainWhole: facts.isChainWhole,
    scopes: lent.flatMap(({ scope }) => (scope ? [scope] : [])),
    isWithinBlocks: await blocksPermit(
      tx,
      lent.flatMap(({ blocks }) => blocks ?? []),
      question,
    ),
  })
  return decider.decide(tx, facts.policiesVersion, request)
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
