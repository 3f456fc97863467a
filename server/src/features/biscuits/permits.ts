import type { BiscuitAnswer } from '@agent-iam/standards/biscuit/authorize'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import { OutsideTransaction } from '../../platform/outside-transaction.ts'
import { Problem } from '../../platform/problem.ts'
import { DatalogPool } from './datalog-pool.ts'
import { readAccepted } from './read-biscuit.ts'
import { SlowHolders } from './slow-holders.ts'
import { hasRevokedBlock } from './store.ts'
import type { KnownBiscuit } from './verified-biscuits.ts'

/** What is asked of a token's blocks. */
export interface BlockQuestion {
  readonly operation: string
  /** `type` or `type/id`. */
  readonly resource: string
  readonly audience: string
  readonly time: Date
}

/** Finished, one way or the other. */
export type BlockAnswer = Exclude<BiscuitAnswer, { type: 'limit' }>

// Of the process: threads and patience are the machine's, whoever's server they serve.
const pool = new DatalogPool()
const slowHolders = new SlowHolders()
const evaluations = new OutsideTransaction<BlockAnswer>()

/** A Biscuit that was accepted before, and whose evaluation counts against which root identity. */
export interface AskedBiscuit {
  readonly token: string
  readonly root: string
}

/**
 * Whether the blocks of a Biscuit of the caller's tenant, its authority's among them, allow something. The token was
 * accepted before, so its root key may have ended since, and the key that it is bound to was shown then.
 *
 * Throws `unavailable` when the evaluation took too long, which is no answer; `too-many-attempts` for a root to which
 * that happened too often; `rate-limited` for a root that has too many waiting. It may be called inside a transaction,
 * which is then run again with the answer (`OutsideTransaction`).
 */
export async function permits(
  ctx: Context | Transaction,
  { token, root }: AskedBiscuit,
  question: BlockQuestion,
): Promise<boolean> {
  const known = await readAccepted(ctx, token)
  // One of its blocks may have been revoked since it was accepted.
  if (!known || (await inTransaction(ctx, (tx) => hasRevokedBlock(tx, known.revocationIds)))) return false
  const { operation, resource, audience } = question
  const key = sha256(JSON.stringify([token, operation, resource, audience])).toString('base64')
  const answer = await evaluations.run(key, () => evaluate(ctx, { token, known, root }, question))
  return answer.type === 'allowed'
}

/**
 * Throws `too-many-attempts` for an agent whose root must wait, where that is known: a token whose blocks will not be evaluated
 * costs no transaction. NOTE: only for a token that has blocks to evaluate.
 */
export function requirePatience(ctx: Pick<Context, 'clock'>, { facts }: KnownBiscuit): void {
  slowHolders.requirePatienceOf(ctx, facts.agent)
}

/** Evaluates in a thread. The time counts against the root of the token's agent, not against the caller that presents it. */
export async function evaluate(
  ctx: Pick<Context, 'caller' | 'clock' | 'sharedState'>,
  { token, known, root }: AskedBiscuit & { readonly known: KnownBiscuit },
  question: BlockQuestion,
): Promise<BlockAnswer> {
  const { rootKeyId, publicKey, facts } = known
  const owner = { tenantId: ctx.caller.tenantId, roots: [root] }
  const name = `${owner.tenantId} ${root}`
  const requireTurn = () => slowHolders.requirePatience(ctx, name)
  slowHolders.learnRoot(facts.agent, name)
  requireTurn()
  const key = { token: known.evaluable ?? token, rootKeyId, publicKey, confirmation: facts.confirmation }
  const answer = await pool.run(owner, { ...key, ...question }, requireTurn)
  if (answer.type !== 'limit') return answer
  await slowHolders.note(ctx, name)
  if (answer.limit === 'time')
    throw new Problem('unavailable', 'the blocks of the token took too long to evaluate; try again, or use another')
  // Facts and rounds are counted, not timed: the same token comes as far each time.
  return { type: 'denied', failed: [`too many ${answer.limit}`] }
}
