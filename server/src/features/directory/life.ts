import { nounOf } from '../identities/model.ts'
import type { IdentityId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { deleteUser, getUser, reactivateUser, revokeUser, suspendUser } from '../accounts/service.ts'
import { countDescendants, reactivateAgent, suspendAgent, verifyAgent, type Asked } from '../identities/service.ts'
import { deleteService, getService, reactivateService, revokeService, suspendService } from '../services/service.ts'
import { deleteAgent, revokeAgent } from './agents.ts'
import type { IdentityView } from './model.ts'
import { viewChanged } from './views.ts'

/** A stopped identity, with how many agents that descend from it stop with it. */
export interface StoppedIdentity extends IdentityView {
  readonly stoppedDescendants: number
}

/** Makes a pending agent active; nobody else is ever pending. */
export async function verifyIdentity(ctx: Context, id: IdentityId, asked: Asked): Promise<IdentityView> {
  return inTransaction(ctx, async (tx) => {
    if (isId('agent', id)) await verifyAgent(tx, id, asked)
    else await refuseToVerify(tx, id)
    return viewChanged(tx, id, asked.ifMatch)
  })
}

async function refuseToVerify(tx: Transaction, id: IdentityId): Promise<never> {
  if (isId('service', id)) await getService(tx, id)
  else if (isId('user', id)) await getUser(tx, id)
  await tx.authorize(`${nounOf(id)}:verify`, { type: nounOf(id), id })
  throw new Problem('wrong-state', `${id} is not pending; only an agent that is can be verified`)
}

export async function suspendIdentity(ctx: Context, id: IdentityId, asked: Asked): Promise<StoppedIdentity> {
  return inTransaction(ctx, async (tx) => {
    if (isId('agent', id)) return viewStopped(tx, id, asked, await suspendAgent(tx, id, asked))
    if (isId('service', id)) await suspendService(tx, id, asked.reason)
    else if (isId('user', id)) await suspendUser(tx, id, asked.reason)
    return viewStopped(tx, id, asked)
  })
}

export async function reactivateIdentity(ctx: Context, id: IdentityId, asked: Asked): Promise<IdentityView> {
  return inTransaction(ctx, async (tx) => {
    if (isId('agent', id)) await reactivateAgent(tx, id, asked)
    else if (isId('service', id)) await reactivateService(tx, id, asked.reason)
    else if (isId('user', id)) await reactivateUser(tx, id, asked.reason)
    return viewChanged(tx, id, asked.ifMatch)
  })
}

export async function revokeIdentity(ctx: Context, id: IdentityId, asked: Asked): Promise<StoppedIdentity> {
  return inTransaction(ctx, async (tx) => {
    if (isId('agent', id)) return viewStopped(tx, id, asked, await revokeAgent(tx, id, asked))
    if (isId('service', id)) await revokeService(tx, id, asked.reason)
    else if (isId('user', id)) await revokeUser(tx, id, asked.reason)
    return viewStopped(tx, id, asked)
  })
}

/** Ends an identity for good. Its row stays, so that the log can name it. */
export async function deleteIdentity(ctx: Context, id: IdentityId, asked: Asked): Promise<StoppedIdentity> {
  return inTransaction(ctx, async (tx) => {
    if (isId('agent', id)) return viewStopped(tx, id, asked, await deleteAgent(tx, id, asked))
    if (isId('service', id)) await deleteService(tx, id)
    else if (isId('user', id)) await deleteUser(tx, id)
    return viewStopped(tx, id, asked)
  })
}

/** Where the verb has counted already, its count is told. */
async function viewStopped(
  tx: Transaction,
  id: IdentityId,
  { ifMatch }: Asked,
  counted?: { readonly stoppedDescendants: number },
): Promise<StoppedIdentity> {
  const { stoppedDescendants } = counted ?? { stoppedDescendants: await countDescendants(tx, id) }
  return { ...(await viewChanged(tx, id, ifMatch)), stoppedDescendants }
}
