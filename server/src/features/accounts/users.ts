import type { Role } from '@agent-iam/contract/accounts'
import type { IdentityStatus } from '@agent-iam/contract/agents'
import type { IdentityId, UserId } from '@agent-iam/contract/ids'
import {
  inTransaction,
  type Caller,
  type Context,
  type PlatformAction,
  type Transaction,
} from '../../platform/context.ts'
import { readIdCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { listReach, requireHolds } from '../capabilities/service.ts'
import { endSessionsOf } from '../sessions/service.ts'
import type { UserView } from './model.ts'
import { revokePending } from './store/invitations.ts'
import { endTokens } from './store/tokens.ts'
import { findUser, listUsers, lockWithAdministrators, updateUserStatus } from './store/users.ts'

export interface UsersQuery {
  readonly limit: number
  readonly cursor?: string | undefined
  readonly status?: IdentityStatus | undefined
  /** `any`: only who holds some role. */
  readonly role?: Role | 'any' | undefined
}

export async function pageUsers(
  ctx: Context,
  query: UsersQuery,
): Promise<{ rows: UserView[]; nextCursor: string | null }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('users:read', { type: 'users' })
    const { status, role, cursor, limit } = query
    const found = await listUsers(tx, { status, role, after: readIdCursor('user', cursor) }, limit + 1)
    return toPage(found, query.limit, ({ id }) => [id])
  })
}

export async function getUser(ctx: Context | Transaction, id: UserId): Promise<UserView> {
  return inTransaction(ctx, async (tx) => {
    const user = requireFound(await findUser(tx, id), id)
    // Who one is oneself is no secret.
    if (!isSelf(tx.caller, id)) await tx.authorize('users:read', { type: 'users', id })
    return user
  })
}

/** Whether a user asks about itself, and nobody acts for it. */
export function isSelf(caller: Caller, id: UserId): boolean {
  return caller.kind === 'identity' && caller.identityId === id && caller.actors.length === 0
}

/** Stops a user: no session goes on, no link of theirs works, and nobody comes in by an invitation that they sent. */
export async function suspendUser(
  ctx: Context | Transaction,
  id: UserId,
  reason: string | undefined,
): Promise<UserView> {
  return inTransaction(ctx, async (tx) => {
    await requireMayChange(tx, 'users:suspend', id)
    // NOTE: before anybody is held: a reset holds its token first and the user after it.
    await endTokens(tx, 'password-reset', id)
    const administrators = await lockWithAdministrators(tx, id)
    const user = requireStatus(requireFound(await findUser(tx, id), id), 'active')
    requireAnotherAdministrator(administrators, id)
    await updateUserStatus(tx, id, 'suspended')
    await endInvitationsOf(tx, id)
    await endSessionsOf(tx, id, { reason: 'user suspended' })
    recordEvent(tx, { type: 'user.suspended', ...about(id, reason), narrows: true })
    return { ...user, status: 'suspended' }
  })
}

export async function reactivateUser(
  ctx: Context | Transaction,
  id: UserId,
  reason: string | undefined,
): Promise<UserView> {
  return inTransaction(ctx, async (tx) => {
    await requireMayChange(tx, 'users:reactivate', id)
    await lockWithAdministrators(tx, id)
    const user = requireStatus(requireFound(await findUser(tx, id), id), 'suspended')
    await updateUserStatus(tx, id, 'active')
    recordEvent(tx, { type: 'user.reactivated', ...about(id, reason) })
    return { ...user, status: 'active' }
  })
}

/** Nobody comes in by an invitation of somebody who may not act. */
export async function endInvitationsOf(tx: Transaction, id: UserId): Promise<void> {
  const invitations = await revokePending(tx, { invitedBy: id })
  for (const invitation of invitations)
    recordEvent(tx, { type: 'invitation.revoked', resource: `agent-iam/invitations/${invitation}` })
}

/** Throws for the last of the active administrators whose role has no end. */
export function requireAnotherAdministrator(administrators: readonly UserId[], id: IdentityId): void {
  if (administrators.every((each) => each === id) && administrators.length > 0)
    throw new Problem('wrong-state', `user ${id} is the last active administrator; make another first`)
}

export function about(id: UserId, reason: string | undefined) {
  const resource = `agent-iam/users/${id}`
  return reason === undefined ? { resource } : { resource, personal: { subject: id, fields: { reason } } }
}

/** Nobody decides about who holds more than they do. */
export async function requireMayChange(tx: Transaction, action: PlatformAction, id: UserId): Promise<void> {
  requireFound(await findUser(tx, id), id)
  await tx.authorize(action, { type: 'users', id })
  await requireHolds(tx, await listReach(tx, id))
}

export function requireFound(user: UserView | undefined, id: UserId): UserView {
  if (user) return user
  throw notFound('users', id)
}

function requireStatus(user: UserView, status: IdentityStatus): UserView {
  if (user.status === status) return user
  throw new Problem('wrong-state', `user ${user.id} is ${user.status}, not ${status}`)
}
