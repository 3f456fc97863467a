import type { IdentityId } from '@agent-iam/contract/ids'
import type { ProtectedResource, Transaction } from '../../platform/context.ts'
import { notFound } from '../../platform/problem.ts'
import { nounOf, type AnyIdentity } from '../identities/model.ts'
import { findIdentity, listAncestors } from '../identities/service.ts'

/** An identity that the caller may read; absent, or not to be seen: `not-found`. */
export async function requireIdentity(tx: Transaction, id: IdentityId): Promise<AnyIdentity> {
  const identity = await findIdentity(tx, id)
  const noun = nounOf(id)
  if (!identity) throw notFound(noun, id)
  await tx.authorize(`${noun}:read`, { ...(await about(tx, identity)), type: noun, id })
  return identity
}

/** What policies may ask of whose capabilities it is about. Who comes so far may read it, so no id hides it. */
export async function protectIdentity(tx: Transaction, identity: AnyIdentity): Promise<ProtectedResource> {
  return { ...(await about(tx, identity)), type: 'capabilities' }
}

async function about(tx: Transaction, { id, owner, parent }: AnyIdentity): Promise<Omit<ProtectedResource, 'type'>> {
  const ancestors = parent && (await listAncestors(tx, parent))
  return { identity: id, ...(owner && { owner }), ...(ancestors && { ancestors }) }
}
