import type { UserId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'
import type { TotpFactor } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    totp_factors: {
      tenant_id: string
      identity_id: string
      secret: Buffer
      created_at: Date
      confirmed_at: Date | null
      last_step: number
    }
  }
}

/** Takes the place of a secret that was never confirmed. Returns false when one was. */
export async function replacePendingTotp(tx: Transaction, userId: UserId, secret: Buffer): Promise<boolean> {
  const fresh = { secret, created_at: tx.clock.now(), last_step: 0 }
  const replaced = await tx.db
    .insertInto('totp_factors')
    .values({ tenant_id: toUuid(tx.caller.tenantId), identity_id: toUuid(userId), confirmed_at: null, ...fresh })
    .onConflict((conflict) =>
      conflict.columns(['tenant_id', 'identity_id']).doUpdateSet(fresh).where('totp_factors.confirmed_at', 'is', null),
    )
    .returning('identity_id')
    .executeTakeFirst()
  return replaced !== undefined
}

export async function findTotp(tx: Transaction, userId: UserId): Promise<TotpFactor | undefined> {
  const row = await totpFactor(tx, userId).executeTakeFirst()
  return row && toTotp(row)
}

/** Locked, so that of two who use one code at once one is second. */
export async function findTotpForUpdate(tx: Transaction, userId: UserId): Promise<TotpFactor | undefined> {
  const row = await totpFactor(tx, userId).forUpdate().executeTakeFirst()
  return row && toTotp(row)
}

export async function updateTotp(
  tx: Transaction,
  userId: UserId,
  { confirmedAt, lastStep }: { confirmedAt: Date; lastStep: number },
): Promise<void> {
  await tx.db
    .updateTable('totp_factors')
    .set({ confirmed_at: confirmedAt, last_step: lastStep })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(userId))
    .execute()
}

/** Returns false when there was none. */
export async function deleteTotp(tx: Transaction, userId: UserId): Promise<boolean> {
  const deleted = await tx.db
    .deleteFrom('totp_factors')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(userId))
    .returning('confirmed_at')
    .executeTakeFirst()
  return deleted?.confirmed_at instanceof Date
}

function totpFactor(tx: Transaction, userId: UserId) {
  return tx.db
    .selectFrom('totp_factors')
    .select(['secret', 'created_at', 'confirmed_at', 'last_step'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(userId))
}

function toTotp(row: { secret: Buffer; created_at: Date; confirmed_at: Date | null; last_step: number }): TotpFactor {
  return {
    secret: row.secret,
    createdAt: row.created_at,
    confirmedAt: row.confirmed_at ?? undefined,
    lastStep: row.last_step,
  }
}
