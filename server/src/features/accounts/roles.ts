import type { Role } from '@agent-iam/contract/accounts'
import type { UserId } from '@agent-iam/contract/ids'
import { inTransaction, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { builtInRoles } from '../capabilities/model.ts'
import { requireMayDelegate, requireOwnAuthority, setRole } from '../capabilities/service.ts'
import { endSessionsOf } from '../sessions/service.ts'
import type { UserView } from './model.ts'
import { revokePending } from './store/invitations.ts'
import { findUser, lockWithAdministrators } from './store/users.ts'
import { requireFound, requireMayChange } from './users.ts'

/** Gives a user one role in place of those held. The caller holds all that is given and all that is taken. */
export async function setUserRole(ctx: Context, id: UserId, role: Role): Promise<UserView> {
  return inTransaction(ctx, async (tx) => {
    await requireMayChange(tx, 'users:set-role', id)
    await requireMayDelegate(tx, builtInRoles[role])
    requireOwnAuthority(tx, 'the role of a user')
    const administrators = await lockWithAdministrators(tx, id)
    const user = requireFound(await findUser(tx, id), id)
    if (user.status === 'revoked' || user.status === 'deleted')
      throw new Problem('wrong-state', `user ${id} is ${user.status} and gets no role any more`)
    if (role !== 'admin' && administrators.length > 0 && administrators.every((each) => each === id))
      throw new Problem('wrong-state', `user ${id} is the last active administrator; make another first`)
    await setRole(tx, id, role)
    // A tenant may ask more of an administrator's login than was asked at this user's.
    if (role === 'admin' && !user.roles.includes('admin')) await endSessionsOf(tx, id, { reason: 'role changed' })
    // Whom the user invited would else come by more than the user may give now.
    for (const invitation of role === 'admin' ? [] : await revokePending(tx, { invitedBy: id }))
      recordEvent(tx, { type: 'invitation.revoked', resource: `agent-iam/invitations/${invitation}` })
    recordEvent(tx, {
      type: 'user.role-set',
      resource: `agent-iam/users/${id}`,
      data: { from: [...user.roles], to: role },
      narrows: true,
    })
    return { ...user, roles: [role] }
  })
}
