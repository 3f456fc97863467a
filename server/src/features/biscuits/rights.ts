import type { Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { listEffective, requireWithin } from '../capabilities/service.ts'

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
