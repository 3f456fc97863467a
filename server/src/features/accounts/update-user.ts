import type { UserId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { requireScope } from '../capabilities/service.ts'
import { lockIdentity, requireSuccessor, updateDescription } from '../identities/service.ts'
import { findUser } from './store/users.ts'
import { isSelf, requireFound, requireMayChange } from './users.ts'

/** What may change of a user; what is absent stays. */
export interface UserChange {
  readonly name?: string | undefined
  readonly tags?: readonly string[] | undefined
  /** Who takes over what the user owns, should the user leave; null: nobody. */
  readonly successor?: UserId | null | undefined
}

/** Changes a user, by the user or by who may decide about them. */
export async function updateUser(ctx: Context | Transaction, id: UserId, change: UserChange): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    if (isSelf(tx.caller, id)) requireScope(tx.caller, 'agent-iam/own-account:update')
    else await requireMayChange(tx, 'users:update', id)
    // In the order of their ids: of two who make each other their successor at once, the second is refused.
    const held = change.successor ? [id, change.successor].toSorted() : [id]
    for (const each of held) await lockIdentity(tx, each)
    if (change.successor) await requireSuccessor(tx, id, change.successor)
    const { status } = requireFound(await findUser(tx, id), id)
    if (status === 'revoked' || status === 'deleted')
      throw new Problem('wrong-state', `user ${id} is ${status} and can no longer be changed`)
    await updateDescription(tx, id, change)
    const { name, tags, successor } = change
    recordEvent(tx, {
      type: 'user.updated',
      resource: `agent-iam/users/${id}`,
      data: { ...(tags && { tags: [...tags] }), ...(successor !== undefined && { successor }) },
      ...(name !== undefined && { personal: { subject: id, fields: { name } } }),
    })
  })
}
