import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { apiKeyMethod, methodsWithoutLimit } from '../model.ts'

/** Ends the live sessions of an identity but for one and those of its API keys; returns which that were. */
export async function endLiveSessions(
  tx: Transaction,
  identityId: IdentityId,
  { reason, except }: { reason: string; except: SessionId | undefined },
): Promise<SessionId[]> {
  const rows = await tx.db
    .updateTable('sessions')
    .set({ ended_at: tx.clock.now(), end_reason: reason })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('ended_at', 'is', null)
    .where('identity_id', '=', toUuid(identityId))
    .where('expires_at', '>', tx.clock.now())
    .where('method', '<>', apiKeyMethod)
    .$if(except !== undefined, (query) => query.where('id', '<>', toUuid(except ?? 'ses_')))
    .returning('id')
    .execute()
  return rows.map(toId)
}

/** Ends sessions and all that were begun with their tokens, or with theirs; returns which had not ended before. */
export async function endLineages(tx: Transaction, firsts: readonly SessionId[], reason: string): Promise<SessionId[]> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ id: string }>`
    with recursive lineage (id) as (
      select unnest(${firsts.map(toUuid)}::uuid[])
      union
      select s.id from sessions s join lineage l on s.parent_id = l.id where s.tenant_id = ${tenant})
    update sessions set ended_at = ${tx.clock.now()}, end_reason = ${reason}
      where tenant_id = ${tenant} and id in (select id from lineage)
        and ended_at is null and expires_at > ${tx.clock.now()}
      returning id`.execute(tx.db)
  return rows.map(toId)
}

/** How many live sessions of an identity are counted. */
export async function countLimited(tx: Transaction, identityId: IdentityId): Promise<number> {
  const { count } = await limited(tx, identityId)
    .select(sql<number>`count(*)::int`.as('count'))
    .executeTakeFirstOrThrow()
  return count
}

/**
 * Those of the counted sessions to end first: the oldest that nothing live was begun with, then the oldest; none of
 * those that one is now begun with.
 */
export async function listFirstToEnd(
  tx: Transaction,
  identityId: IdentityId,
  { begunWith, limit }: { begunWith: SessionId | undefined; limit: number },
): Promise<SessionId[]> {
  const tenant = toUuid(tx.caller.tenantId)
  const parent = begunWith ? toUuid(begunWith) : null
  const rows = await limited(tx, identityId)
    .select('id')
    .where(
      sql<boolean>`id not in (
        with recursive ancestors (id, parent_id) as (
          select s.id, s.parent_id from sessions s where s.tenant_id = ${tenant} and s.id = ${parent}::uuid
          union
          select s.id, s.parent_id from sessions s join ancestors a on s.id = a.parent_id where s.tenant_id = ${tenant})
        select id from ancestors)`,
    )
    .orderBy(
      sql`exists (select from sessions child where child.tenant_id = ${tenant} and child.parent_id = sessions.id
        and child.ended_at is null and child.expires_at > ${tx.clock.now()})`,
    )
    .orderBy('started_at')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(toId)
}

function limited(tx: Transaction, identityId: IdentityId) {
  return tx.db
    .selectFrom('sessions')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where('ended_at', 'is', null)
    .where('expires_at', '>', tx.clock.now())
    .where('method', 'not in', [...methodsWithoutLimit])
}

function toId({ id }: { id: string }): SessionId {
  return fromUuid('session', id)
}
