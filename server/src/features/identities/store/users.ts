import type { UserId } from '@agent-iam/contract/ids'
import { storedSkeleton } from '../../../lib/confusable.ts'
import type { Transaction } from '../../../platform/context.ts'
import { sqlState } from '../../../platform/database.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import type { User } from '../model.ts'
import type { IdentityRow } from '../store.ts'

const uniqueViolation = '23505'

/** Returns false when another user of the tenant has the e-mail address: the unique index decides. */
export async function insertUser(tx: Transaction, user: User): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('identities')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(user.id),
      kind: 'user',
      name: user.name,
      name_skeleton: storedSkeleton(user.name),
      type: 'person',
      status: user.status,
      email: user.email ?? null,
      owner_kind: null,
      owner_id: null,
      parent_id: null,
      created_by: 'system',
      enrolment_token_id: null,
      trust_score: 1,
      trust_basis: 'initial',
      labels: [],
      metadata: '{}',
      expires_at: null,
      created_at: user.createdAt,
      updated_at: user.createdAt,
      last_activity: null,
      // A person is nobody's credential: who was invited or approved stays when the inviter's session ends.
      source_session: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  return inserted !== undefined
}

/** Returns false when another user of the tenant has the e-mail address. */
export async function updateUser(tx: Transaction, user: User): Promise<boolean> {
  try {
    await tx.db
      .updateTable('identities')
      .set({ name: user.name, email: user.email ?? null, status: user.status, updated_at: tx.clock.now() })
      .where('tenant_id', '=', toUuid(tx.caller.tenantId))
      .where('id', '=', toUuid(user.id))
      .execute()
    return true
  } catch (error) {
    if (sqlState(error) === uniqueViolation) return false
    throw error
  }
}

export async function findUser(tx: Transaction, id: UserId): Promise<User | undefined> {
  const row = await users(tx).where('id', '=', toUuid(id)).where('status', '<>', 'deleted').executeTakeFirst()
  return row && toUser(row)
}

export async function findUserByEmail(tx: Transaction, email: string): Promise<User | undefined> {
  const row = await users(tx).where('email', '=', email).where('status', '<>', 'deleted').executeTakeFirst()
  return row && toUser(row)
}

/** The users of a tenant, the first made first. */
export async function listUsers(tx: Transaction, limit: number): Promise<User[]> {
  return (await users(tx).orderBy('id').limit(limit).execute()).map(toUser)
}

function users(tx: Transaction) {
  return tx.db
    .selectFrom('identities')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('kind', '=', 'user')
}

function toUser(row: IdentityRow): User {
  return {
    id: fromUuid('user', row.id),
    name: row.name,
    email: row.email ?? undefined,
    status: row.status,
    createdAt: row.created_at,
  }
}
