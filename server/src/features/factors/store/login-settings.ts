import type { LoginSettings } from '@agent-iam/contract/factors'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    tenant_settings: { tenant_id: string; second_factor_for_administrators: boolean }
  }
}

/** What holds where nobody has set anything. */
export async function findLoginSettings(tx: Transaction): Promise<LoginSettings> {
  const row = await tx.db
    .selectFrom('tenant_settings')
    .select('second_factor_for_administrators')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .executeTakeFirst()
  return { secondFactorForAdministrators: row?.second_factor_for_administrators ?? false }
}

export async function upsertLoginSettings(tx: Transaction, settings: LoginSettings): Promise<void> {
  const changed = { second_factor_for_administrators: settings.secondFactorForAdministrators }
  await tx.db
    .insertInto('tenant_settings')
    .values({ tenant_id: toUuid(tx.caller.tenantId), ...changed })
    .onConflict((conflict) => conflict.column('tenant_id').doUpdateSet(changed))
    .execute()
}
