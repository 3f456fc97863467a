import type { TenantId } from '@agent-iam/contract/ids'
import { sql, type Selectable } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { toUuid } from '../../../platform/ids.ts'
import type { Tenant, TenantView } from '../model.ts'
import { toTenant } from '../store.ts'
import { toLimits } from './limits.ts'

export interface TenantFilter {
  readonly id?: TenantId | undefined
  readonly status?: Tenant['status'] | undefined
  readonly after?: TenantId | undefined
}

/** Looks through all tenants, the first made first. In any tenant but the platform's, the database shows none. */
export async function listTenants(
  tx: Transaction,
  { id, status, after }: TenantFilter,
  limit: number,
): Promise<TenantView[]> {
  const { rows } = await sql<Row>`select * from read_tenants(
    ${id ? toUuid(id) : null}, ${status ?? null}, ${after ? toUuid(after) : null}, ${limit})`.execute(tx.db)
  return rows.map(({ limits, counts, ...row }) => ({
    tenant: toTenant(row),
    limits: toLimits(limits),
    usage: { agents: counts?.agent ?? 0, users: counts?.user ?? 0, services: counts?.service ?? 0 },
  }))
}

interface Row extends Selectable<Tables['tenants']> {
  readonly limits: Tables['tenant_limits'] | null
  readonly counts: Readonly<Partial<Record<'agent' | 'user' | 'service', number>>> | null
}
