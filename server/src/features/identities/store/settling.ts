import type { AgentId, IdentityId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    settling: { tenant_id: string; identity_id: string; because_id: string; queued_at: Date }
  }
}

/**
 * Has what lies below these identities tidied up: whoever revokes or deletes one, whatever its kind, says so in the same
 * transaction. Nothing waits for it: what lies below may not act from that commit on.
 *
 * NOTE: the identities are held already, and whoever gives one a child holds it too, so no child comes in between.
 */
export async function queueSettling(tx: Transaction, ids: readonly IdentityId[]): Promise<void> {
  if (ids.length === 0) return
  await sql`
    insert into settling (tenant_id, identity_id, because_id, queued_at)
    select ${toUuid(tx.caller.tenantId)}::uuid, id, id, ${tx.clock.now()}
      from unnest(${ids.map(toUuid)}::uuid[]) as stopped (id)
    on conflict do nothing`.execute(tx.db)
}

/** An agent that was stopped because one above it was. */
export interface SettledAgent {
  readonly id: AgentId
  /** The nearest above it that was stopped by itself. */
  readonly because: IdentityId
  readonly since: Date
}

/** So many identities are looked below at a time: one whose agents somebody holds just now does not keep the others. */
const queueWindow = 50

/**
 * Revokes what lives directly below those that wait longest, and queues it in their place; those with nothing left below
 * them wait no more. So each call goes a step down, and whoever comes after a crash goes on where it was.
 */
export async function revokeBelow(tx: Transaction, limit: number): Promise<SettledAgent[]> {
  const queued = await lockQueued(tx)
  if (queued.length === 0) return []
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ id: string; because_kind: Kind; because_id: string; queued_at: Date }>`
    with below as (
      select id from identities
        where tenant_id = ${tenant} and parent_id = any(${queued}::uuid[])
          and status in ('pending', 'active', 'suspended')
        order by id limit ${limit} for no key update skip locked),
    stopped as (
      update identities i set status = 'revoked', updated_at = ${tx.clock.now()} from below b
        where i.tenant_id = ${tenant} and i.id = b.id
        returning i.id, i.parent_id),
    next as (
      insert into settling (tenant_id, identity_id, because_id, queued_at)
        select ${tenant}::uuid, s.id, q.because_id, q.queued_at
          from stopped s join settling q on q.tenant_id = ${tenant} and q.identity_id = s.parent_id
          where exists (select from identities c where c.tenant_id = ${tenant} and c.parent_id = s.id)
        on conflict do nothing)
    select s.id, b.kind as because_kind, b.id as because_id, q.queued_at
      from stopped s
        join settling q on q.tenant_id = ${tenant} and q.identity_id = s.parent_id
        join identities b on b.tenant_id = ${tenant} and b.id = q.because_id
      order by s.id`.execute(tx.db)
  await deleteSettled(tx, queued)
  return rows.map((row) => ({
    id: fromUuid('agent', row.id),
    because: fromUuid(row.because_kind, row.because_id),
    since: row.queued_at,
  }))
}

type Kind = 'user' | 'service' | 'agent'

async function lockQueued(tx: Transaction): Promise<string[]> {
  const rows = await tx.db
    .selectFrom('settling')
    .select('identity_id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .orderBy('queued_at')
    .orderBy('identity_id')
    .limit(queueWindow)
    .forUpdate()
    .skipLocked()
    .execute()
  return rows.map((row) => row.identity_id)
}

async function deleteSettled(tx: Transaction, queued: readonly string[]): Promise<void> {
  await sql`
    delete from settling q where tenant_id = ${toUuid(tx.caller.tenantId)} and identity_id = any(${[...queued]}::uuid[])
      and not exists (select from identities i where i.tenant_id = q.tenant_id and i.parent_id = q.identity_id
        and i.status in ('pending', 'active', 'suspended'))`.execute(tx.db)
}
