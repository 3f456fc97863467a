import type { AgentId, EnrolmentTokenId, ServiceId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

// Each takes what ran out first, but for what somebody holds just now: that is there at the next call.

/** Ends keys of agents whose grace is over. */
export async function expireKeys(
  tx: Transaction,
  limit: number,
): Promise<Array<{ agentId: AgentId; thumbprint: string; expiresAt: Date }>> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ identity_id: string; thumbprint: string; expires_at: Date }>`
    with expired as (
      select thumbprint from agent_keys
        where tenant_id = ${tenant} and status = 'retiring' and expires_at <= ${tx.clock.now()}
        order by expires_at limit ${limit} for no key update skip locked)
    update agent_keys k set status = 'expired' from expired e
      where k.tenant_id = ${tenant} and k.thumbprint = e.thumbprint
      returning k.identity_id, k.thumbprint, k.expires_at`.execute(tx.db)
  return rows.map((row) => ({
    agentId: fromUuid('agent', row.identity_id),
    thumbprint: row.thumbprint,
    expiresAt: row.expires_at,
  }))
}

/** Removes certificates that are in force no longer: they would take the place of others. */
export async function deleteExpiredCertificates(
  tx: Transaction,
  limit: number,
): Promise<Array<{ identityId: AgentId | ServiceId; thumbprint: string; expiresAt: Date }>> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ kind: 'agent' | 'service'; identity_id: string; thumbprint: string; not_after: Date }>`
    with expired as (
      select identity_id, thumbprint from certificates where tenant_id = ${tenant} and not_after <= ${tx.clock.now()}
        order by not_after limit ${limit} for update skip locked)
    delete from certificates c using expired e, identities i
      where c.tenant_id = ${tenant} and c.identity_id = e.identity_id and c.thumbprint = e.thumbprint
        and i.tenant_id = ${tenant} and i.id = e.identity_id
      returning i.kind, c.identity_id, c.thumbprint, c.not_after`.execute(tx.db)
  return rows.map((row) => ({
    identityId: fromUuid(row.kind, row.identity_id),
    thumbprint: row.thumbprint,
    expiresAt: row.not_after,
  }))
}

/** Marks enrolment tokens that have run out. */
export async function markExpiredEnrolmentTokens(
  tx: Transaction,
  limit: number,
): Promise<Array<{ id: EnrolmentTokenId; expiresAt: Date }>> {
  const tenant = toUuid(tx.caller.tenantId)
  const now = tx.clock.now()
  const { rows } = await sql<{ id: string; expires_at: Date }>`
    with expired as (
      select id from enrolment_tokens
        where tenant_id = ${tenant} and expired_at is null and revoked_at is null and expires_at <= ${now}
        order by expires_at limit ${limit} for no key update skip locked)
    update enrolment_tokens t set expired_at = ${now} from expired e
      where t.tenant_id = ${tenant} and t.id = e.id
      returning t.id, t.expires_at`.execute(tx.db)
  return rows.map((row) => ({ id: fromUuid('enrolmentToken', row.id), expiresAt: row.expires_at }))
}
