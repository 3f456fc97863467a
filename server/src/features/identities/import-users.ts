import type { UserId } from '@agent-iam/contract/ids'
import type { ImportedUser } from '@agent-iam/contract/users'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { builtInRoles } from '../capabilities/model.ts'
import { assignRole, requireMayDelegate, requireOwnAuthority } from '../capabilities/service.ts'
import { bcryptCostMax, isImportable, setPassword } from '../credentials/service.ts'
import { requireRoom } from '../tenants/service.ts'
import { insertUser } from './store/users.ts'

/** Brings users from elsewhere, all or none, each with the hash of a password and no role that the caller may not give. */
export async function importUsers(
  ctx: Context | Transaction,
  users: readonly ImportedUser[],
): Promise<Array<{ userId: UserId; email: string }>> {
  const errors = users.flatMap(({ passwordHash }, index) =>
    isImportable(passwordHash) ? [] : [{ field: `users.${index}.passwordHash`, message: hashWanted }],
  )
  if (errors.length > 0) throw new Problem('invalid-request', `passwordHash: ${hashWanted}`, { errors })
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('users:import', { type: 'users' })
    const roles = new Set(users.flatMap((user) => user.roles))
    await requireMayDelegate(
      tx,
      [...roles].flatMap((role) => builtInRoles[role]),
    )
    requireOwnAuthority(tx, 'an imported account')
    await requireRoom(tx, 'users', { count: users.length })
    const imported: Array<{ userId: UserId; email: string }> = []
    for (const user of users) imported.push(await importUser(tx, user))
    return imported
  })
}

const hashWanted = `is no bcrypt hash ($2a$, $2b$ or $2y$) of cost ${bcryptCostMax} or less; invite who has a costlier one`

async function importUser(tx: Transaction, user: ImportedUser) {
  const { email: given, name, passwordHash, mustChangePassword, roles } = user
  const [userId, email] = [tx.newId('user'), given.toLowerCase()]
  const isInserted = await insertUser(tx, { id: userId, name, email, status: 'active', createdAt: tx.clock.now() })
  if (!isInserted) throw new Problem('already-exists', `there is a user ${email} already; leave it out`)
  await setPassword(tx, userId, passwordHash, { mustChange: mustChangePassword })
  for (const role of roles) await assignRole(tx, userId, role)
  recordEvent(tx, {
    type: 'user.imported',
    resource: `agent-iam/users/${userId}`,
    data: { roles },
    personal: { subject: userId, fields: { email, name } },
  })
  return { userId, email }
}
