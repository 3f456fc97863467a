import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { intersection } from '../capabilities/model.ts'
import { listEffective, requireWithin } from '../capabilities/service.ts'
import type { CheckedBiscuit } from './check-biscuit.ts'
import { toEntries } from './model.ts'

/**
 * The entries for a Biscuit of the caller's session: those asked for, or all that it reaches. Throws
 * `capability-exceeded` for the first that lies beyond, and for who is bound by blocks that no entry can say.
 */
export async function rightsFor(tx: Transaction, asked: readonly string[] | undefined): Promise<readonly string[]> {
  const effective = await listEffective(tx)
  if (!effective)
    throw new Problem(
      'capability-exceeded',
      'who is bound by an attenuated token’s blocks is given no other; narrow that',
    )
  if (!asked) return effective
  requireWithin(asked, effective, 'what the session reaches')
  return [...new Set(asked)]
}

/**
 * The entries that a good Biscuit reaches now: what its identity holds, as far as all hold it who lend it authority, within
 * its session; and within its authority block where others were appended, which is asked then too. What the appended blocks
 * take away, no entry can say.
 */
export async function rightsOf(ctx: Context, { read, presenter }: CheckedBiscuit): Promise<readonly string[]> {
  const whole = { ...presenter, attenuation: undefined }
  const effective = await inTransaction(ctx, (tx) => listEffective({ ...tx, caller: whole }))
  return intersection(effective ?? [], read.blocks > 1 ? toEntries(read.facts.rights) : (effective ?? []))
}
