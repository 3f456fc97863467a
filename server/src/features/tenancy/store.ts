import { sql } from 'kysely'
import type { Transaction } from '../../platform/context.ts'
import { toUuid } from '../../platform/ids.ts'
import type { ByStatus, Stats } from './model.ts'

/** Whether somebody may act as the tenant's administrator. */
export async function hasAdministrator(tx: Transaction): Promise<boolean> {
  const { rows } = await sql<{ there: boolean }>`select exists (
    select from identities i
      join role_assignments r on r.tenant_id = i.tenant_id and r.identity_id = i.id and r.role = 'admin'
    where i.tenant_id = ${toUuid(tx.caller.tenantId)} and i.kind = 'user' and i.status = 'active'
      and r.source_session is null) as there`.execute(tx.db)
  return rows[0]?.there === true
}

/** All in one statement, and so of one moment. */
export async function readStats(tx: Transaction): Promise<Stats> {
  const [tenant, now] = [toUuid(tx.caller.tenantId), tx.clock.now()]
  const { rows } = await sql<Row>`
    select
      (select json_object_agg(kind, of_kind) from (
        select kind, json_object_agg(status, count) as of_kind from (
          select kind, status, count(*) as count from identities where tenant_id = ${tenant} group by kind, status) each
        group by kind) all_kinds) as identities,
      (select count(*)::int from sessions
        where tenant_id = ${tenant} and ended_at is null and expires_at > ${now}) as sessions,
      (select count(*)::int from policies where tenant_id = ${tenant}) as policies,
      (select count(*)::int from registrations
        where tenant_id = ${tenant} and status = 'pending' and not is_known and expires_at > ${now}) as registrations,
      (select count(*)::int from invitations
        where tenant_id = ${tenant} and status = 'pending' and expires_at > ${now}) as invitations,
      (select size::float8 from audit_heads where tenant_id = ${tenant}) as events`.execute(tx.db)
  const [row] = rows
  if (!row) throw new Error('counting always gives a row')
  const { identities, ...counts } = row
  const of = (kind: Kind) => byStatus(identities?.[kind])
  return { ...counts, agents: of('agent'), users: of('user'), services: of('service') }
}

type Kind = 'agent' | 'user' | 'service'

interface Row extends Omit<Stats, 'agents' | 'users' | 'services'> {
  readonly identities: Readonly<Partial<Record<Kind, Partial<ByStatus>>>> | null
}

function byStatus(found: Partial<ByStatus> = {}): ByStatus {
  const { pending = 0, active = 0, suspended = 0, revoked = 0, deleted = 0 } = found
  return { pending, active, suspended, revoked, deleted }
}
