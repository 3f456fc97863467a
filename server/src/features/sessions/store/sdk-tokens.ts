import type { SdkTokenId, SessionId, UserId } from '@agent-iam/contract/ids'
import type { SdkTokenStatus } from '@agent-iam/contract/sdk-tokens'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import type { SdkToken } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    sdk_tokens: {
      tenant_id: string
      id: string
      identity_id: string
      session_id: string
      device: string
      created_at: Date
      recovered_at: Date | null
    }
  }
}

export async function insertSdkToken(
  tx: Transaction,
  token: { readonly id: SdkTokenId; readonly userId: UserId; readonly sessionId: SessionId; readonly device: string },
): Promise<void> {
  await tx.db
    .insertInto('sdk_tokens')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(token.id),
      identity_id: toUuid(token.userId),
      session_id: toUuid(token.sessionId),
      device: token.device,
      created_at: tx.clock.now(),
      recovered_at: null,
    })
    .execute()
}

/** Another session takes the place of the one that was lost. */
export async function replaceSession(tx: Transaction, id: SdkTokenId, sessionId: SessionId): Promise<void> {
  await tx.db
    .updateTable('sdk_tokens')
    .set({ session_id: toUuid(sessionId), recovered_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

/** One of a person's; another person's is not there. */
export async function findSdkToken(tx: Transaction, userId: UserId, id: SdkTokenId): Promise<SdkToken | undefined> {
  const row = await ofPerson(tx, userId).where('sdk_tokens.id', '=', toUuid(id)).executeTakeFirst()
  return row && toSdkToken(row)
}

/** The last made first, after the one given. */
export async function listSdkTokens(
  tx: Transaction,
  userId: UserId,
  page: { readonly before: SdkTokenId | undefined; readonly limit: number },
): Promise<SdkToken[]> {
  const rows = await ofPerson(tx, userId)
    .$if(page.before !== undefined, (query) => query.where('sdk_tokens.id', '<', toUuid(page.before ?? 'sdk_')))
    .orderBy('sdk_tokens.id', 'desc')
    .limit(page.limit)
    .execute()
  return rows.map(toSdkToken)
}

/** Those whose sessions live. */
export async function listActiveSdkTokens(tx: Transaction, userId: UserId): Promise<SdkToken[]> {
  const rows = await ofPerson(tx, userId)
    .where('sessions.ended_at', 'is', null)
    .where('sessions.expires_at', '>', tx.clock.now())
    .execute()
  return rows.map(toSdkToken)
}

export async function countSdkTokens(tx: Transaction, userId: UserId): Promise<Record<SdkTokenStatus, number>> {
  const status = sql<SdkTokenStatus>`case when sessions.ended_at < sessions.expires_at then 'revoked'
    when sessions.expires_at <= ${tx.clock.now()} then 'expired' else 'active' end`
  const rows = await ofPerson(tx, userId)
    .clearSelect()
    .select([status.as('state'), sql<number>`count(*)::int`.as('count')])
    .groupBy('state')
    .execute()
  const counts = { active: 0, revoked: 0, expired: 0 }
  for (const row of rows) counts[row.state] = row.count
  return counts
}

function ofPerson(tx: Transaction, userId: UserId) {
  return tx.db
    .selectFrom('sdk_tokens')
    .innerJoin('sessions', (join) =>
      join.onRef('sessions.tenant_id', '=', 'sdk_tokens.tenant_id').onRef('sessions.id', '=', 'sdk_tokens.session_id'),
    )
    .select([
      'sdk_tokens.id',
      'sdk_tokens.identity_id',
      'sdk_tokens.session_id',
      'sdk_tokens.device',
      'sdk_tokens.created_at',
      'sdk_tokens.recovered_at',
      'sessions.scope',
      'sessions.expires_at',
      'sessions.ended_at',
      'sessions.last_used_at',
      'sessions.uses',
    ])
    .where('sdk_tokens.tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('sdk_tokens.identity_id', '=', toUuid(userId))
}

interface Row {
  readonly id: string
  readonly identity_id: string
  readonly session_id: string
  readonly device: string
  readonly created_at: Date
  readonly recovered_at: Date | null
  readonly scope: string[] | null
  readonly expires_at: Date
  readonly ended_at: Date | null
  readonly last_used_at: Date | null
  readonly uses: number
}

function toSdkToken(row: Row): SdkToken {
  return {
    id: fromUuid('sdkToken', row.id),
    userId: fromUuid('user', row.identity_id),
    sessionId: fromUuid('session', row.session_id),
    device: row.device,
    scope: row.scope ?? undefined,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at ?? undefined,
    recoveredAt: row.recovered_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
    uses: row.uses,
  }
}
