import type { Role } from '@agent-iam/contract/accounts'
import type { UserId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { assignRole } from '../capabilities/service.ts'
import { setPassword } from '../credentials/service.ts'
import { insertUser } from '../identities/service.ts'
import { requireRoom } from '../tenants/service.ts'

interface Newcomer {
  readonly email: string
  readonly name: string
  readonly passwordHash: string
  readonly role: Role
}

/** Makes a user who may log in; that the role may be granted was checked before. */
export async function makeUser(tx: Transaction, { email, name, passwordHash, role }: Newcomer): Promise<UserId> {
  const id = tx.newId('user')
  await requireRoom(tx, 'users')
  if (!(await insertUser(tx, { id, name, email, status: 'active', createdAt: tx.clock.now() })))
    throw new Problem('already-exists', 'a user of this tenant has the e-mail address')
  await setPassword(tx, id, passwordHash)
  await assignRole(tx, id, role)
  return id
}
