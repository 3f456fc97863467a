import type { UserId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { toUuid } from '../../platform/ids.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    setup_links: { tenant_id: string; digest: Buffer; created_at: Date; expires_at: Date; used_at: Date | null }
    master_keys: { tenant_id: string; key_id: string; check_value: Buffer; created_at: Date }
  }
}

export async function insertSetupLink(tx: Transaction, digest: Buffer, expiresAt: Date): Promise<void> {
  await tx.db
    .insertInto('setup_links')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      digest,
      created_at: tx.clock.now(),
      expires_at: expiresAt,
      used_at: null,
    })
    .execute()
}

/** Whether that link is open, or any. */
export async function hasOpenSetupLink(tx: Transaction, digest?: Buffer): Promise<boolean> {
  const row = await tx.db
    .selectFrom('setup_links')
    .select('digest')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('used_at', 'is', null)
    .where('expires_at', '>', tx.clock.now())
    .$if(digest !== undefined, (query) => query.where('digest', '=', digest ?? Buffer.alloc(0)))
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Returns false when the link is unknown, used or expired; of two who use it at once, one succeeds. */
export async function useSetupLink(tx: Transaction, digest: Buffer): Promise<boolean> {
  const used = await tx.db
    .updateTable('setup_links')
    .set({ used_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('digest', '=', digest)
    .where('used_at', 'is', null)
    .where('expires_at', '>', tx.clock.now())
    .returning('digest')
    .executeTakeFirst()
  return used !== undefined
}

/** Ends every link that was not used: the next one is the only one. */
export async function closeSetupLinks(tx: Transaction): Promise<void> {
  await tx.db
    .updateTable('setup_links')
    .set({ used_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('used_at', 'is', null)
    .execute()
}

/** Returns false when the user is not pending; of two who ask at once, the second learns what the first made of it. */
export async function lockPendingUser(tx: Transaction, id: UserId): Promise<boolean> {
  const row = await tx.db
    .selectFrom('identities')
    .select('id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .where('status', '=', 'pending')
    .forUpdate()
    .executeTakeFirst()
  return row !== undefined
}

/** The newest first. */
export async function listMasterKeys(tx: Transaction): Promise<Array<{ keyId: string; checkValue: Buffer }>> {
  const rows = await tx.db
    .selectFrom('master_keys')
    .select(['key_id', 'check_value'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .orderBy('created_at', 'desc')
    .execute()
  return rows.map((row) => ({ keyId: row.key_id, checkValue: row.check_value }))
}

export async function insertMasterKey(tx: Transaction, keyId: string, checkValue: Buffer): Promise<void> {
  await tx.db
    .insertInto('master_keys')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      key_id: keyId,
      check_value: checkValue,
      created_at: tx.clock.now(),
    })
    .execute()
}
