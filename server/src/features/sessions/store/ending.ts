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
  const rows = await ending(tx, reason)
    .where('identity_id', '=', toUuid(identityId))
    .where('expires_at', '>', tx.clock.now())
    .where('method', '<>', apiKeyMethod)
    .$if(except !== undefined, (query) => query.where('id', '<>', toUuid(except ?? 'ses_')))
    .returning('id')
    .execute()
  return rows.map(toId)
}

/** Ends the live sessions of an identity but for so many that began last; returns which that were. */
export async function endAllButNewest(
  tx: Transaction,
  identityId: IdentityId,
  { kept, reason }: { kept: number; reason: string },
): Promise<SessionId[]> {
  const rows = await ending(tx, reason)
    .where('id', 'in', (sub) =>
      sub
        .selectFrom('sessions')
        .select('id')
        .where('tenant_id', '=', toUuid(tx.caller.tenantId))
        .where('identity_id', '=', toUuid(identityId))
        .where('ended_at', 'is', null)
        .where('expires_at', '>', tx.clock.now())
        .where('method', 'not in', [...methodsWithoutLimit])
        .orderBy('started_at', 'desc')
        .orderBy('id', 'desc')
        .offset(kept),
    )
    .returning('id')
    .execute()
  return rows.map(toId)
}

/** Ends a session and all that were begun with its tokens, or with theirs; returns which had not ended before. */
export async function endLineage(tx: Transaction, id: SessionId, reason: string): Promise<SessionId[]> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ id: string }>`
    with recursive lineage (id) as (
      select ${toUuid(id)}::uuid
      union
      select s.id from sessions s join lineage l on s.parent_id = l.id where s.tenant_id = ${tenant})
    update sessions set ended_at = ${tx.clock.now()}, end_reason = ${reason}
      where tenant_id = ${tenant} and id in (select id from lineage)
        and ended_at is null and expires_at > ${tx.clock.now()}
      returning id`.execute(tx.db)
  return rows.map(toId)
}

function ending(tx: Transaction, reason: string) {
  return tx.db
    .updateTable('sessions')
    .set({ ended_at: tx.clock.now(), end_reason: reason })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('ended_at', 'is', null)
}

function toId({ id }: { id: string }): SessionId {
  return fromUuid('session', id)
}
