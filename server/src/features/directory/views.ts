import type { IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { isId, toUuid } from '../../platform/ids.ts'
import { notFound } from '../../platform/problem.ts'
import { requireRevision, type IfMatch } from '../../platform/revision.ts'
import { listGrants } from '../capabilities/service.ts'
import { nounOf, type AnyIdentity } from '../identities/model.ts'
import { findIdentity, findStopping } from '../identities/service.ts'
import type { IdentityView } from './model.ts'

/**
 * What was just changed. The verbs of agents compare revisions themselves; those of users and services write the row
 * once, so what they changed was the revision before: who came too late for it has all of it undone.
 */
export async function viewChanged(tx: Transaction, id: IdentityId, ifMatch: IfMatch): Promise<IdentityView> {
  const view = await viewIdentity(tx, id)
  if (!isId('agent', id)) requireRevision({ id, revision: view.identity.revision - 1 }, ifMatch)
  return view
}

export async function viewIdentity(tx: Transaction, id: IdentityId): Promise<IdentityView> {
  const identity = await findIdentity(tx, id)
  if (!identity) throw notFound(nounOf(id), id)
  const [view] = await viewIdentities(tx, [identity])
  if (!view) throw new Error('one identity gives one view')
  return view
}

export async function viewIdentities(tx: Transaction, identities: readonly AnyIdentity[]): Promise<IdentityView[]> {
  const grants = await listGrants(
    tx,
    identities.map(({ id }) => id),
  )
  const lent = identities.filter(({ parent }) => parent !== undefined).map(({ id }) => id)
  const stopping = await findStopping(tx, lent)
  return identities.map((identity) => ({
    identity,
    grants: grants.get(identity.id) ?? [],
    stoppedBy: stopping.get(toUuid(identity.id)),
  }))
}
