import type { UserId } from '@agent-iam/contract/ids'
import { inTransaction, type Caller, type Context } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { requireScope } from '../capabilities/service.ts'
import {
  attemptFailed,
  attemptNotMade,
  attemptProved,
  findPassword,
  findPasswordForUpdate,
  guardAttempt,
  loginAccount,
  passwordOwner,
  preparePassword,
  verifyPassword,
} from '../credentials/service.ts'
import { renewPassword } from '../sessions/service.ts'
import type { UserView } from './model.ts'
import { findUser } from './store/users.ts'

export interface PasswordChange {
  readonly currentPassword: string
  readonly newPassword: string
}

/** Changes the caller's own password, who must know the present one: a stolen session is not enough. */
export async function changePassword(
  ctx: Context,
  { currentPassword, newPassword }: PasswordChange,
): Promise<{ changedAt: Date; endedSessions: number }> {
  const { caller, userId } = requireUser(ctx.caller)
  requireScope(ctx.caller, 'agent-iam/own-password:update')
  const { user, stored } = await inTransaction(ctx, async (tx) => ({
    user: requireFound(await findUser(tx, userId)),
    stored: await findPassword(tx, userId),
  }))
  await prove(ctx, { user, hash: stored?.hash, presented: currentPassword })
  const hash = await preparePassword(ctx, newPassword, { ...ownerOf(user), field: 'newPassword' })
  return inTransaction(ctx, async (tx) => {
    // Another change that came first may be the owner's answer to a thief, so what was proved must still be so.
    if ((await findPasswordForUpdate(tx, userId))?.hash !== stored?.hash)
      throw new Problem('invalid-credentials', 'the password was changed meanwhile; use the new one')
    return renewPassword(tx, { user, hash, except: caller.sessionId })
  })
}

/** What is known of a user, and so may not be in the password. */
export function ownerOf({ id, email = '', name }: Pick<UserView, 'id' | 'email' | 'name'>) {
  return { userId: id, email, name }
}

/** Guessed at here, a password counts as guessed at in a login. */
async function prove(
  ctx: Context,
  { user, hash, presented }: { user: UserView; hash: string | undefined; presented: string },
): Promise<void> {
  const account = loginAccount(ctx.caller.tenantId, user.email ?? user.id)
  const attempt = await guardAttempt(ctx, { purpose: 'password', account })
  const isProved = await verifyPassword(passwordOwner(ctx, account), { presented, stored: hash }).catch(
    async (error: unknown) => {
      await attemptNotMade(ctx, attempt)
      throw error
    },
  )
  if (isProved) return attemptProved(ctx, attempt)
  await attemptFailed(ctx, attempt)
  throw new Problem('invalid-credentials', 'currentPassword is not the present password')
}

function requireUser(caller: Caller): { caller: Caller & { kind: 'identity' }; userId: UserId } {
  if (caller.kind === 'identity' && isId('user', caller.identityId)) return { caller, userId: caller.identityId }
  throw new Problem('forbidden', 'only people have passwords; agents have keys')
}

function requireFound(user: UserView | undefined): UserView {
  if (user) return user
  throw new Problem('token-revoked', 'the session has ended; log in again')
}
