import type { BiscuitAnswer } from '@agent-iam/standards/biscuit/authorize'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
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

/**
 * Whether the blocks of a Biscuit of the caller's tenant, its authority's among them, allow something. The token was
 * accepted before, so its root key may have ended since, and the key that it is bound to was shown then.
 *
 * Throws `unavailable` when the evaluation took too long, which is no answer; `too-many-attempts` for a session to which
 * that happened too often. It may run inside a transaction, which it joins.
 */
export async function permits(ctx: Context | Transaction, token: string, question: BlockQuestion): Promise<boolean> {
  const known = await readAccepted(ctx, token)
  // One of its blocks may have been revoked since it was accepted.
  if (!known || (await inTransaction(ctx, (tx) => hasRevokedBlock(tx, known.revocationIds)))) return false
  return (await evaluate(ctx, { token, known }, question)).type === 'allowed'
}

/** Makes ready for `permits`, which may have to answer with a transaction open. */
export async function warmUp(): Promise<void> {
  await pool.warm()
}

/** Asks a thread. What a token does to it counts against the token's own session, whoever shows it to us. */
export async function evaluate(
  ctx: Context | Transaction,
  { token, known }: { readonly token: string; readonly known: KnownBiscuit },
  question: BlockQuestion,
): Promise<BlockAnswer> {
  const { rootKeyId, publicKey, facts } = known
  const holder = facts.session
  slowHolders.requirePatience(ctx, holder)
  const key = { token: known.evaluable ?? token, rootKeyId, publicKey, confirmation: facts.confirmation }
  const answer = await pool.run(holder, { ...key, ...question })
  if (answer.type !== 'limit') return answer
  await slowHolders.note(ctx, holder)
  if (answer.limit === 'time')
    throw new Problem('unavailable', 'the blocks of the token took too long to evaluate; try again, or use another')
  // Facts and rounds are counted, not timed: the same token comes as far each time.
  return { type: 'denied', failed: [`too many ${answer.limit}`] }
}
