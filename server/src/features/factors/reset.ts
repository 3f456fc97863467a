import type { UserId } from '@agent-iam/contract/ids'
import { inTransaction, type Context } from '../../platform/context.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { listReach, requireHolds } from '../capabilities/service.ts'
import { findUser, lockIdentity } from '../identities/service.ts'
import { deletePasskeys } from './store/passkeys.ts'
import { replaceRecoveryCodes } from './store/recovery-codes.ts'
import { deleteTotp } from './store/totp.ts'

export interface Reset {
  readonly totp: boolean
  readonly passkeys: number
}

/**
 * Removes every factor of a person who lost them. Nobody resets who holds more than they do, since with the password
 * that would be a way up; and nobody resets themselves, since a stolen token would be enough.
 */
export async function resetFactors(ctx: Context, userId: UserId): Promise<Reset> {
  return inTransaction(ctx, async (tx) => {
    if (!(await findUser(tx, userId))) throw notFound('users', userId)
    await tx.authorize('users:reset-factors', { type: 'users', id: userId })
    if (tx.caller.kind === 'identity' && tx.caller.identityId === userId)
      throw new Problem('forbidden', 'your own factors you remove one by one, each with a fresh proof')
    await requireHolds(tx, await listReach(tx, userId))
    await lockIdentity(tx, userId)
    const reset = { totp: await deleteTotp(tx, userId), passkeys: await deletePasskeys(tx, userId) }
    await replaceRecoveryCodes(tx, userId, [])
    recordEvent(tx, {
      type: 'factors.reset',
      resource: `agent-iam/users/${userId}`,
      data: { ...reset },
      narrows: true,
    })
    return reset
  })
}
