import { sql } from 'kysely'
import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import type { Json } from '@agent-iam/contract/json'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'
import type { Session } from '../model.ts'

/** A session that nothing refreshes, and that is bound to no key. */
export interface PlainSession extends Omit<Session, 'endedAt' | 'confirmation'> {
  readonly metadata: Readonly<Record<string, Json>>
  readonly delegator: IdentityId | undefined
  readonly source: SessionId | undefined
}

/** Many at once: one parameter, whatever their number. */
export async function insertSessions(tx: Transaction, sessions: readonly PlainSession[]): Promise<void> {
  const rows = sessions.map((session) => ({
    id: toUuid(session.id),
    identity_id: toUuid(session.identityId),
    started_at: session.startedAt,
    expires_at: session.expiresAt,
    method: session.method,
    client_id: session.clientId ?? null,
    scope: session.scope ?? null,
    metadata: session.metadata,
    delegator_id: session.delegator === undefined ? null : toUuid(session.delegator),
    parent_id: session.source === undefined ? null : toUuid(session.source),
  }))
  await sql`
    insert into sessions (tenant_id, id, identity_id, started_at, expires_at, method, client_id, scope, metadata,
      delegator_id, parent_id, source_session)
    select ${toUuid(tx.caller.tenantId)}::uuid, r.id, r.identity_id, r.started_at, r.expires_at, r.method, r.client_id,
      r.scope, r.metadata, r.delegator_id, r.parent_id, r.parent_id
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r (id uuid, identity_id uuid, started_at timestamptz,
      expires_at timestamptz, method text, client_id text, scope text[], metadata jsonb, delegator_id uuid,
      parent_id uuid)`.execute(tx.db)
}
