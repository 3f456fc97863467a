import type { EventType } from '@agent-iam/contract/event-types'
import type { UserId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { handOnEnrolmentTokens, holdEnrolmentTokensOf } from '../credentials/service.ts'
import { changeStatus } from '../identities/model.ts'
import { findHeir, handOn, queueSettling } from '../identities/service.ts'
import { endSessionsInBulk, endSessionsOf } from '../sessions/service.ts'
import { endTokens } from './store/tokens.ts'
import { findUser, lockWithAdministrators, updateUserStatus } from './store/users.ts'
import { about, endInvitationsOf, requireAnotherAdministrator, requireFound, requireMayChange } from './users.ts'

/** What became of what a person owned. */
export interface Left {
  readonly heir: UserId | undefined
  readonly handedOn: number
  readonly stopped: number
}

/** Revokes a user for good; the e-mail address stays taken. */
export async function revokeUser(ctx: Context | Transaction, id: UserId, reason: string | undefined): Promise<Left> {
  return leave(ctx, id, { to: 'revoked', action: 'users:revoke', event: 'user.revoked', reason })
}

/** Ends a user for good; the e-mail address is free again. The row stays, so that the log can name it. */
export async function deleteUser(ctx: Context | Transaction, id: UserId): Promise<Left> {
  return leave(ctx, id, { to: 'deleted', action: 'users:delete', event: 'user.deleted', reason: undefined })
}

interface Leaving {
  readonly to: 'revoked' | 'deleted'
  readonly action: 'users:revoke' | 'users:delete'
  readonly event: EventType
  readonly reason: string | undefined
}

/**
 * A person leaves: no session goes on, and password, factors and links are worth nothing. What they own goes to the
 * successor, or stops: nothing goes on that nobody answers for.
 */
async function leave(ctx: Context | Transaction, id: UserId, { to, action, event, reason }: Leaving): Promise<Left> {
  return inTransaction(ctx, async (tx) => {
    await requireMayChange(tx, action, id)
    // NOTE: before anybody is held: who resets a password, or enrols an agent, holds its token first and the user after it.
    await endTokens(tx, 'password-reset', id)
    await holdEnrolmentTokensOf(tx, id)
    const administrators = await lockWithAdministrators(tx, id)
    const user = requireFound(await findUser(tx, id), id)
    changeStatus(user, to, tx.clock.now())
    if (user.status === 'active') requireAnotherAdministrator(administrators, id)
    await updateUserStatus(tx, id, to)
    await endInvitationsOf(tx, id)
    await endSessionsOf(tx, id, { reason: `user ${to}` })
    await queueSettling(tx, [id])
    const heir = await findHeir(tx, id)
    const { handedOn, stopped, services } = await handOn(tx, id, heir)
    await handOnEnrolmentTokens(tx, id, heir)
    if (!heir) for (const service of services) await endSessionsInBulk(tx, service, { reason: 'owner left' })
    recordEvent(tx, {
      type: event,
      ...about(id, reason),
      data: { heir: heir ?? null, handedOn, stopped },
      narrows: true,
    })
    return { heir, handedOn, stopped }
  })
}
