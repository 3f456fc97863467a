import type { UserId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'
import { endResetLinks } from './reset-links.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    passwords: { tenant_id: string; identity_id: string; hash: string; changed_at: Date; must_change: boolean }
    former_passwords: { tenant_id: string; identity_id: string; hash: string; changed_at: Date }
  }
}

export interface StoredPassword {
  readonly hash: string
  /** Whether it is good for nothing but choosing another. */
  readonly mustChange: boolean
}

/** Passwords that are not taken again: the present one and those before it. */
export const passwordHistory = 5

export async function findPassword(tx: Transaction, userId: UserId): Promise<StoredPassword | undefined> {
  const row = await passwordOf(tx, userId).executeTakeFirst()
  return row && { hash: row.hash, mustChange: row.must_change }
}

/** The same, and holds it until the transaction ends. */
export async function findPasswordForUpdate(tx: Transaction, userId: UserId): Promise<StoredPassword | undefined> {
  const row = await passwordOf(tx, userId).forUpdate().executeTakeFirst()
  return row && { hash: row.hash, mustChange: row.must_change }
}

/** Any hash of the tenant that came from elsewhere, while there is one. */
export async function findImportedHash(tx: Transaction): Promise<string | undefined> {
  const row = await tx.db
    .selectFrom('passwords')
    .select('hash')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where(sql<boolean>`hash like '$2%'`)
    .limit(1)
    .executeTakeFirst()
  return row?.hash
}

/**
 * Gives a user this password in place of the one before, which joins the history; links that would reset it end.
 *
 * NOTE: comes before the end of the user's sessions, in the same transaction. A login that is under way holds the password
 * first and the identity after it; in the other order the two would wait for each other.
 */
export async function setPassword(
  tx: Transaction,
  userId: UserId,
  hash: string,
  { mustChange = false }: { readonly mustChange?: boolean } = {},
): Promise<void> {
  const former = await findPasswordForUpdate(tx, userId)
  const changed = { hash, changed_at: tx.clock.now(), must_change: mustChange }
  await tx.db
    .insertInto('passwords')
    .values({ tenant_id: toUuid(tx.caller.tenantId), identity_id: toUuid(userId), ...changed })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'identity_id']).doUpdateSet(changed))
    .execute()
  if (!former) return
  await keepFormer(tx, userId, former.hash)
  await endResetLinks(tx, userId)
}

/** Another hash of the same password. */
export async function updatePasswordHash(tx: Transaction, userId: UserId, hash: string): Promise<void> {
  await tx.db
    .updateTable('passwords')
    .set({ hash })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(userId))
    .execute()
}

/** The hashes of what a user may not choose again, the present one first. */
export async function listPasswordHashes(tx: Transaction, userId: UserId): Promise<string[]> {
  const present = await findPassword(tx, userId)
  const former = await formerOf(tx, userId).execute()
  return [...(present ? [present.hash] : []), ...former.map(({ hash }) => hash)].slice(0, passwordHistory)
}

async function keepFormer(tx: Transaction, userId: UserId, hash: string): Promise<void> {
  const [tenant, identity] = [toUuid(tx.caller.tenantId), toUuid(userId)]
  await tx.db
    .insertInto('former_passwords')
    .values({ tenant_id: tenant, identity_id: identity, hash, changed_at: tx.clock.now() })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  await tx.db
    .deleteFrom('former_passwords')
    .where('tenant_id', '=', tenant)
    .where('identity_id', '=', identity)
    .where('hash', 'not in', formerOf(tx, userId))
    .execute()
}

/** As many former ones as belong to the history, the last first. */
function formerOf(tx: Transaction, userId: UserId) {
  return tx.db
    .selectFrom('former_passwords')
    .select('hash')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(userId))
    .orderBy('changed_at', 'desc')
    .limit(passwordHistory - 1)
}

function passwordOf(tx: Transaction, userId: UserId) {
  return tx.db
    .selectFrom('passwords')
    .select(['hash', 'must_change'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(userId))
}
