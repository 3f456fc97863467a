import type { IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { requireMayDelegate } from './delegable.ts'
import { clearSource, listOfSource, type EndingSession } from './store/confirming.ts'

/**
 * Lets what a session granted an identity stand by itself, as if the caller had granted it. The end that it had only with
 * the session goes. Throws `capability-exceeded` unless the caller may grant all of it, for as long as it is granted then.
 */
export async function confirmGrants(tx: Transaction, id: IdentityId, source: EndingSession): Promise<void> {
  const grants = await listOfSource(tx, id, source)
  for (const { from, until, entries } of grants) await requireMayDelegate(tx, entries, { from, until })
  await clearSource(tx, id, source)
}
