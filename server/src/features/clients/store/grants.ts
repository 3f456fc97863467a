import type { SessionId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    oauth_grant_sessions: {
      tenant_id: string
      grant_id: Buffer
      authority: Buffer
      session_id: string
      expires_at: Date
    }
  }
}

export interface GrantSession {
  readonly sessionId: SessionId
  /** Digest of the narrowing and the key that its tokens have. */
  readonly authority: Buffer
}

export async function insertGrantSession(
  tx: Transaction,
  grantId: Buffer,
  { sessionId, authority, expiresAt }: GrantSession & { expiresAt: Date },
): Promise<void> {
  await tx.db
    .insertInto('oauth_grant_sessions')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      grant_id: grantId,
      authority,
      session_id: toUuid(sessionId),
      expires_at: expiresAt,
    })
    .execute()
}

export async function listGrantSessions(tx: Transaction, grantId: Buffer): Promise<GrantSession[]> {
  const rows = await tx.db
    .selectFrom('oauth_grant_sessions')
    .select(['session_id', 'authority'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('grant_id', '=', grantId)
    .execute()
  return rows.map((row) => ({ sessionId: fromUuid('session', row.session_id), authority: row.authority }))
}

/** By which grant a session came to be; undefined when by none. */
export async function findGrantOfSession(tx: Transaction, sessionId: SessionId): Promise<Buffer | undefined> {
  const row = await tx.db
    .selectFrom('oauth_grant_sessions')
    .select('grant_id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('session_id', '=', toUuid(sessionId))
    .executeTakeFirst()
  return row?.grant_id
}

export async function deleteGrantSessions(tx: Transaction, grantId: Buffer): Promise<void> {
  await tx.db
    .deleteFrom('oauth_grant_sessions')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('grant_id', '=', grantId)
    .execute()
}
