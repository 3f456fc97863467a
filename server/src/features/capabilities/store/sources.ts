import type { SessionId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'

/** When a session ends at the latest. The table belongs to sessions, which know this feature and not the other way. */
export async function findSessionEnd(tx: Transaction, id: SessionId): Promise<Date | undefined> {
  const { rows } = await sql<{ expires_at: Date }>`
    select expires_at from sessions
    where tenant_id = ${toUuid(tx.caller.tenantId)} and id = ${toUuid(id)}`.execute(tx.db)
  return rows[0]?.expires_at
}

/** Whether the session by which a row was created, if any, still gives authority. */
export function sourceLives(tx: Transaction) {
  return sql<boolean>`(source_session is null or source_lives(source_session, ${tx.clock.now()}::timestamptz))`
}
