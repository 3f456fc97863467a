import { z } from 'zod'
import { actorOf, type Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'
import { risks, type SetThresholds } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    trust_thresholds: {
      tenant_id: string
      by_label: unknown
      by_risk: unknown
      revision: number
      updated_by: string
      updated_at: Date
    }
  }
}

const ByLabel = z.record(z.string(), z.number())
const ByRisk = z.partialRecord(z.enum(risks), z.number())

export async function findThresholds(tx: Transaction): Promise<SetThresholds> {
  const row = await tx.db
    .selectFrom('trust_thresholds')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .executeTakeFirst()
  if (!row) return { byLabel: {}, byRisk: {}, revision: 1, updatedAt: undefined }
  return {
    byLabel: ByLabel.parse(row.by_label),
    byRisk: ByRisk.parse(row.by_risk),
    revision: row.revision,
    updatedAt: row.updated_at,
  }
}

export async function upsertThresholds(tx: Transaction, thresholds: SetThresholds): Promise<void> {
  const row = {
    by_label: JSON.stringify(thresholds.byLabel),
    by_risk: JSON.stringify(thresholds.byRisk),
    revision: thresholds.revision,
    updated_by: actorOf(tx.caller),
    updated_at: tx.clock.now(),
  }
  await tx.db
    .insertInto('trust_thresholds')
    .values({ tenant_id: toUuid(tx.caller.tenantId), ...row })
    .onConflict((conflict) => conflict.column('tenant_id').doUpdateSet(row))
    .execute()
}
