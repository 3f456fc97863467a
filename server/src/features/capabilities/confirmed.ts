import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { requireMayDelegate } from './delegable.ts'
import { clearSource, listOfSource } from './store/confirming.ts'

/**
 * Lets what a session granted an identity stand by itself, as if the caller had granted it. Throws `capability-exceeded`
 * unless the caller may grant all of it, for as long as it is granted.
 */
export async function confirmGrants(tx: Transaction, id: IdentityId, source: SessionId): Promise<void> {
  const grants = await listOfSource(tx, id, source)
  for (const { from, until, entries } of grants) await requireMayDelegate(tx, entries, { from, until })
  await clearSource(tx, id, source)
}
