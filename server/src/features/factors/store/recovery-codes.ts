import type { UserId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    recovery_codes: { tenant_id: string; identity_id: string; digest: Buffer }
  }
}

/** Puts these in the place of all that there were. */
export async function replaceRecoveryCodes(tx: Transaction, userId: UserId, digests: readonly Buffer[]): Promise<void> {
  const owner = { tenant_id: toUuid(tx.caller.tenantId), identity_id: toUuid(userId) }
  await tx.db
    .deleteFrom('recovery_codes')
    .where('tenant_id', '=', owner.tenant_id)
    .where('identity_id', '=', owner.identity_id)
    .execute()
  if (digests.length === 0) return
  await tx.db
    .insertInto('recovery_codes')
    .values(digests.map((digest) => ({ ...owner, digest })))
    .execute()
}

/** Returns false when there is no such code: of two who use it at once, one deletes it. */
export async function deleteRecoveryCode(tx: Transaction, userId: UserId, digest: Buffer): Promise<boolean> {
  const deleted = await tx.db
    .deleteFrom('recovery_codes')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(userId))
    .where('digest', '=', digest)
    .returning('identity_id')
    .executeTakeFirst()
  return deleted !== undefined
}

export async function countRecoveryCodes(tx: Transaction, userId: UserId): Promise<number> {
  const { count } = await tx.db
    .selectFrom('recovery_codes')
    .select((select) => select.fn.countAll<number>().as('count'))
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(userId))
    .executeTakeFirstOrThrow()
  return count
}
