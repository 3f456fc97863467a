import type { PasskeyId, UserId } from '@agent-iam/contract/ids'
import { sql, type Selectable } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import type { Passkey } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    passkeys: {
      tenant_id: string
      id: string
      identity_id: string
      credential_id: string
      public_key: Buffer
      counter: number
      name: string
      is_synced: boolean
      created_at: Date
      last_used_at: Date | null
    }
  }
}

/** Returns false when the tenant has this credential already: the unique key decides. */
export async function insertPasskey(tx: Transaction, passkey: Passkey): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('passkeys')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(passkey.id),
      identity_id: toUuid(passkey.userId),
      credential_id: passkey.credentialId,
      public_key: passkey.publicKey,
      counter: passkey.counter,
      name: passkey.name,
      is_synced: passkey.isSynced,
      created_at: passkey.createdAt,
      last_used_at: null,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'credential_id']).doNothing())
    .returning('id')
    .executeTakeFirst()
  return inserted !== undefined
}

/** The first made first. */
export async function listPasskeys(tx: Transaction, userId: UserId): Promise<Passkey[]> {
  return (await passkeys(tx, userId).orderBy('id').execute()).map(toPasskey)
}

export async function findPasskey(tx: Transaction, userId: UserId, id: PasskeyId): Promise<Passkey | undefined> {
  const row = await passkeys(tx, userId).where('id', '=', toUuid(id)).executeTakeFirst()
  return row && toPasskey(row)
}

export async function findPasskeyByCredential(
  tx: Transaction,
  userId: UserId,
  credentialId: string,
): Promise<Passkey | undefined> {
  const row = await passkeys(tx, userId).where('credential_id', '=', credentialId).executeTakeFirst()
  return row && toPasskey(row)
}

/**
 * Notes a use. Returns false when the counter is not above the stored one, though either counts: the key was copied, or
 * this use is a repeat (WebAuthn §6.1.1). Of two uses with one counter, the row lets one through.
 */
export async function advancePasskey(tx: Transaction, id: PasskeyId, counter: number): Promise<boolean> {
  const advanced = await tx.db
    .updateTable('passkeys')
    .set({ counter, last_used_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .where(sql<boolean>`(counter < ${counter} or (counter = 0 and ${counter} = 0))`)
    .returning('id')
    .executeTakeFirst()
  return advanced !== undefined
}

export async function updatePasskeyName(tx: Transaction, id: PasskeyId, name: string): Promise<void> {
  await tx.db
    .updateTable('passkeys')
    .set({ name })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

/** Returns false when it is gone already. */
export async function deletePasskey(tx: Transaction, userId: UserId, id: PasskeyId): Promise<boolean> {
  const deleted = await tx.db
    .deleteFrom('passkeys')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(userId))
    .where('id', '=', toUuid(id))
    .returning('id')
    .executeTakeFirst()
  return deleted !== undefined
}

/** Returns how many there were. */
export async function deletePasskeys(tx: Transaction, userId: UserId): Promise<number> {
  const deleted = await tx.db
    .deleteFrom('passkeys')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(userId))
    .returning('id')
    .execute()
  return deleted.length
}

function passkeys(tx: Transaction, userId: UserId) {
  return tx.db
    .selectFrom('passkeys')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(userId))
}

function toPasskey(row: Selectable<Tables['passkeys']>): Passkey {
  return {
    id: fromUuid('passkey', row.id),
    userId: fromUuid('user', row.identity_id),
    credentialId: row.credential_id,
    publicKey: row.public_key,
    counter: row.counter,
    name: row.name,
    isSynced: row.is_synced,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at ?? undefined,
  }
}
