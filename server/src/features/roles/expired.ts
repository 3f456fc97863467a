import type { IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { deleteExpiredAssignments, type ExpiredAssignment } from './store/expiring.ts'

/** Forgets assignments that have run out: no decision counts them since, so nothing is narrowed. An event per identity. */
export async function endExpiredRoles(tx: Transaction, limit: number): Promise<ExpiredAssignment[]> {
  const expired = await deleteExpiredAssignments(tx, limit)
  const byIdentity = new Map<IdentityId, string[]>()
  for (const { identityId, role } of expired) byIdentity.set(identityId, [...(byIdentity.get(identityId) ?? []), role])
  for (const [identityId, roles] of byIdentity)
    recordEvent(tx, { type: 'role.expired', data: { identityId, roles: roles.toSorted() } })
  return expired
}
