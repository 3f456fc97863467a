import type { IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { requireMayDelegate } from './delegable.ts'
import { clearSource, listSourcedForUpdate, type Sourced } from './store/confirming.ts'

/**
 * Lets what sessions of a person granted an identity stand by itself, as if the caller had granted it. Throws
 * `capability-exceeded` unless the caller may grant all of it, for as long as it is granted then.
 */
export async function confirmGrants(tx: Transaction, id: IdentityId, sourced: Sourced): Promise<void> {
  const spans = await listSourcedForUpdate(tx, id, sourced)
  for (const { from, until, entries } of spans) await requireMayDelegate(tx, entries, { from, until })
  await clearSource(tx, id, spans)
}
