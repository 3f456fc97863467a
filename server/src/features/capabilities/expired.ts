import type { IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { deleteExpiredGrants, type ExpiredGrant } from './store/expiring.ts'

/** Forgets grants that have run out: no decision counts them since, so nothing is narrowed. An event per identity. */
export async function endExpiredGrants(tx: Transaction, limit: number): Promise<ExpiredGrant[]> {
  const expired = await deleteExpiredGrants(tx, limit)
  const byIdentity = new Map<IdentityId, string[]>()
  for (const { identityId, entry } of expired)
    byIdentity.set(identityId, [...(byIdentity.get(identityId) ?? []), entry])
  for (const [identityId, capabilities] of byIdentity)
    recordEvent(tx, { type: 'capability.expired', data: { identityId, capabilities: capabilities.toSorted() } })
  return expired
}
